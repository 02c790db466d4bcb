"""Whatever a file is called: its load works or is refused in a sentence, and the next command works when pasted."""

import os
from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents, names, refused, summary

NAMES = {
    "a dash": b"-x.csv",
    "two dashes": b"--results=x.csv",
    "a dash and Latin-1": b"-caf\xe9.csv",
    "blanks and quotes": b"a 'b' \"c\" $d.csv",
    "a line break and a terminal's command": b"a\n\x1b[31m %s.csv",
    "200 bytes of Cyrillic": "\u0436".encode() * 98 + b".csv",
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("case", NAMES)
def test_the_next_command_works_when_pasted(case: str, sandbox: Sandbox, run: Run, paste: Run) -> None:
    """The failures file that it names is found; status shows the same command, and a glob knows the run's files."""
    name = os.fsdecode(NAMES[case])
    Path(name).write_text("from_id,to_id\n101,201\nx,202\n")
    assert run("load", *CONTACTS, "--rate", "9999/1", "--", name).code == 1
    (first,) = Path().glob("*.summary.json")
    command = summary(first.name)["next_command"]
    assert command.isprintable()
    assert command in "".join(run("status").out.split("\n"))
    assert paste(command).code == 1
    results = name.removesuffix(".csv") + ".failures.results.csv"
    assert names("*.failures.results.csv") == [results]
    planned = run("plan", "*.csv", *CONTACTS)
    assert "writtenbyearlierruns" in "".join(planned.out.split())


@pytest.mark.parametrize("name", ["-x.csv", "--nightly.csv"])
def test_a_file_whose_name_is_taken_for_an_option_is_named_as_it_must_be_written(name: str, run: Run) -> None:
    """Nothing is read; a mistyped option that is no file stays what it is."""
    Path(name).write_text("from_id,to_id\n101,201\n")
    refused(run("load", name), f"./{name}")
    assert "./" not in run("load", "-y.csv").err


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("length", [223, 224, 255])
def test_a_name_that_is_too_long_is_refused(length: int, sandbox: Sandbox, load: Run) -> None:
    """It is a mistake of usage; a shorter --results helps, and two nights in a row work."""
    name = "x" * (length - 4) + ".csv"
    Path(name).write_text("from_id,to_id\n101,201\n")
    before = contents()
    first = load(name)
    assert first.code in (0, 2)
    if first.code == 2:
        assert contents() == before
        assert "--results" in first.err
    options = ("--results", "r.csv") if first.code == 2 else ()
    for record in (102, 103):
        Path(name).write_text(f"from_id,to_id\n{record},201\n")
        assert load(name, *options).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("load", "{}"),
        ("load", "a.csv", "--results", "{}"),
        ("load", "a.csv", "--failures", "{}"),
        ("load", "a.csv", "--metrics-file", "{}"),
        ("load", "a.csv", "--log-file", "{}"),
        ("load", "a.csv", "--config", "{}"),
        ("verify", "{}"),
        ("status", "{}"),
        ("report", "{}"),
        ("undo", "{}", "--yes"),
    ],
    ids=" ".join,
)
def test_a_name_that_no_file_can_have_is_a_mistake_of_usage(words: tuple[str, ...], sandbox: Sandbox, run: Run) -> None:
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    before = contents()
    types = CONTACTS if words[1] == "a.csv" else ()
    done = run(*(word.format("x" * 300 + ".csv") for word in words), *types)
    assert (done.code, contents()) == (2, before)
    assert "x" * 300 in done.err
