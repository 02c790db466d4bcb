"""`schema` prints what `--json` and the summary file keep to.

Whatever the tests of the command line write is held to it (see `run` and `summary`); here, each kind of object is, and
nothing else passes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from loader.run.schema import schema
from loader.version import version
from tests.cli.conftest import CONTACTS, Run, hold_to_schema, schemas
from tests.cli.portals import association

PORTAL = {
    "labels": [{"from": "contacts", "to": "companies", "label": "Boss"}],
    "associations": [association(1, 13, "Boss")],
}

COMMANDS = [
    ("plan", "people.csv", *CONTACTS, "--existing", "mirror", "--max-removals", "off"),
    ("load", "people.csv", *CONTACTS, "--existing", "mirror", "--max-removals", "off"),
    ("verify", "people.csv", *CONTACTS, "--sample", "2", "--seed", "-5", "--wait", "0"),
    ("verify", "people.csv", *CONTACTS, "--existing", "mirror", "--wait", "0"),
    ("status", "people.results.csv"),
    ("labels", "contacts", "companies"),
    ("create-label", "contacts", "companies", "Adviser"),
    ("export", "contacts", "companies", "--output", "all.csv"),
    ("remove", "gone.csv", *CONTACTS, "--dry-run"),
    ("remove", "gone.csv", *CONTACTS, "--yes"),
    ("undo", "gone.removed.results.csv", "--yes"),
    ("undo", "people.results.csv", "--yes"),
    ("status",),
    ("explain",),
    ("profiles",),
    ("doctor", "people.csv", *CONTACTS),
    ("fleet", "run", "FLEET.toml"),
]

RARE = {"reading", "waiting", "lookingup"}
"""Events that come only when something takes long, or is looked up by a property."""

FREE = {"inputs", "columns", "names", "reasons", "failures_by_reason", "by_status", "results", "errors"}
"""Objects whose keys are file names, fields, type ids, codes, statuses, jobs."""

OPTIONAL = {"removals", "surplus", "removed", "restored", "not_provable"}
"""What a mirror alone has, and an undo of what has no such pairs has not, and a load that never changed its worker."""


def mutated(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a JSON value in which one thing is wrong, each time another, and what that is."""
    if isinstance(value, dict):
        if key not in FREE:
            yield "a key more", {**value, "x-unknown": 1}
        for name in value:
            if key not in FREE and name not in OPTIONAL:
                yield f"no {name}", {each: value[each] for each in value if each != name}
            for what, other in mutated(value[name], name):
                yield f"{name}: {what}", {**value, name: other}
    elif isinstance(value, list):
        for what, other in mutated(value[0]) if value else ():
            yield f"[0]: {what}", [other, *value[1:]]
        yield "no list", "text"
    else:
        yield "an object", {}
        if isinstance(value, int | float):
            yield "a text", str(value)
        elif isinstance(value, str):
            yield "a number", 1.5


@pytest.fixture
def written(run: Run, hubspot: Run, monkeypatch: pytest.MonkeyPatch, in_threads: None) -> list[dict[str, Any]]:
    """What the commands wrote as JSON: one object of each kind, the summary of each command, and a summary file."""
    monkeypatch.setenv("ASSOCIATION_LOADER_RATE", "9999/1")
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", "profiles.toml")
    monkeypatch.setenv("ACME", "any")
    Path("people.csv").write_text("from_id,to_id,label\n1,11,Boss\n1,12,\n2,12,Nobody\nx,12,\n")
    Path("gone.csv").write_text("from_id,to_id,label\n1,11,Boss\n")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    Path("acme.toml").write_text('[[input]]\npath = "people.csv"\nfrom = "contacts"\nto = "companies"\n')
    Path("FLEET.toml").write_text('results = "runs"\n[[portal]]\nprofile = "acme"\njobs = ["acme.toml"]\n')
    with hubspot(portal=PORTAL) as running:
        profile = f"[acme]\nportal-id = {running.portal.portal_id}\nbase-url = '{running.url}'\ntoken-env = 'ACME'\n"
        Path("profiles.toml").write_text(profile)
        for words in COMMANDS:
            done = run(*words, "--json")
            assert done.code in (0, 1), done.err
            for line in done.events:
                found[line["event"], words[0] if line["event"] == "summary" else ""] = line
    return [*found.values(), json.loads(Path("people.summary.json").read_text("utf-8"))]


@pytest.mark.slow
def test_what_is_written_keeps_to_the_schema_and_nothing_else_does(written: list[dict[str, Any]]) -> None:
    """Without a key, with one more, or with a value of another type, it is no event and no summary any more."""
    assert schemas().keys() - {each.get("event") for each in written} <= RARE
    passed = []
    for each in written:
        hold_to_schema(each)
        known = schemas()[each.get("event")]
        passed += [(each, what) for what, other in mutated(each) if any(schema.is_valid(other) for schema in known)]
    assert passed == []


def test_the_command_prints_the_schema_with_its_version(run: Run) -> None:
    """Whoever keeps it can tell which program it is for."""
    for what in ("events", "summary"):
        done = run("schema", what)
        printed = json.loads(done.out)
        Draft202012Validator.check_schema(printed)
        assert (done.code, printed, printed["version"]) == (0, schema(what), version())
    assert not Draft202012Validator(schema("events")).is_valid({"event": "no such event"})
    assert run("schema", "nothing").code == 2
