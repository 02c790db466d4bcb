"""The journal: rows become pairs, pairs become outcomes, and nothing is lost or counted twice."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loader.errors import JournalError, JournalLocked
from loader.journal import (
    Counts,
    EndedEarly,
    Journal,
    Lock,
    OutputTable,
    PastCommand,
    RequestCounts,
    Undo,
    Written,
    lines,
)
from loader.journal.claims import PROMOTED
from loader.journal.for_report import FAILED
from loader.journal.journal import OUTCOMES
from loader.journal.lines import REJECTED
from loader.model import AssociationType, Image, Lot, Pair, Pairs, Types
from loader.settings import Rate
from tests.stages.fake_portal import FakePortal, row_kind
from tests.stages.staged import (
    NOW,
    Row,
    chunk,
    claim,
    created,
    created_together,
    failed,
    link,
    numbers,
    reject,
    send_all,
    stage,
)

PLAIN, PRIMARY = AssociationType("HUBSPOT_DEFINED", 279), AssociationType("HUBSPOT_DEFINED", 1)
PLAIN_BACK, PRIMARY_BACK = AssociationType("HUBSPOT_DEFINED", 280), AssociationType("HUBSPOT_DEFINED", 2)


def counted(counts: Counts) -> tuple[int, int, int, int, int]:
    """Return total, created, failed, rejected and pending."""
    return counts.total, counts.by_status["created"], counts.failed, counts.rejected, counts.pending


def ids(pair_types: tuple[AssociationType, ...]) -> list[int]:
    """Return the type ids of a request."""
    return sorted(kind.type_id for kind in pair_types)


# --- rows and pairs


def test_rows_that_no_end_can_say_are_rejected_at_the_rarer_end(tmp_path: Path) -> None:
    """What the rarer end's label is called at the other end is unknown: that row is rejected, the pair still goes."""
    portal = FakePortal(
        {("0-1", "0-2"): [("USER_DEFINED", 40, "Manager")], ("0-2", "0-1"): [("USER_DEFINED", 41, "Employee")]}
    )
    manager, employee = row_kind(label="Manager"), row_kind("companies", "contacts", label="Employee")
    rows = [link(2, 9, 1, employee), link(3, 1, 9, manager), link(4, 2, 9, manager), link(5, 9, 3, employee)]
    rows.append(link(6, 1, 9, manager))
    with Journal(stage(tmp_path, [chunk(rows)], portal=portal)) as journal:
        found = {(pair.object_type, pair.object_id, *ids(pair.types)) for pair in send_all(journal)}
        assert found == {("0-1", "1", 40), ("0-1", "2", 40), ("0-2", "9", 41)}
        assert journal.reasons() == {"UNKNOWN_INVERSE_TYPE": 1}
        assert counted(journal.counts()) == (5, 4, 0, 1, 0)


def test_one_label_from_both_ends_of_one_object_type_is_two_rows(tmp_path: Path) -> None:
    """Each says that the other is its employee: the row of the lesser id goes, the other is rejected."""
    portal = FakePortal({("0-1", "0-1"): [("USER_DEFINED", 7, "Employee"), ("USER_DEFINED", 8, "Manager")]})
    employee = row_kind("contacts", "contacts", label="Employee")
    with Journal(
        stage(tmp_path, [chunk([link(2, 8, 7, employee), link(3, 7, 8, employee)])], portal=portal)
    ) as journal:
        (pair,) = send_all(journal)
        assert (pair.object_id, pair.to_object_id, ids(pair.types), pair.rows) == ("7", "8", [7], 1)
        (line,) = [line for _, line in lines(journal, "rejected", 0)]
        assert (line.row, line.error_category) == (2, "UNKNOWN_INVERSE_TYPE")


# --- limits


def test_a_limit_counts_records_and_can_be_lifted(tmp_path: Path) -> None:
    """Rows and rejects beyond the first records are pending until the limit is gone."""
    rows: list[Row] = [link(2, 1, 9), link(3, 2, 9), link(3, 2, 8, part=1), reject(4, "x", "9"), link(5, 3, 9)]
    with Journal(stage(tmp_path, [chunk(rows)], [chunk([link(2, 4, 9)])])) as journal:
        journal.limit(2)
        assert [pair.object_id for pair in send_all(journal)] == ["1", "2", "2"]
        assert not journal.has_work()
        assert counted(journal.counts()) == (6, 3, 0, 0, 3)
        assert not journal.is_finished()
        journal.limit(5)
        assert [pair.object_id for pair in send_all(journal)] == ["3", "4"]
        assert counted(journal.counts()) == (6, 5, 0, 1, 0)
        assert journal.is_finished()


def test_a_rejected_record_beyond_the_limit_is_pending(tmp_path: Path) -> None:
    """Every pair has its outcome, and yet a row is pending: the rejected one counts once the limit is gone."""
    rows: list[Row] = [link(2, 1, 9), reject(3, "x", "9")]
    with Journal(stage(tmp_path, [chunk(rows)])) as journal:
        journal.limit(1)
        send_all(journal)
        assert (journal.counts().pending, journal.is_finished()) == (1, False)
        journal.limit(None)
        assert (journal.counts().pending, journal.is_finished()) == (0, True)


@pytest.mark.parametrize(("limit", "sent"), [(1, 1), (3, 2), (4, 3), (99, 3), (None, 3)])
def test_a_limit_ends_where_it_says(tmp_path: Path, limit: int | None, sent: int) -> None:
    """A reject counts as a record, too; a limit beyond the end is the end."""
    rows: list[Row] = [link(2, 1, 9), reject(3, "x", "9"), link(4, 2, 9)]
    with Journal(stage(tmp_path, [chunk(rows)], [chunk([link(2, 4, 9)])])) as journal:
        journal.limit(limit)
        assert len(send_all(journal)) == sent


def test_a_pair_whose_first_row_was_refused_waits_for_its_next_one(tmp_path: Path) -> None:
    """A rejected row within the limit does not pull a pair into it whose other rows lie beyond."""
    portal = FakePortal({("0-1", "0-2"): [("USER_DEFINED", 40, "A")], ("0-2", "0-1"): [("USER_DEFINED", 41, "B")]})
    back = row_kind("companies", "contacts", label="B")
    rows = [link(2, 9, 1, back), link(3, 5, 9), link(4, 1, 9, row_kind(label="A")), link(5, 6, 9)]
    with Journal(stage(tmp_path, [chunk(rows)], portal=portal)) as journal:
        journal.limit(2)
        assert [pair.object_id for pair in send_all(journal)] == ["5"]
        assert counted(journal.counts()) == (4, 1, 0, 1, 2)


def test_a_pair_with_a_refused_row_has_the_line_of_its_other_row(tmp_path: Path) -> None:
    """Its one row that is left does not tell by itself which of two kinds it is of."""
    portal = FakePortal({("0-1", "0-2"): [("USER_DEFINED", 40, "A")], ("0-2", "0-1"): [("USER_DEFINED", 41, "B")]})
    back = row_kind("companies", "contacts", label="B")
    rows = [link(2, 9, 1, back), link(3, 1, 9, row_kind(label="A")), link(4, 2, 9, row_kind(label="A"))]
    with Journal(stage(tmp_path, [chunk(rows)], portal=portal)) as journal:
        send_all(journal)
        found = [(line.row, line.object_id, line.label) for _, line in lines(journal, "outcomes", 0)]
    assert sorted(found) == [(3, "1", "A"), (4, "2", "A")]


# --- claims and outcomes


def test_a_pair_is_claimed_once_and_again_only_without_an_outcome(tmp_path: Path) -> None:
    """What was claimed when the process died is sent again, what has an outcome is not."""
    path = stage(tmp_path, [chunk([link(row, row, 9) for row in range(2, 8)])])
    with Journal(path) as journal:
        first = claim(journal, 4)
        journal.record([created(first[0]), failed(first[1])], {"seconds": 1.0})
        assert [pair.pair_id for pair in claim(journal, 4)] == [5, 6]
        assert claim(journal, 4) == []
    with Journal(path) as journal:
        assert journal.facts.claimed == 6
        assert [pair.pair_id for pair in claim(journal, 9)] == [3, 4, 5, 6]
        assert counted(journal.counts()) == (6, 1, 1, 0, 4)


def test_outcomes_and_facts_are_committed_together_or_not_at_all(tmp_path: Path) -> None:
    """An outcome that cannot be written takes its whole commit with it, and the next commit works."""
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9), link(3, 2, 9)])])) as journal:
        first, second = claim(journal, 2)
        with pytest.raises(sqlite3.IntegrityError):
            journal.record([created(first), created(second), created(first)], {"seconds": 1.0})
        assert (journal.facts.seconds, journal.counts().by_status["created"]) == (0.0, 0)
        journal.record([created(first), created(second)], {"seconds": 2.0})
        assert (journal.facts.seconds, journal.counts().by_status["created"]) == (2.0, 2)


@pytest.mark.parametrize(
    "again", [[3], [1, 3], [3, 5], [1, 1, 3], [1, 2, 3, 4, 5, 6]], ids=["it", "before", "after", "twice", "around"]
)
def test_no_pair_gets_two_outcomes(tmp_path: Path, again: list[int]) -> None:
    """Whether it lies within, at the end of or around the pairs that have one already; nothing is written then."""
    with Journal(stage(tmp_path, [chunk([link(row, row, 9) for row in range(2, 8)])])) as journal:
        pairs = claim(journal, 6)
        journal.record([created_together(pairs[1:4])], {})
        with pytest.raises(sqlite3.IntegrityError, match="one outcome"):
            journal.record([created_together([pairs[pair - 1] for pair in again])], {})
        assert journal.counts().by_status["created"] == 3
        journal.record([created_together([pairs[5], pairs[0], pairs[4]])], {})
        assert journal.is_finished()
        assert [line.row for _, line in lines(journal, "outcomes", 0)] == [3, 4, 5, 2, 6, 7]
        assert next(journal.query("SELECT count(*) FROM outcomes")) == (3,)


def test_forgetting_failed_pairs_forgets_the_place_in_the_results(tmp_path: Path) -> None:
    """Their lines leave the results, so the file is made anew: a crash in between must not keep them."""
    path = stage(tmp_path, [chunk([link(2, 1, 9), link(3, 2, 9)])])
    with Journal(path) as journal:
        first, second = claim(journal, 2)
        table = OutputTable(name="r.csv", written=Written(size=1, checksum=0, outcomes=1, rejected=0))
        journal.record([failed(first), created(second)], {"tables": {"results": table}})
        assert journal.forget_failed(all_of_them=True) == 1
    with Journal(path) as journal:
        assert journal.facts.tables["results"].written is None
        assert [pair.pair_id for pair in claim(journal, 9)] == [first.pair_id]


def test_reasons_are_counted_by_row_the_most_frequent_first(tmp_path: Path) -> None:
    """A failed pair of two rows counts twice."""
    rows: list[Row] = [link(2, 1, 9), link(3, 1, 9), reject(4, "x", "9")]
    with Journal(stage(tmp_path, [chunk(rows)])) as journal:
        journal.record([failed(pair) for pair in claim(journal, 9)], {})
        assert list(journal.reasons().items()) == [("VALIDATION_ERROR", 2), ("INVALID_RECORD_ID", 1)]


@pytest.mark.parametrize(
    "statement", [f"{OUTCOMES} WHERE sequence > ? ORDER BY sequence", f"{REJECTED} AND number > ? ORDER BY number"]
)
def test_lines_are_found_by_number_and_never_by_scanning(tmp_path: Path, statement: str) -> None:
    """The lines since the last commit cost the same in a million rows; no sorting either."""
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9)])])) as journal:
        plan = [row[3] for row in journal.query(f"EXPLAIN QUERY PLAN {statement}", (1,))]
        tables = [step for step in plan if " outcomes " in f"{step} " or " rejects " in f"{step} "]
        assert tables
        assert all("USING INTEGER PRIMARY KEY (rowid>?)" in step for step in tables)
        assert not any("TEMP B-TREE" in step for step in plan)
        assert not any(step in ("SCAN kinds", "SCAN inputs") for step in plan)


@pytest.mark.parametrize("of_many", [FAILED, PROMOTED], ids=["failures", "primary records"])
def test_outcomes_are_not_compared_with_every_pair(tmp_path: Path, of_many: str) -> None:
    """A million pairs and a thousand failures are a million steps, and not a thousand million."""
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9)])])) as journal:
        values = [1] * of_many.count("?")
        plan = [row[3] for row in journal.query(f"EXPLAIN QUERY PLAN {of_many}", values)]
        scans = [step for step in plan if step.startswith("SCAN")]
        assert len(scans) == 1
        assert scans[0].split()[1] in {"outcomes", "wanted"}
        assert plan[0] == scans[0]
        assert not any("AUTOMATIC" in step for step in plan)


# --- lots, and what pairs were before


def lots(journal: Journal) -> list[Lot]:
    """Claim everything."""
    found: list[Lot] = []
    while (lot := journal.claim_lot(in_row_order=True)) is not None:
        found.append(lot)
    return found


def ends(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.from_ids.tolist(), pairs.to_ids.tolist(), strict=True))


def image(pair: Pair, *types: AssociationType) -> Image:
    """Return what a pair was, and what rows ask for of that."""
    old = frozenset(types)
    return Image(numbers=numbers(pair), types=old, there=old & frozenset(pair.types))


def test_pairs_are_read_from_the_end_with_fewer_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two companies of six contacts: read from the companies, two in a lot, each lot's pairs in the file's order."""
    monkeypatch.setattr("loader.planning.group.RECORDS_IN_A_LOT", 2)
    rows = [link(2, 6, 9), link(3, 1, 8), link(4, 5, 9), link(5, 2, 8), link(6, 4, 9), link(7, 3, 7)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        first, second = lots(journal)
    assert [lot.direction for lot in (first, second)] == [("0-2", "0-1")] * 2
    assert ends(first.other) == [(1, 8), (2, 8), (3, 7)]
    assert ends(second.other) == [(6, 9), (5, 9), (4, 9)]
    assert not len(first.own)
    assert first.inverse[PLAIN_BACK] == PLAIN
    assert first.inverse[PRIMARY_BACK] == PRIMARY


def test_a_type_that_only_its_own_end_names_is_read_there(tmp_path: Path) -> None:
    """From the company the label has another name, so every pair would be in doubt and read twice."""
    portal = FakePortal({("0-1", "0-2"): [("USER_DEFINED", 40, "Manager")]})
    rows = [link(row, row, 9, row_kind(label="Manager")) for row in range(2, 6)]
    with Journal(stage(tmp_path, [chunk(rows)], portal=portal, by_record=True)) as journal:
        assert [lot.direction for lot in lots(journal)] == [("0-1", "0-2")]


@pytest.mark.parametrize("again", ["a new process", "--retry-failed"])
def test_the_first_image_of_a_pair_is_never_overwritten(tmp_path: Path, again: str) -> None:
    """What a crash or a failed request left is not taken for old; which rows are there is counted again."""
    rows = [link(2, 1, 9), link(3, 1, 9, row_kind(primary=True)), link(4, 1, 9), link(5, 2, 9), link(6, 3, 9)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        (lot,) = lots(journal)
        first, second, _ = lot.other.each()
        journal.keep([image(first, PLAIN, PRIMARY), image(second)])
        if again == "--retry-failed":
            journal.record([failed(first), failed(second)], {})
            journal.forget_failed(all_of_them=True)
    with Journal(journal.path) as journal:
        (lot,) = lots(journal)
        befores: list[Types | None] = [pair.before for pair in lot.other.each()]
        assert befores == [frozenset({PLAIN, PRIMARY}), frozenset(), None]
        first, second, _ = lot.other.each()
        assert journal.keep([image(first, PRIMARY), image(second, PLAIN)]) == {first.pair_id: 1, second.pair_id: 1}
    with Journal(journal.path) as journal:
        (lot,) = lots(journal)
        first, *others = lot.other.each()
        assert [pair.before for pair in (first, *others)] == [frozenset({PLAIN, PRIMARY}), frozenset(), None]
        journal.record([replace(created(first), rows=1, unchanged=1), *map(created, others)], {})
        found = {line.row: line.status for _, line in lines(journal, "outcomes", 0)}
        assert found == {2: "created", 3: "unchanged", 4: "created", 5: "created", 6: "created"}


# --- the file


def test_the_log_of_an_earlier_journal_is_not_used(tmp_path: Path) -> None:
    """A stale `-wal` beside the journal's name goes before the new journal comes."""
    stale = tmp_path / "r.journal-wal"
    stale.write_bytes(b"stale")
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9)])])) as journal:
        assert journal.counts().total == 1


def database(path: Path, statement: str) -> None:
    """Make or change an SQLite file."""
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute(statement)


def cut(path: Path, share: float) -> None:
    """Make a journal, and cut this share of it off."""
    whole = stage(path.parent, [chunk([link(row, row, 9) for row in range(2, 2000)])]).read_bytes()
    path.write_bytes(whole[: int(len(whole) * (1 - share))])


NO_JOURNALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty file": (lambda path: path.write_bytes(b""), "not the journal"),
    "a text": (lambda path: path.write_bytes(b"id,to\n1,2\n"), "damaged"),
    "a broken database": (lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 99), "damaged"),
    "another program's": (lambda path: database(path, "CREATE TABLE facts (key, value)"), "not the journal of a load"),
    "an older or newer loader's": (
        lambda path: database(stage(path.parent, [chunk([link(2, 1, 9)])]), "PRAGMA user_version = 99"),
        "format 99",
    ),
    **{f"cut by {share:.2%}": (partial(cut, share=share), "move it") for share in (0.0001, 0.05, 0.5, 0.95, 0.999)},
}


@pytest.mark.parametrize("what", NO_JOURNALS)
def test_an_unsound_journal_is_refused_and_not_changed(tmp_path: Path, what: str) -> None:
    """It keeps every byte, its journal mode too."""
    make, message = NO_JOURNALS[what]
    path = tmp_path / "r.journal"
    make(path)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=message), Journal(path):
        pass
    assert path.read_bytes() == before


def test_what_a_table_cannot_hold_is_escaped_and_not_a_crash(tmp_path: Path) -> None:
    """A file's name and a cell may hold half a surrogate pair."""
    rows = [reject(2, "\ud800", "9", row_kind(label="\udcff"))]
    with Journal(stage(tmp_path, [chunk(rows)])) as journal:
        (line,) = [line for _, line in lines(journal, "rejected", 0)]
        assert (line.object_id, line.label) == ("\\ud800", "\\udcff")


def test_facts_are_read_back_the_same_by_the_next_process(tmp_path: Path) -> None:
    """Whatever their type, half a surrogate pair included; of the figures over time, each bucket by itself."""
    path = stage(tmp_path, [chunk([link(2, 1, 9)])])
    changes: dict[str, Any] = {
        "identity": {"inputs": ["x"], "columns": {"é": "\ud800"}, "label": None},
        "commands": (
            PastCommand(began_at=NOW, after_seconds=0.5, exit_code=1),
            PastCommand(began_at=NOW, after_seconds=2.0),
        ),
        "stopped": EndedEarly(message="m", http_status=500),
        "requests": RequestCounts(sent=3, by_status={"201": 3}),
        "tables": {"results": OutputTable(name="r.csv")},
        "undo": Undo(started_at=NOW, pairs={"removed": 1}),
        "rate": Rate(190, 10.0),
    }
    with Journal(path) as journal:
        journal.remember(**changes, pace={1: [1], 2: [2]})
        journal.remember(pace={2: None, 3: [3]})
        expected = journal.facts
    with Journal(path) as journal:
        assert {name: getattr(journal.facts, name) for name in changes} == changes
        assert journal.facts == expected
        assert journal.facts.pace == {1: [1], 3: [3]}
        with pytest.raises(TypeError):
            journal.remember(no_such_fact=1)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5])
def test_a_limit_holds_where_a_chunk_of_the_file_ends(limit: int, tmp_path: Path) -> None:
    """Files are stored in portions; the last record that counts may be the last of one."""
    portions = [chunk([link(2, 1, 9), link(3, 2, 9)]), chunk([link(4, 3, 9), link(5, 4, 9)])]
    with Journal(stage(tmp_path, portions)) as journal:
        journal.limit(limit)
        assert [each.object_id for each in claim(journal, 10)] == ["1", "2", "3", "4"][:limit]


# --- locks


def test_a_lock_whose_file_was_replaced_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the file and locking it, its holder may have ended and another begun: two would be at work."""
    journal, file = tmp_path / "a.journal", tmp_path / "a.journal-lock"
    locking, others = fcntl.flock, list[int]()

    def flock(descriptor: int, how: int) -> None:
        if not others:
            file.unlink()
            others.append(os.open(file, os.O_RDWR | os.O_CREAT))
            locking(others[0], fcntl.LOCK_EX)
        locking(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(JournalLocked), Lock(journal):
        pass
    os.close(others[0])


def test_a_lock_whose_file_is_gone_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file without a name locks nothing."""
    journal, file = tmp_path / "a.journal", tmp_path / "a.journal-lock"
    locking, gone = fcntl.flock, list[int]()

    def flock(descriptor: int, how: int) -> None:
        if not gone:
            gone.append(descriptor)
            file.unlink()
        locking(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with Lock(journal):
        assert file.exists()
        with pytest.raises(JournalLocked), Lock(journal):
            pass
