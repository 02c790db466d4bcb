"""The two doors, the command line and Python: every option does the same through both."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import loader
from loader.errors import LoaderError, UsageError
from loader.events import Planned
from loader.options.verbs import options_of
from loader.sandbox import Sandbox
from tests.cli.conftest import Run

VALUES: dict[str, Any] = {
    "--from": "deals",
    "--to": "deals",
    "--label": "Decision maker",
    "--type-id": 1,
    "--category": "HUBSPOT_DEFINED",
    "--sql": "SELECT object_id, to_object_id FROM links ORDER BY 1",  # beside a file: refused
    "--sql-file": "links.sql",
    "--column": {"object_id": "Key"},
    "--from-id-property": "email",
    "--to-id-property": "domain",
    "--sheet": "Sheet1",
    "--delimiter": ";",
    "--encoding": "utf-16",
    "--results": "other.results.jsonl",
    "--failures": "bad.csv",
    "--journal": "other.journal",
    "--report": "page.html",
    "--concurrency": 1,
    "--max-attempts": 1,
    "--max-failures": 1,
    "--max-removals": "0",
    "--daily-reserve": "5%",
    "--max-duration": "90m",
    "--copy-to": "copies",
    "--limit": 1,
    "--again": "20h",
    "--keep": 3,
    "--metrics-file": "figures.prom",
    "--on-end": "touch ended",
    "--profile": "nobody",
    "--token-file": "nowhere.token",
    "--portal-id": 7,
    "--base-url": "http://api.hubapi.com",
    "--trust-host": ["gateway.example"],
    "--timeout": 5,
    "--rate": "900/1",
    "--config": "job.toml",
    "--log-file": "events.log",
    "--sample": 5,
    "--seed": 7,
    "--wait": "0s",
}
"""A value for each option that is neither a flag nor a choice; those are tried with True and their last word."""

BASE: dict[str, dict[str, Any]] = {
    "load": {"--from": "contacts", "--to": "companies", "--rate": "9999/1"},
    "plan": {"--from": "contacts", "--to": "companies", "--rate": "9999/1"},
    "verify": {"--from": "contacts", "--to": "companies", "--rate": "9999/1", "--wait": "0s"},
    "undo": {"--rate": "9999/1", "--yes": True},
}

VERBS: dict[str, Run] = {
    "load": loader.load_sync,
    "plan": loader.plan_sync,
    "verify": loader.verify_sync,
    "undo": loader.undo_sync,
}


def options_of_each_command() -> Iterator[tuple[str, str]]:
    """Yield every option of `load`, and of the other commands those that `load` has not."""
    seen: set[str] = set()
    for verb in VERBS:
        new = [option.word for option in options_of(verb).values() if option.word not in seen]
        seen.update(new)
        yield from ((verb, word) for word in new)


def value_of(verb: str, word: str) -> Any:
    (option,) = (each for each in options_of(verb).values() if each.word == word)
    if option.is_flag:
        return True
    if option.kind.choices and word not in VALUES:
        return option.kind.choices[-1]
    assert word in VALUES, f"give {word} a value in this test, so that it is tried through both doors"
    return VALUES[word]


def words(given: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for option, value in given.items():
        if value is True:
            found.append(option)
        elif isinstance(value, dict):
            found += [word for field, header in value.items() for word in (option, f"{field}={header}")]
        else:
            found += [word for each in (value if isinstance(value, list) else [value]) for word in (option, str(each))]
    return found


def keywords(verb: str, given: dict[str, Any]) -> dict[str, Any]:
    keyword_of = {option.word: option.keyword for option in options_of(verb).values()}
    return {keyword_of[word]: value for word, value in given.items()}


class Seen(NamedTuple):
    """What a command did: its exit code, the requests that HubSpot got, and what lies in the folder after it."""

    code: int
    requests: list[tuple[str, str]]
    files: dict[str, Any]


@pytest.mark.slow_after(8)
@pytest.mark.parametrize(("verb", "option"), list(options_of_each_command()))
def test_each_option_does_the_same_in_python(
    verb: str, option: str, sandbox: Sandbox, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same exit code, the same requests, the same files; an option that is new is tried, too."""
    given = {**BASE[verb], option: value_of(verb, option)}
    source = "a.results.csv" if verb == "undo" else "a.csv"
    doors = {
        "typed": lambda: int(run(verb, source, *words(given)).code),
        "called": lambda: ended(lambda: VERBS[verb](source, **keywords(verb, given))),
    }
    seen = []
    for name, door in doors.items():
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        seen.append(through(door, sandbox, run if verb == "undo" else None))
    assert seen[0] == seen[1]


def through(door: Callable[[], int], sandbox: Sandbox, load_first: Run | None) -> Seen:
    """Go through a door in a folder and a portal that are as they were for the other one."""
    sandbox.reset()
    Path("a.csv").write_text("from_id,to_id,Key\n101,201,111\nx,202,112\n103,203,113\n")
    Path("job.toml").write_text("limit = 1\n")
    if load_first is not None:
        load_first("load", "a.csv", *words(BASE["load"]))
    before = len(sandbox.requests)
    code = door()
    requests = sorted((each.method, each.path) for each in sandbox.requests[before:])
    return Seen(code, requests, {path.name: content(path) for path in Path().iterdir()})


def ended(call: Callable[[], Any]) -> int:
    """Return what the command would end with."""
    try:
        done = call()
    except LoaderError as error:
        return error.exit_code
    return int(done.rejected > 0) if isinstance(done, Planned) else done.exit_code


def content(path: Path) -> Any:
    """Return what two runs of one kind write in the same way."""
    if path.suffix == ".csv":
        volatile = {"finished_at", "correlation_id", "_correlation_id", "error_message", "_error_message"}
        with path.open(newline="") as file:
            return sorted(str({k: v for k, v in line.items() if k not in volatile}) for line in csv.DictReader(file))
    if path.suffix == ".json":
        summary = json.loads(path.read_text())
        return [summary[key] for key in ("exit_code", "rows", "requests") if key in summary]
    if path.suffix == ".log":
        return [json.loads(line)["event"] for line in path.read_text().splitlines()]
    if path.suffix == ".prom":
        return [line.split()[0] for line in path.read_text().splitlines() if "seconds" not in line]
    return None


@pytest.mark.parametrize("how", ["keyword", "environment", "file"])
def test_a_dry_run_writes_nothing(how: str, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way it is asked for; the report says what a load would do."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\nx,202\n")
    given: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies"}
    if how == "keyword":
        given["dry_run"] = True
    elif how == "environment":
        monkeypatch.setenv("ASSOCIATION_LOADER_DRY_RUN", "1")
    else:
        (folder / "c.toml").write_text("dry-run = true\n")
        given["config"] = "c.toml"
    before = sorted(folder.iterdir())
    report = loader.load_sync("a.csv", **given)
    assert report.planned is not None
    assert (report.exit_code, report.planned.pairs) == (1, 1)
    assert report.summary["rows"]["pending"] == report.summary["rows"]["rejected"] == 1
    assert len(report.results) == len(report.failures) == 0
    assert sandbox.count("PUT") == 0
    assert sorted(folder.iterdir()) == before


def test_a_flag_that_python_switches_off_is_off(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyword wins over the environment, False as well as True."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    monkeypatch.setenv("ASSOCIATION_LOADER_DRY_RUN", "1")
    report = loader.load_sync("a.csv", object_type="contacts", to_object_type="companies", dry_run=False)
    assert (report.planned, report.exit_code) == (None, 0)
    assert sandbox.count("PUT") == 1


def test_python_shows_only_what_its_keywords_say(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing by itself; the screen with `quiet=False`, one JSON object for each event with `json=True`."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    given: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies"}
    loader.load_sync("a.csv", **given)
    assert capfd.readouterr() == ("", "")
    loader.load_sync("a.csv", **given, quiet=False)
    shown = capfd.readouterr()
    assert (shown.out, "a.results.csv" in shown.err) == ("", True)
    loader.load_sync("a.csv", **given, json=True)
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["event"] == "summary"


def test_an_undo_from_python_can_ask(sandbox: Sandbox) -> None:
    """With `yes=False` and no terminal it takes nothing back, as the command."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    loader.load_sync("a.csv", object_type="contacts", to_object_type="companies")
    with pytest.raises(UsageError, match="nothing was removed"):
        loader.undo_sync("a.results.csv", yes=False)
    assert len(sandbox.portal.pairs()) == 1
    assert loader.undo_sync("a.results.csv").exit_code == 0
    assert not sandbox.portal.pairs()


def test_a_job_file_needs_no_source(sandbox: Sandbox) -> None:
    """Its `[[input]]`s are the source; a source beside them is refused as on the command line."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    Path("job.toml").write_text('[[input]]\npath = "a.csv"\nfrom = "contacts"\nto = "companies"\n')
    assert loader.load_sync(config="job.toml").exit_code == 0
    assert sandbox.count("PUT") == 1
    with pytest.raises(UsageError, match="keep one"):
        loader.load_sync("a.csv", config="job.toml")
    with pytest.raises(UsageError, match="at least one input"):
        loader.load_sync()


@pytest.mark.parametrize(
    "given",
    [
        {"dry_run": "yes"},
        {"dry_run": 1},
        {"limit": True},
        {"results": ["a.csv", "b.csv"]},
        {"object_type": "contacts", "from_": "deals"},
        {"label": b"Decision maker"},
        {"help": True},
    ],
)
def test_a_keyword_that_cannot_be_what_it_says_is_refused(given: dict[str, Any], sandbox: Sandbox) -> None:
    """It is never dropped, and nothing is sent."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    with pytest.raises(UsageError):
        loader.load_sync("a.csv", **{"object_type": "contacts", "to_object_type": "companies", **given})
    assert sandbox.count() == 0
