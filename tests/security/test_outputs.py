"""What is written down: nobody's formula, page, terminal or log runs it, and nobody else reads it (items 10 to 18)."""

import csv
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loader.cli import run as run_command
from loader.events import Cost, FailedFor, Finished, Kind, Note, Planned, Reading
from loader.model import Understood
from loader.settings import Rate
from loader.show.screen import Screen
from tests.faults.conftest import MakeWorld
from tests.faults.world import World

EVIL = [
    "=HYPERLINK(\"http://evil.example\")", "+cmd|' /C calc'!A1", "-2+3+cmd|' /C calc'!A1", "@SUM(1+1)*cmd|'!A1",
    "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\"=1+1", "\uff1d1+1", "\uff20SUM(1)", "\u00a0=1+1", "\u200b=1+1",
    "\x1b[2J\x1b]0;owned\x07", "\x9b31m", "a\r\nINJECTED,line", "a\u2028INJECTED", "a\x00b", "a\x08\x08\x08b",
    "\u202egnp.exe", "\u2066\u2069", "<script>alert(1)</script>", "[bold red]x[/]", "{0.__class__}", "%s%n",
]  # fmt: skip
"""Formulas in the signs of several languages; what clears, colours and titles a terminal; lines, pages, formats."""

# What a spreadsheet may take for a formula: after blanks or a quote, which some leave out.
FORMULA = re.compile(r"[\s\u200b\0\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def harmless(cell: str) -> bool:
    """Return True for a cell that is text or a number, and that only prints."""
    return cell.isprintable() and (not FORMULA.match(cell) or bool(NUMBER.fullmatch(cell)) or cell == "-")


def evil_rows() -> str:
    """An input whose ids, labels, other cells and headers are all evil; a NUL would damn a record as a whole."""
    others = [evil for evil in EVIL if "\0" not in evil]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["object_id", "to_object_id", "label", *others])
    for number, evil in enumerate(EVIL):
        writer.writerow([1000 + number, 500_000, "", *others])
        writer.writerow([evil, 500_000, "", *others])
        writer.writerow([1000, evil, "", *others])
        writer.writerow([1000 + number, 500_000, evil, *others])
    return text.getvalue()


def evil_answers() -> list[dict[str, Any]]:
    """HubSpot's own words can be evil, too: in errors, and in what it created."""
    rules: list[dict[str, Any]] = []
    for number, evil in enumerate(EVIL):
        pair = {"method": "PUT", "pair": [1000 + number, 500_000]}
        if number % 2:
            error = {
                "status": "error",
                "message": evil,
                "category": evil,
                "correlationId": evil,
                "context": {evil: [evil]},
            }
            rules.append({"fault": "400", "body": error, **pair})
        else:
            entity = {"fromObjectId": 1000 + number, "toObjectId": 500_000, "labels": [evil]}
            rules.append({"fault": "200", "body": {"createdResourceId": evil, "entity": entity}, **pair})
    return rules


@pytest.fixture
def evil_world(make_world: MakeWorld) -> World:
    """A world in which everything that is not ours is evil."""
    world = make_world(1, faults=evil_answers())
    (world.folder / "load.csv").write_text(evil_rows(), "utf-8", newline="")
    return world


def table(path: Path) -> list[list[str]]:
    """Return the lines of a CSV file, its header first."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def only_prints(text: str) -> None:
    """Fail unless a text is printable characters and the line breaks of our own lines."""
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(line.startswith("INJECTED") for line in text.splitlines())


def harmful(lines: Iterable[list[str]]) -> list[str]:
    return [cell for line in lines for cell in line if not harmless(cell)]


def test_no_cell_of_any_output_is_a_formula(evil_world: World) -> None:
    """Whatever the input, its headers and HubSpot's answers hold; one line for each row.

    What is ours only prints, too. The user's own columns in the failures file keep their characters behind the
    apostrophe, because the file is to be loaded again.
    """
    ending = evil_world.run()
    assert ending.exit_code == 1
    assert harmful(table(evil_world.folder / "load.results.csv")) == []
    failures = table(evil_world.folder / "load.failures.csv")
    assert [cell for line in failures for cell in line if FORMULA.match(cell) and not NUMBER.fullmatch(cell)] == []
    assert harmful(line[-7:] for line in failures) == []
    (others,) = {tuple(line[3:]) for line in csv.reader(io.StringIO(evil_rows(), newline=""))}
    back = {tuple(re.sub(r"^'", "", cell) for cell in line[3:-7]) for line in failures}
    assert back == {others}, "a record has other cells than it had"
    assert len(ending.lines) == ending.summary["rows"]["total"] == 4 * len(EVIL) + 1, "one cell is a list of two"
    assert ending.summary["rows"]["created"] > 0
    assert ending.summary["rows"]["failed"] > 0
    assert ending.summary["rows"]["rejected"] >= 3 * len(EVIL) - 10


def test_nothing_that_is_shown_or_logged_controls_a_terminal_or_begins_a_line(evil_world: World) -> None:
    """The screen, the JSON stream, the log file and the summary."""
    ending = evil_world.run("--json", "--log-file", "own.log")
    output, said, _ = evil_world.said
    log = (evil_world.folder / "own.log").read_text("utf-8")
    summary = (evil_world.folder / "load.summary.json").read_text("utf-8")
    for text in (output, said, log, summary):
        only_prints(text)
    for line in [*output.splitlines(), *log.splitlines()]:
        json.loads(line)
    assert "\x1b" not in said
    assert ending.exit_code == 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_copies_for_machines_hold_the_cells_as_they_are(evil_world: World, ending: str) -> None:
    """No apostrophe in front: nothing runs these. In JSON lines one row is one line all the same."""
    evil_world.run("--results", f"load.results.{ending}", "--quiet")
    path = evil_world.folder / f"load.results.{ending}"
    if ending == "jsonl":
        text = path.read_text("utf-8")
        only_prints(text)
        labels = {json.loads(line)["label"] for line in text.splitlines()}
    else:
        labels = set(pq.read_table(path)["label"].to_pylist())
    assert "+cmd|' /C calc'!A1" in labels


def speaking(world: World, *words: str) -> None:
    """Let the world's next commands be these words instead of a load."""
    world.arguments = lambda *more: [*words, *more]  # type: ignore[method-assign]


OTHERS = [
    ("verify", "load.csv", "--from", "contacts", "--to", "companies", "--wait", "0"),
    ("status",),
    ("labels", "contacts", "companies"),
    ("plan", "load.csv", "--from", "contacts", "--to", "companies"),
]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["screen", "JSON"])
def test_other_commands_show_and_write_nothing_evil(make_world: MakeWorld, more: tuple[str, ...]) -> None:
    """The portal's own labels are evil here, too; what the commands write is nobody's formula."""
    labels = [{"from": "contacts", "to": "companies", "label": evil.replace("\0", "")} for evil in EVIL]
    world = make_world(1, faults=evil_answers(), portal={"labels": labels})
    (world.folder / "load.csv").write_text(evil_rows(), "utf-8", newline="")
    world.run("--quiet")
    for words in OTHERS:
        speaking(world, *words)
        before = len(world.said)
        ending = world.run(*more)
        assert ending.exit_code in (0, 1), ending.said
        for text in world.said[before : before + 2]:
            only_prints(text)
        assert "".join(world.said[before : before + 2]).strip()
    for path in world.folder.glob("*.verify.csv"):
        assert [cell for cell in harmful(table(path)) if cell not in ("=", "+", "*", "!")] == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_names_of_files_and_sheets_control_nothing(make_world: MakeWorld) -> None:
    """A name may hold anything but a slash, and is on the screen and in every output."""
    world = make_world(1)
    name = "\x1b[2J=1+1\nINJECTED\u202e.csv"
    (world.folder / name).write_bytes((world.folder / "load.csv").read_bytes())
    (world.folder / "load.csv").unlink()
    speaking(world, "load", name, "--from", "contacts", "--to", "companies")
    ending = world.run("--json", "--log-file", "own.log", "--results", "load.results.csv")
    assert ending.exit_code == 0, ending.said
    output, said, _ = world.said
    for text in (output, said, (world.folder / "own.log").read_text("utf-8")):
        only_prints(text)
    assert harmful(table(world.folder / "load.results.csv")) == []


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_an_error_is_one_line_that_prints(evil: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Also one that repeats what was typed."""
    text = evil.replace("\0", "")
    for arguments in (["load", f"no{text}"], ["load", "x", f"--rate={text}"], ["load", "x", f"--{text}"], [text]):
        assert run_command(arguments) == 2
        said = capfd.readouterr().err
        assert said.endswith("\n")
        assert said[:-1].isprintable()


def test_every_event_on_the_screen_only_prints(capfd: pytest.CaptureFixture[str]) -> None:
    """The plan's tables, notes and the end, with every text evil; no markup of the terminal library is obeyed."""
    evil = "".join(EVIL)
    understood = Understood(evil, evil, evil, evil, 1, {evil: (evil,)}, [evil])
    kind = Kind(1, evil, evil, evil, evil, evil, evil)
    planned = Planned(
        inputs={evil: understood},
        kinds=(kind,),
        rows=1,
        pairs=1,
        rejected=1,
        reasons={evil: 1},
        without=0,
        unchecked=((evil, evil),),
        portal_id=evil,
        requests=1,
        seconds=1.0,
        rate=Rate(1, 1.0),
        daily_quota=1,
        looked_up=(),
        costs={method: Cost(1, 1, 2, 1.0, 0.1, 0) for method in ("put", "batch")},
    )
    screen = Screen()
    for event in (Reading(evil, 1), planned, Note(evil)):
        screen(event)
    screen.close()
    said = capfd.readouterr().err
    only_prints(said)
    assert "[bold red]x[/]" in said


# --- 11: the report


class Page(HTMLParser):
    """What a browser would make of a page: its elements, with their attributes, and what it says."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_runs_and_fetches_nothing(evil_world: World) -> None:
    """Ids, labels, headers and HubSpot's words are text on the page, whatever they hold; a policy says so as well."""
    evil_world.run("--quiet")
    speaking(evil_world, "report", "load.results.csv")
    assert evil_world.run().exit_code == 0
    path = evil_world.folder / "load.report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text("utf-8")
    only_prints(text)
    page = Page()
    page.feed(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "base", "form", "img", "foreignobject"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")], tag
        assert not [value for value in attributes.values() if "javascript:" in value.lower()]
    policies = [each["content"] for tag, each in page.elements if each.get("http-equiv") == "Content-Security-Policy"]
    assert [policy for policy in policies if "default-src 'none'" in policy]
    assert any("<script>alert(1)</script>" in words for words in page.words), "evil words are shown as they are"


# --- 16: who may read it


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_every_file_is_its_owners_alone_from_the_moment_it_is_there(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a umask that forbids nothing; not by a chmod afterwards, when somebody may hold it open already."""
    made: dict[str, int] = {}
    true_open = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor = true_open(path, flags, mode, **more)
        if flags & os.O_CREAT:
            made[Path(os.fsdecode(path)).name] = stat.S_IMODE(os.fstat(descriptor).st_mode)
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    world = make_world([("1000", "500000"), ("1", "x")])
    inputs = set(world.folder.iterdir())
    with umask(0):
        assert world.run("--log-file", "own.log", "--limit", "1").exit_code in (0, 1)
        world.run("--log-file", "own.log", "--results", "load.results.csv")
    there = {path.name: stat.S_IMODE(path.stat().st_mode) for path in set(world.folder.iterdir()) - inputs}
    kinds = ("results.csv", "failures.csv", "summary.json", "journal")
    assert set(there) == {"own.log", *(f"load.{kind}" for kind in kinds)}
    assert set(there.values()) == {0o600}
    assert {"load.journal-staging", "load.journal-lock", "own.log", "load.results.csv"} <= set(made)
    assert set(made.values()) == {0o600}


# --- 17: links


PLACES = [
    "load.results.csv", "load.verify.csv", "load.report.html", "load.failures.csv", "load.summary.json",
    "load.journal", "load.journal-lock", "load.journal-staging", "load.journal-wal", "load.journal-shm", "own.log",
    "own.prom",
]  # fmt: skip
TWICE = ("load.results.csv", "load.journal-wal", "load.verify.csv", "load.report.html")
"""Places of which a link that leads nowhere is tried, too."""

MINE = '{"mine": 1}'


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    ("place", "dangling"), [*((place, False) for place in PLACES), *((place, True) for place in TWICE)]
)
def test_no_symbolic_link_at_the_place_of_an_output_is_written_through(
    make_world: MakeWorld, place: str, *, dangling: bool
) -> None:
    """Who may write into the folder must not choose a file of the user's to be overwritten, or made."""
    world = make_world([("1000", "500000"), ("1", "x")])
    if place == "load.report.html":
        world.run("--quiet")
    target = world.folder / "precious"
    if not dangling:
        target.write_text(MINE)
    (world.folder / place).symlink_to(target)
    if place == "load.report.html":
        speaking(world, "report", "load.results.csv")
    elif place == "load.verify.csv":
        speaking(world, "verify", "load.csv", "--from", "contacts", "--to", "companies")
    ending = world.run(*(() if place in TWICE[2:] else ("--log-file", "own.log", "--metrics-file", "own.prom")))
    assert ending.exit_code != 70, ending.said
    assert target.exists() is not dangling
    if not dangling:
        assert target.read_text() == MINE
    # Either it is refused before anything is sent, or the link has made way for the run's own file.
    assert ending.exit_code == 2 or not (world.folder / place).is_symlink()


# --- 18: what HubSpot said


def test_an_answer_of_a_megabyte_is_cut_to_a_line(make_world: MakeWorld) -> None:
    """500 characters at most, wherever it is repeated: results, failures, screen, log."""
    body = "<html>\x1b[2J\r\n" + "x" * 300_000
    error = {"status": "error", "message": body, "category": body, "correlationId": body}
    rules = [
        {"fault": "400", "method": "PUT", "pair": [1000, 500_000], "body": error},
        {"fault": "400", "method": "PUT", "pair": [1001, 500_001], "body": body},
    ]
    world = make_world(3, faults=rules)
    ending = world.run("--log-file", "own.log", "--json")
    assert ending.exit_code == 1
    for line in ending.lines:
        assert all(len(cell) <= 500 and cell.isprintable() for cell in line.values())
    assert sum(path.stat().st_size for path in world.folder.iterdir() if path.suffix != ".journal") < 40_000
    assert sum(map(len, world.said[:2])) < 20_000
    assert (world.folder / "load.journal").stat().st_size < 400_000


def test_the_last_event_names_files_and_reasons_plainly(capfd: pytest.CaptureFixture[str]) -> None:
    """The end of a run may hold evil words, too: a reason of HubSpot's, a path, the reason of the stop."""
    evil = "".join(EVIL)
    rows = dict.fromkeys(("total", "created", "unchanged", "failed", "rejected", "pending"), 0)
    summary = {
        "rows": rows,
        "requests": {"sent": 0, "retried": 0, "rate_limited": 0},
        "failures_by_reason": {evil: 1},
        "pairs": 0,
        "seconds": 0.0,
        "rate": {"achieved_per_second": 0.0, "limit": "1/1"},
        "next_command": evil,
    }
    Screen()(Finished(summary, evil, evil, evil, (FailedFor(1, evil, evil, evil),)))
    said = capfd.readouterr().err
    only_prints(said)
