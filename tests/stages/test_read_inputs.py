"""Inputs are found, unpacked and known by their bytes; nothing of an earlier run is loaded by accident."""

import gzip
import hashlib
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.errors import InputError, LoaderError, UsageError
from loader.read import Input, open_inputs
from loader.read.paths import own_outputs
from loader.settings import InputSettings
from tests.rows import links_of

CONTENT = b"object_id,to_object_id\n1,2\n"


def opened(*inputs: str | Path, standard_input: Any = None, **options: Any) -> list[Input]:
    settings = InputSettings(
        inputs=tuple(map(str, inputs)), object_type="contacts", to_object_type="companies", **options
    )
    return open_inputs(settings, standard_input=standard_input)


def names(*inputs: str | Path) -> list[str]:
    return [source.name for source in opened(*inputs)]


def rows(source: Input) -> list[tuple[int, str, str]]:
    return [(link.row, link.object_id, link.to_object_id) for link in links_of(source.chunks())]


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def journal(path: Path, outputs: dict[str, object]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT)")
    connection.executemany(
        "INSERT INTO facts VALUES (?, ?)", [(key, json.dumps(value)) for key, value in outputs.items()]
    )
    connection.commit()
    connection.close()


def test_folders_and_globs_are_sorted_and_every_file_comes_once(tmp_path: Path, monkeypatch: Any) -> None:
    """Supported files only, not those of folders below; a relative name stays relative; links count as their file."""
    monkeypatch.chdir(tmp_path)
    for name in ("data/b.csv", "data/a.tsv", "data/c.txt", "data/notes.md", "data/below/d.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(CONTENT)
    Path("data/link.csv").symlink_to("b.csv")
    assert names("data") == ["data/a.tsv", "data/b.csv", "data/c.txt"]
    assert names("data/*.csv", "data/a.tsv", "data/b.csv") == ["data/b.csv", "data/a.tsv"]
    assert names("data/c.txt", "data") == ["data/c.txt", "data/a.tsv", "data/b.csv"]
    assert names("data/link.csv") == ["data/link.csv"]


def test_a_name_with_a_bracket_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    """`rows[1].csv` is there, so it is meant."""
    (tmp_path / "rows[1].csv").write_bytes(CONTENT)
    assert names(tmp_path / "rows[1].csv") == [str(tmp_path / "rows[1].csv")]


@pytest.mark.parametrize("name", ["nowhere.csv", "*.csv", "", "a\0b", "x" * 5000])
def test_what_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    """A missing file and a glob without a match are errors in words."""
    with pytest.raises(LoaderError) as caught:
        opened(str(tmp_path / name) if name and "\0" not in name else name)
    assert str(caught.value).endswith(".")


def test_an_empty_folder_and_no_input_at_all_are_said(tmp_path: Path) -> None:
    """Nothing to load is not a load of nothing."""
    with pytest.raises(InputError, match="holds no file"):
        opened(tmp_path)
    with pytest.raises(UsageError, match="no input"):
        opened()


def test_special_files_are_refused_without_being_opened(tmp_path: Path) -> None:
    """A fifo would wait for ever."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="not a regular file"):
        opened(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="not a regular file"):
        opened("/dev/null")


def test_an_earlier_runs_files_are_left_out_of_folders_and_said(tmp_path: Path) -> None:
    """What a journal names, and what is named after one, is not loaded; named alone it is an input."""
    for name in ("a.csv", "a.failures.csv", "mine.csv", "other.failures.csv", "a.results.csv"):
        (tmp_path / name).write_bytes(CONTENT)
    (tmp_path / "a.summary.json").write_text("{}")
    (tmp_path / "broken.journal").write_bytes(b"no database")
    sqlite3.connect(tmp_path / "empty.journal").close()
    journal(tmp_path / "a.journal", {"output.results": "mine.csv", "input": "a.csv", "output.odd": 7})
    assert own_outputs(tmp_path) == {"mine.csv"}
    for given in (tmp_path, tmp_path / "*"):
        sources = opened(given)
        assert [Path(source.name).name for source in sources] == ["a.csv", "other.failures.csv"]
        assert "mine.csv" in sources[0].understood.notes[0]
        list(sources[0].chunks())
        assert "earlier run" in sources[0].understood.notes[0]
    assert rows(opened(tmp_path / "a.failures.csv")[0]) == [(2, "1", "2")]


def test_a_folder_of_outputs_alone_is_said(tmp_path: Path) -> None:
    """Then nothing is left to load."""
    (tmp_path / "r.csv").write_bytes(CONTENT)
    journal(tmp_path / "r.journal", {"output.results": "r.csv"})
    with pytest.raises(InputError, match="written by earlier runs"):
        opened(tmp_path)


def test_the_hash_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    """Of the packed bytes, where it is packed."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(CONTENT))
    assert opened(path)[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_standard_input_is_kept_privately_and_removed(tmp_path: Path, monkeypatch: Any) -> None:
    """`-` is CSV unless `--format` or its first bytes tell; its copy is its owner's only, until it is closed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (source,) = opened("-", standard_input=io.BytesIO(CONTENT))
    assert (source.name, source.understood.format, rows(source)) == ("-", "csv", [(2, "1", "2")])
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o600
    source.close()
    assert not source.path.exists()
    (tabbed,) = opened("-", standard_input=io.BytesIO(CONTENT.replace(b",", b"\t")), format="tsv")
    assert rows(tabbed) == [(2, "1", "2")]
    tabbed.close()
    with pytest.raises(InputError):
        opened("-", standard_input=io.BytesIO(b"nothing"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="standard input"):
        opened("-")


def test_a_zip_with_one_table_is_read(tmp_path: Path) -> None:
    """What macOS adds and folders do not count; a path within the archive is never used."""
    members = {"../../x/a.csv": CONTENT, "__MACOSX/._a.csv": b"x", ".DS_Store": b"x", "folder/": b""}
    source = opened(zipped(tmp_path / "a.zip", members))[0]
    assert rows(source) == rows(source) == [(2, "1", "2")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_a_protected_archive_is_refused_in_words(tmp_path: Path) -> None:
    """Both places where a zip says that a member is encrypted are set."""
    path = zipped(tmp_path / "a.zip", {"a.csv": CONTENT})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="password"):
        opened(path)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_a_bomb_is_stopped(tmp_path: Path, name: str) -> None:
    """What unpacks to hundreds of times its size is not read to its end."""
    bomb = CONTENT + b"1,2\n" * (20 << 20)
    if name == "a.zip":
        zipped(tmp_path / name, {"a.csv": bomb})
    else:
        (tmp_path / name).write_bytes(gzip.compress(bomb))
    with pytest.raises(InputError, match="200 times"):
        opened(tmp_path / name)


@pytest.mark.parametrize(("wanted", "content"), [("parquet", CONTENT), ("csv", b"PAR1...."), ("xml", CONTENT)])
def test_a_format_that_the_bytes_contradict_is_a_usage_error(tmp_path: Path, wanted: str, content: bytes) -> None:
    """`--format` names the kind of a text; it does not turn one file into another."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UsageError, match="--format"):
        opened(tmp_path / "a.csv", format=wanted)


def test_one_bad_file_closes_the_others(tmp_path: Path, monkeypatch: Any) -> None:
    """No private copy is left behind when a later input is refused."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InputError):
        opened("-", tmp_path / "nowhere.csv", standard_input=io.BytesIO(CONTENT))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("a.csv", "pandas pyarrow python_calamine"),
        # Pyarrow imports pandas where a scalar or an array is made of Python's objects: half a second.
        pytest.param("a.parquet", "pandas", marks=pytest.mark.slow),
    ],
)
def test_reading_a_file_imports_no_library_that_it_does_not_need(tmp_path: Path, name: str, unused: str) -> None:
    if name == "a.parquet":
        pq.write_table(pa.table({"object_id": [1, None], "to_object_id": ["2", None]}), tmp_path / name)
    else:
        (tmp_path / name).write_bytes(CONTENT)
    program = (
        "import sys; from loader.read import open_inputs; from loader.settings import InputSettings;"
        f"settings = InputSettings(inputs=({name!r},), object_type='0-1', to_object_type='0-2');"
        "list(open_inputs(settings)[0].chunks());"
        f"sys.exit(bool({{*{unused!r}.split()}} & {{*sys.modules}}))"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=tmp_path, env=path).returncode == 0
