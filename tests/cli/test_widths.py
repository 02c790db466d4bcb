"""At every width of a terminal, and in a pipe, no word is broken and no line ends in blanks."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import CONTACTS, Run

LABELS = [
    {"from": "contacts", "to": "companies", "label": label}
    for label in ("Decision maker", "Ansprechpartner für Rechnungen")
]
ROWS = (
    "from_id,to_id,label\n101,201,Decision maker\n102,202,\n103,203,Ansprechpartner für Rechnungen\n0104,204,\nx,205,\n"
)
COMMANDS = {
    "plan": ("plan", "a.csv", *CONTACTS),
    "load": ("load", "a.csv", *CONTACTS, "--rate", "9999/1"),
    "labels": ("labels", "contacts", "companies"),
    "verify": ("verify", "a.csv", *CONTACTS, "--wait", "0"),
    "explain": ("explain",),
    "status": ("status", "a.results.csv"),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_word_is_broken_at_any_width(command: str, hubspot: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are those of a wide terminal; where its columns do not fit, a table is a list."""
    Path("a.csv").write_text(ROWS)
    found = {}
    with hubspot(portal={"labels": LABELS}):
        if command in ("load", "status"):
            run(*COMMANDS["load"])
        for columns in (300, 30, 60, 80, 100):
            monkeypatch.setenv("COLUMNS", str(columns))
            done = run(*COMMANDS[command], *(["--results", f"{columns}.csv"] if command == "load" else []))
            lines = (done.out + done.err).splitlines()
            assert [line for line in lines if line != line.rstrip()] == [], columns
            found[columns] = {word.rstrip(":") for line in lines for word in line.split() if not word.startswith("─")}
            missing = found[300] - found[columns]
            assert {word for word in missing if not re.match(r"\W*[0-9]", word)} == set(), columns
