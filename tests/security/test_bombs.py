"""Inputs made to harm: what unpacks to gigabytes, names files, speaks XML or carries code (items 13 to 15)."""

import ast
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import loader
from loader.cli import run as run_command
from tests.security.bombs import HEAD, sheet, workbook, zipped

TYPES = ("--from", "contacts", "--to", "companies", "--quiet")


def plan(path: Path, capfd: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = run_command(["plan", str(path), *TYPES, "--json", *more])
    return code, "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["../evil.csv", "/evil-of-a-zip.csv", "..\\evil.csv", "a/../../evil.csv"])
def test_no_name_in_an_archive_is_a_place_on_the_disk(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A member is read where it is; nothing is unpacked to a name of its own."""
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "a.zip").write_bytes(zipped({name: HEAD + b"101,201\n"}))
    code, output = plan(folder / "a.zip", capfd)
    assert code == (2 if name.startswith("..\\") else 0), output
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert not Path("/evil-of-a-zip.csv").exists()


def test_xml_of_a_workbook_opens_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An external entity is not fetched, whichever part of a workbook names it."""
    secret = tmp_path / "secret"
    secret.write_text("31337")
    head = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}"><!ENTITY % p SYSTEM "file://{secret}">]>'
    cell = '<row r="2"><c r="A2" t="str"><v>&e;</v></c><c r="B2" t="str"><f>1</f><v>&e;</v></c></row>'
    first = '<row r="1"><c r="A1" t="str"><v>object_id</v></c><c r="B1" t="str"><v>to_object_id</v></c></row>'
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(sheet=sheet(first + cell, head)))
    code, output = plan(path, capfd)
    assert code in (1, 2)
    assert "31337" not in output


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self._place = str(place)

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self._place, "w")


def test_code_that_a_parquet_file_carries_is_not_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """CVE-2023-47248: an extension type whose parameters are a pickle reads as the type that it is stored as."""
    place = tmp_path / "harmed"
    marks = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Harm(place)),
    }
    pickled = pa.field("object_id", pa.string(), metadata=marks)
    schema = pa.schema(
        [pickled, pa.field("to_object_id", pa.string())], metadata={b"pandas": pickle.dumps(Harm(place))}
    )
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([["101"], ["201"]], schema=schema), path)
    code, output = plan(path, capfd)
    assert not place.exists()
    assert code == 0, output


@pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.csv", "a.parquet"])
def test_a_pickle_is_refused_under_any_name(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "harmed"
    (tmp_path / name).write_bytes(pickle.dumps(Harm(place)))
    assert plan(tmp_path / name, capfd)[0] == 2
    assert not place.exists()


@pytest.mark.slow
def test_the_loader_unpickles_evaluates_and_starts_nothing() -> None:
    """No call of it in the source: whatever comes in is data. Two modules start what the user names, and no shell."""
    starting = {f"{name}: subprocess" for name in ("on_end.py", "profiles.py")}
    banned = {"pickle", "marshal", "shelve", "eval", "exec", "read_pickle", "unpickle", "subprocess", "system", "popen"}
    found = [
        f"{path.name}: {name}"
        for path in Path(loader.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in names(node)
        if name in banned
    ]
    assert set(found) == starting


def names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [str(node.module).partition(".")[0]]
    if isinstance(node, ast.Call):
        return [getattr(node.func, "attr", getattr(node.func, "id", ""))]
    return []
