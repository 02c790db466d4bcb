"""A job file: several inputs, each with its own columns, types and labels, loaded as one run."""

from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, lines, refused, summary

JOB = """
rate = "9999/1"
results = "night.results.csv"

[[input]]
path = "people.csv"
from = "contacts"
to = "companies"

[input.column]
object_id = "Contact Key"
to_object_id = "Company Key"

[[input]]
path = ["deals.csv", "more/*.csv"]
from = "deals"
to = "contacts"
type-id = 3
delimiter = ";"
"""


@pytest.fixture
def job(folder: Path) -> Path:
    """A job of three files, and those files."""
    (folder / "people.csv").write_text("Contact Key,Company Key\n11,21\n12,22\nx,23\n")
    (folder / "deals.csv").write_text("from_id;to_id\n31;11\n")
    (folder / "more").mkdir()
    (folder / "more" / "late.csv").write_text("from_id;to_id\n32;12\n")
    path = folder / "job.toml"
    path.write_text(JOB)
    return path


def test_several_inputs_are_one_run_with_one_summary(job: Path, run: Run, sandbox: Sandbox) -> None:
    """Each input is read as its own table says; one results file and one summary hold them all."""
    done = run("load", "--config", job.name)
    assert done.code == 1
    assert {tuple(sorted(pair)) for pair in sandbox.portal.pairs()} == {
        (("0-1", "11"), ("0-2", "21")),
        (("0-1", "12"), ("0-2", "22")),
        (("0-1", "11"), ("0-3", "31")),
        (("0-1", "12"), ("0-3", "32")),
    }
    found = summary("night.summary.json")
    assert [(each["path"], each["rows"]) for each in found["inputs"]] == [
        ("people.csv", 3),
        ("deals.csv", 1),
        ("more/late.csv", 1),
    ]
    assert found["rows"]["created"] == 4
    assert {(each["input"], each["row"], each["status"]) for each in lines("night.results.csv")} == {
        ("people.csv", "2", "created"),
        ("people.csv", "3", "created"),
        ("people.csv", "4", "rejected"),
        ("deals.csv", "2", "created"),
        ("more/late.csv", "2", "created"),
    }
    # Rows that are read in different ways cannot be loaded again from one failures file.
    assert found["next_command"] == "association-loader load --config job.toml"
    assert "in the file that you loaded" in done.err


def test_the_same_job_again_sends_nothing_and_a_changed_one_is_another(job: Path, run: Run, sandbox: Sandbox) -> None:
    """What an input's table says is bound to the run like an option."""
    assert run("load", "--config", job.name, "--limit", "1").code == 0
    job.write_text(JOB.replace("type-id = 3", 'label = "Champion"'))
    refused(run("load", "--config", job.name), "--type-id was not given | 3, now not given | not given")
    job.write_text(JOB)
    assert run("load", "--config", job.name).code == 1
    sent = len(sandbox.requests)
    assert run("load", "--config", job.name).code == 1
    assert len(sandbox.requests) == sent


def test_what_is_said_for_all_fills_what_an_input_leaves_open(job: Path, run: Run, sandbox: Sandbox) -> None:
    """An option, or a key at the top of the file, holds for every input that does not say otherwise."""
    job.write_text('to = "companies"\n[[input]]\npath = "a.csv"\n[[input]]\npath = "b.csv"\nto = "deals"\n')
    for name in ("a.csv", "b.csv"):
        (job.parent / name).write_text("from_id,to_id\n1,2\n")
    assert run("load", "--config", job.name, "--from", "contacts").code == 0
    assert {(each["input"], each["to_object_type"]) for each in lines("a.results.csv")} == {
        ("a.csv", "0-2"),
        ("b.csv", "0-3"),
    }
    assert sandbox.count("PUT") == 2


def test_a_plan_of_a_job_shows_every_input(job: Path, run: Run, sandbox: Sandbox) -> None:
    """`plan` reads the same job and writes nothing."""
    (job.parent / "deals.csv").write_text("from_id;to_id\n31.0;11\n")
    assert "Note: deals.csv: 1 id ended in .0; read without it." in run("plan", "--config", job.name).out
    done = run("plan", "--config", job.name, "--json")
    assert done.code == 1
    found = done.events[-1]
    assert list(found["inputs"]) == ["people.csv", "deals.csv", "more/late.csv"]
    assert found["pairs"] == 4
    assert sandbox.count("PUT") == 0


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (
            '[[input]]\npath = "a.csv"\nform = "contacts"\n',
            "job.toml, line 3: [[input]] 1: form is not a key of an input",
        ),
        ('[[input]]\npath = "a.csv"\n\n[[input]]\nfrom = "deals"\n', "job.toml, line 4: [[input]] 2: path is missing"),
        ("[[input]]\npath = 7\n", "job.toml, line 2: [[input]] 1: path must be a file"),
        ("[[input]]\npath = []\n", "job.toml, line 2: [[input]] 1: path must be a file"),
        ('[[input]]\npath = "a.csv"\nformat = "pdf"\n', "job.toml, line 3: [[input]] 1: format needs csv, tsv"),
        ('[[input]]\npath = "a.csv"\nfrom = ["a"]\n', "job.toml, line 3: [[input]] 1: from must be a text or a number"),
        ('[[input]]\npath = "a.csv"\n[input.column]\nowner = "X"\n', "line 3: [[input]] 1: column needs FIELD=HEADER"),
        ('[[input]]\npath = "a.csv"\nrate = "1/1"\n', "job.toml, line 3: [[input]] 1: rate is not a key of an input"),
        ('[input]\npath = "a.csv"\n', "job.toml, line 1: input must be a table of its own for each input"),
        ('quiet = "yes"\n[[input]]\npath = "a.csv"\n', "job.toml, line 1: quiet must be true or false"),
        ('\nratte = "1/1"\n', "job.toml, line 2: ratte is not an option of load"),
        ('[[input]\npath = "a.csv"\n', "job.toml: the configuration file is not valid TOML"),
    ],
)
def test_a_mistake_in_a_job_is_named_by_line_and_key(content: str, wrong: str, run: Run) -> None:
    """Exit 2 before anything is read, with one sentence."""
    Path("job.toml").write_text(content)
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    done = run("load", "--config", "job.toml")
    assert done.code == 2
    assert wrong in done.err
    assert "Traceback" not in done.err


def test_inputs_are_named_in_one_place(job: Path, run: Run) -> None:
    """A job's inputs beside those of the command line: which are meant cannot be known."""
    refused(run("load", "people.csv", "--config", job.name), "keep one of the two")


def test_a_jobs_input_is_never_the_log_file(job: Path, run: Run) -> None:
    """The log would be written into it."""
    before = (job.parent / "people.csv").read_text()
    assert run("load", "--config", job.name, "--log-file", "people.csv").code == 2
    assert (job.parent / "people.csv").read_text() == before
