"""Files that ask for very many different things: what is said stays short, and what is looked for is bounded."""

import difflib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONTACTS, Run

MANY = 600
FILES = {
    "labels": ("from_id,to_id,label\n", "{n},{n},Decision makr {n}\n"),
    "type ids": ("from_id,to_id,association_type_id\n", "{n},{n},9000{n}\n"),
    "object types": ("object_type,from_id,to_object_type,to_id\n", "conttact {n},{n},companies,{n}\n"),
    "pairs of types": ("object_type,from_id,to_object_type,to_id,type_id\n", "2-{n},{n},2-9{n},{n},7\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", FILES)
def test_near_names_are_sought_100_times(hubspot: Run, run: Run, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """And a plan of hundreds of combinations can still be read."""
    header, line = FILES[what]
    Path("a.csv").write_text(header + "".join(line.format(n=number) for number in range(1, MANY + 1)))
    looked_for: list[str] = []
    true = difflib.get_close_matches

    def counted(word: str, *arguments: Any, **options: Any) -> Any:
        looked_for.append(word)
        return true(word, *arguments, **options)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    if what == "pairs of types":
        monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    options = () if header.startswith("object_type") else CONTACTS
    with hubspot(portal={"labels": [{"from": "contacts", "to": "companies", "label": "Decision maker"}]}):
        done = run("plan", "a.csv", *options)
    assert done.code == (what != "pairs of types")
    assert len(looked_for) == len(set(looked_for)) <= 100
    assert (done.out + done.err).count("\n") < 400
    assert f"{MANY:,} rows" in done.out
