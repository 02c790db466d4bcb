"""Rows become the same pairs whether they are grouped at once or dealt out into parts that fit in memory."""

from pathlib import Path
from random import Random

import pytest

from loader.journal import Journal, lines
from loader.model import RowKind
from tests.rows import Link
from tests.stages.fake_portal import row_kind
from tests.stages.staged import chunk, claim, created, link, stage

KINDS = [
    row_kind(),
    row_kind(primary=True),
    row_kind("companies", "contacts"),
    row_kind("companies", "companies"),
    row_kind("companies", "companies", type_id="13"),
    row_kind("deals", "contacts"),
]


def drawn(seed: int) -> list[Link]:
    """Return rows of a few records, many of them of the same pair, some contradicting."""
    draw = Random(seed)
    most = draw.choice([3, 8, 40])

    def one(row: int) -> Link:
        kind: RowKind = draw.choice(KINDS)
        return link(row, draw.randint(1, most), draw.randint(1, most), kind)

    return [one(row) for row in range(2, 200)]


def grouped(folder: Path, seed: int, *, by_record: bool) -> tuple[list[object], list[object]]:
    """Return the requests in their order, and the lines of the results in theirs."""
    folder.mkdir()
    rows = drawn(seed)
    with Journal(stage(folder, [chunk(rows[:50])], [chunk(rows[50:])], by_record=by_record)) as journal:
        pairs = claim(journal, 1000)
        journal.record([created(pair) for pair in pairs], {})
        sent: list[object] = [pair[:7] for pair in pairs]
        said: list[object] = [line for view in ("outcomes", "rejected") for _, line in lines(journal, view, 0)]
    return sent, said


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("by_record", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_parts_come_to_the_same_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, by_record: bool
) -> None:
    """Each pair is one request with all its rows, in the same order, however small the parts are."""
    at_once = grouped(tmp_path / "at-once", seed, by_record=by_record)
    monkeypatch.setattr("loader.planning.spool.AT_ONCE", 9)
    in_parts = grouped(tmp_path / "in-parts", seed, by_record=by_record)
    assert len(at_once[0]) > 5
    assert in_parts == at_once


def test_more_pairs_than_a_lot_may_have_are_several_lots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one record lie in one lot where they fit; where they do not, none is left out or sent twice."""
    monkeypatch.setattr("loader.planning.group.PAIRS_IN_A_LOT", 4)
    rows = [link(row, row, 9 if row < 12 else 7 + row % 2) for row in range(2, 20)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        found = []
        while (lot := journal.claim_lot()) is not None:
            found.append([pair for pairs in (lot.own, lot.other) for pair in pairs.each()])
    assert max(map(len, found)) <= 4
    assert sorted(int(pair.object_id) for lot in found for pair in lot) == list(range(2, 20))
    assert [pair.pair_id for lot in found for pair in lot] == list(range(1, 19))


@pytest.mark.parametrize("at_once", [100, 4])
def test_pairs_in_the_order_of_their_first_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """The ids of one cell keep their order, whatever the ids are and whatever parts the rows are divided into."""
    monkeypatch.setattr("loader.planning.spool.AT_ONCE", at_once)
    named = [(5, 9), (5, 3), (5, 7), (2, 8), (2, 1), (5, 3), (4, 6), (4, 9), (4, 2), (1, 9)]
    rows = [link(2 + number // 3, *ids, part=number % 3) for number, ids in enumerate(named)]
    with Journal(stage(tmp_path, [chunk(rows)])) as journal:
        found = [(int(pair.object_id), int(pair.to_object_id)) for pair in claim(journal, 100)]
    assert found == list(dict.fromkeys(named))


def test_records_of_many_rows_are_counted_by_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plan says of its reads is an estimate of all records, and not of the sample."""
    monkeypatch.setattr("loader.planning.group.FEW_ROWS", 10)
    rows = [link(row, row, row % 300 + 1) for row in range(2, 3002)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        ((records,),) = journal.query("SELECT records FROM type_pairs")
    assert 150 < records < 600
