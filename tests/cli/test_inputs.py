"""Inputs as they are named: several, folders, globs, packed, piped; and what their outputs are called."""

import gzip
import os
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, lines, refused

ROW = "from_id,to_id\n101,201\n"


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("mixed.csv", "mixed.results.csv"),
        ("mixed.csv.gz", "mixed.results.csv"),
        ("deep/mixed.tsv", "mixed.results.csv"),
        ("a.b.csv", "a.b.results.csv"),
        ("mixed.csv.zip", "mixed.results.csv"),
    ],
)
def test_results_are_named_after_the_first_input(name: str, results: str, sandbox: Sandbox, load: Run) -> None:
    """The stem, without endings; not where the input lies."""
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(ROW.encode()))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside.csv", ROW)
    else:
        path.write_text(ROW.replace(",", "\t") if name.endswith(".tsv") else ROW)
    assert load(name).code == 0
    assert Path(results).exists()


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("results", "stem"), [("mixed.results.csv", "mixed"), ("r.csv", "r"), ("x.y.jsonl", "x.y"), ("r.results", "")]
)
def test_the_stem_of_the_results_names_the_other_files(results: str, stem: str, sandbox: Sandbox, load: Run) -> None:
    """The journal and the others lie beside the results."""
    Path("a.csv").write_text(ROW)
    Path("out").mkdir()
    code = load("a.csv", "--results", f"out/{results}").code
    expected = {results, f"{stem}.journal", f"{stem}.summary.json"} if stem else set()
    assert code == (0 if stem else 2)
    assert {file.name for file in Path("out").iterdir()} == expected


@pytest.mark.parametrize(
    ("content", "options", "record_id"),
    [(ROW, (), "101"), ('{"from_id": "9007199254740993", "to_id": 201}\n', ("--format", "jsonl"), "9007199254740993")],
    ids=["CSV", "JSON lines"],
)
def test_standard_input_is_csv_or_what_format_says(
    content: str, options: tuple[str, ...], record_id: str, sandbox: Sandbox, load: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-`; its results are those of `stdin`, its lines name it `-`, and its first record is row 2."""
    Path("piped").write_text(content)
    with Path("piped").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert load("-", *options).code == 0
    (line,) = lines("stdin.results.csv")
    assert (line["input"], line["row"], line["object_id"]) == ("-", "2", record_id)


def test_standard_input_that_is_closed_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    refused(run("load", "-", *CONTACTS))


def test_several_inputs_are_one_load(sandbox: Sandbox, load: Run) -> None:
    """A pair that two files name is sent once; each line says its file and row."""
    Path("a.csv").write_text(ROW)
    Path("b.csv").write_text(ROW + "102,202\n")
    assert load("a.csv", "b.csv").code == 0
    found = sorted((line["input"], line["row"]) for line in lines("a.results.csv"))
    assert found == [("a.csv", "2"), ("b.csv", "2"), ("b.csv", "3")]
    assert sandbox.count("PUT") == 2


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("named", [".", "*.csv"])
def test_outputs_of_earlier_runs_are_left_out_of_folders_and_globs(named: str, sandbox: Sandbox, load: Run) -> None:
    """The second time the folder also has results and failures: it is the same load, and that is said."""
    Path("a.csv").write_text(ROW + "x,1\n")
    Path("b.csv").write_text(ROW + "102,202\n")
    assert load(named).code == 1
    count = sandbox.count("PUT")
    assert count == 2
    done = load(named)
    assert (done.code, sandbox.count("PUT")) == (1, count)
    assert load(named, "--fresh").code == 1
    assert len(lines("a.results.csv")) == 4
    done = load(named, "--results", "other.csv")
    assert "a.results.csv" in done.err
    assert len(lines("other.csv")) == 4


def test_a_failures_file_named_alone_is_an_input(sandbox: Sandbox, load: Run) -> None:
    """Also before it is mended: the same rows are rejected again, in results of their own."""
    load("a.csv", text=ROW + "x,1\n")
    assert load("a.failures.csv").code == 1
    assert [line["status"] for line in lines("a.failures.results.csv")] == ["rejected"]
    assert list(lines("a.failures.failures.csv")[0])[:2] == ["from_id", "to_id"]
    assert len(lines("a.failures.failures.csv")[0]) == 9


def test_failures_of_several_inputs_have_the_union_of_their_columns(sandbox: Sandbox, load: Run) -> None:
    """In their order; what a file does not have is blank."""
    Path("a.csv").write_text("from_id,to_id,a\nx,1,A\n")
    Path("b.csv").write_text("b,from_id,to_id\nB,y,2\n")
    load("a.csv", "b.csv")
    found = lines("a.failures.csv")
    assert list(found[0])[:4] == ["from_id", "to_id", "a", "b"]
    assert [(line["from_id"], line["a"], line["b"]) for line in found] == [("x", "A", ""), ("y", "", "B")]


def test_a_named_pipe_is_refused(run: Run, sandbox: Sandbox) -> None:
    """It cannot be read twice, so it is no input by name."""

    os.mkfifo(Path("pipe.csv"))
    refused(run("load", "pipe.csv", *CONTACTS), "-")


@pytest.mark.slow
def test_files_left_out_of_a_folder_are_named(sandbox: Sandbox, load: Run) -> None:
    """Other endings, folders below, hidden files and locks; the tables of all endings are loaded."""
    Path("in/below").mkdir(parents=True)
    taken = ["a.csv", "b.ndjson", "c.json", "d.pq", "e.parq", "f.xlsm", "g.csv.xz"]
    left_out = ["~$f.xlsx", "._a.csv", ".hidden.csv", "notes.md", "a.csv.zst", "g.tar.gz", "x" * 200 + ".bak"]
    for place, name in enumerate(taken):
        frame = pd.DataFrame({"from_id": [101 + place], "to_id": ["201"]})
        if name.endswith("json"):
            frame.to_json(Path("in") / name, orient="records", lines=True)
        elif name.endswith(("pq", "parq")):
            frame.to_parquet(Path("in") / name)
        elif name.endswith("xlsm"):
            frame.to_excel(Path("in") / name, index=False, engine="openpyxl")
        else:
            frame.to_csv(Path("in") / name, index=False)
    for name in left_out:
        (Path("in") / name).write_bytes(b"no table")
    for given in ("in", "in/*"):
        done = load(given, "--results", "r.csv", "--fresh")
        assert done.code == 0, done.err
        assert sorted(line["input"] for line in lines("r.csv")) == [f"in/{name}" for name in taken]
        said = "".join(done.err.split())
        hidden_from_globs = (".",) if given == "in/*" else ()
        named = [name for name in left_out if not name.startswith(hidden_from_globs)]
        assert all(f'"{name}"' in said for name in [*named, "below"]), said


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("given", ["in", "in/*", "in/**"])
def test_folders_that_give_a_column_are_read_with_it(given: str, sandbox: Sandbox, run: Run) -> None:
    """As Hive and Spark write them; a file that moves to another such folder is another input."""
    path = Path("in/to_object_type=companies/label=Key%20one")
    other = Path("in/to_object_type=deals/label=__HIVE_DEFAULT_PARTITION__")
    path.mkdir(parents=True)
    other.mkdir(parents=True)
    (path / "a.csv").write_text(ROW)
    (other / "a.csv").write_text("from_id,to_id\n102,301\n")
    done = run("load", given, "--from", "contacts", "--results", "r.csv")
    found = {line["object_id"]: (line["to_object_type"], line["label"]) for line in lines("r.csv")}
    assert found == {"101": ("0-2", "Key one"), "102": ("0-3", "")}
    assert not sandbox.portal.types_of("contacts", 101, "companies", 201), "its label does not exist"
    assert sandbox.portal.types_of("contacts", 102, "deals", 301)
    assert done.code == 1
    path.rename(path.with_name("label=Primary"))
    assert run("load", given, "--from", "contacts", "--results", "r.csv").code == 0
    assert {line["label"] for line in lines("r.csv")} == {"Primary", ""}


def test_a_file_that_is_linked_into_two_such_folders_is_read_with_each(sandbox: Sandbox, run: Run) -> None:
    """The link's folder says other things of its rows; elsewhere a file and its link are one."""
    for name in ("in/to_object_type=companies", "in/to_object_type=deals"):
        Path(name).mkdir(parents=True)
    Path("in/to_object_type=companies/a.csv").write_text(ROW)
    Path("in/to_object_type=companies/b.csv").symlink_to("a.csv")
    Path("in/to_object_type=deals/a.csv").symlink_to("../to_object_type=companies/a.csv")
    assert run("load", "in", "--from", "contacts", "--results", "r.csv").code == 0
    assert sorted(line["to_object_type"] for line in lines("r.csv")) == ["0-2", "0-3"]


def test_a_column_of_a_folder_that_the_file_has_itself_is_refused(sandbox: Sandbox, load: Run) -> None:
    """Nobody can tell which one is meant."""
    Path("label=Primary").mkdir()
    Path("label=Primary/a.csv").write_text("from_id,to_id,label\n101,201,\n")
    before = contents()
    done = load("label=Primary")
    assert (done.code, contents()) == (2, before)
    assert "label" in done.err
