"""Pairs in lots that are looked up together, and what they were before: the journal's part of keeping what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loader.journal import Journal, lines
from loader.model import AssociationType, Image, Lot, Outcome, Pair, Pairs, Result, Types
from loader.planning.staging import Staging
from tests.stages.fake_portal import FakePortal, row_kind
from tests.stages.staged import HEADER, NOW, chunk, created, failed, group, link, numbers, stage

PLAIN, PRIMARY = AssociationType("HUBSPOT_DEFINED", 279), AssociationType("HUBSPOT_DEFINED", 1)
PLAIN_BACK, PRIMARY_BACK = AssociationType("HUBSPOT_DEFINED", 280), AssociationType("HUBSPOT_DEFINED", 2)


def lots(journal: Journal, *, in_row_order: bool = True) -> list[Lot]:
    """Claim everything."""
    found: list[Lot] = []
    while (lot := journal.claim_lot(in_row_order=in_row_order)) is not None:
        found.append(lot)
    return found


def ends(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.from_ids.tolist(), pairs.to_ids.tolist(), strict=True))


def image(pair: Pair, *types: AssociationType) -> Image:
    """Return what a pair was, and what rows ask for of that."""
    old = frozenset(types)
    return Image(numbers=numbers(pair), types=old, there=old & frozenset(pair.types))


def unchanged(pair: Pair) -> Outcome:
    result = Result("unchanged", None, "", (), "", "", "", 0, NOW)
    return Outcome(pair_ids=numbers(pair), result=result, rows=pair.rows)


def statuses(journal: Journal) -> list[tuple[int, str, int]]:
    """Return row, status and attempts of every line of the results, by row."""
    return sorted((line.row, line.status, line.attempts) for _, line in lines(journal, "outcomes", 0))


# --- lots


def test_pairs_are_claimed_by_the_records_of_which_there_are_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_pairs_of_a_record_lie_together_unless_the_order_of_rows_is_wanted(tmp_path: Path) -> None:
    """A batch has few records then, and those that are under way together have different ones."""
    rows = [link(2, 6, 9), link(3, 1, 8), link(4, 5, 9), link(5, 2, 8)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        (lot,) = lots(journal, in_row_order=False)
    assert ends(lot.other) == [(1, 8), (2, 8), (5, 9), (6, 9)]
    assert lot.other.numbers.tolist() == [1, 2, 3, 4]


def test_pairs_are_claimed_from_their_own_end_where_that_has_fewer_records(tmp_path: Path) -> None:
    rows = [link(2, 1, 9), link(3, 1, 8), link(4, 2, 7)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        (lot,) = lots(journal)
    assert (lot.direction, ends(lot.own), len(lot.other)) == (("0-1", "0-2"), [(1, 9), (1, 8), (2, 7)], 0)


def test_the_from_end_is_read_where_a_type_is_not_known_from_the_other(tmp_path: Path) -> None:
    """A portal's label that is called something else there would be in doubt for every pair."""
    portal = FakePortal({("0-1", "0-2"): [("USER_DEFINED", 40, "Manager")]})
    rows = [link(row, row, 9, row_kind(label="Manager")) for row in range(2, 6)]
    with Journal(stage(tmp_path, [chunk(rows)], portal=portal, by_record=True)) as journal:
        (lot,) = lots(journal)
    assert lot.direction == ("0-1", "0-2")


def test_rows_of_the_rarer_end_are_looked_up_with_the_others(tmp_path: Path) -> None:
    """A pair that can only be written from the other end is in the same lot, the other way round."""
    portal = FakePortal({("0-1", "0-2"): [("USER_DEFINED", 40, "A")], ("0-2", "0-1"): [("USER_DEFINED", 41, "B")]})
    rows = [link(2, 1, 9), link(3, 2, 9), link(4, 9, 3, row_kind("companies", "contacts", label="B"))]
    with Journal(stage(tmp_path, [chunk(rows)], portal=portal, by_record=True)) as journal:
        (lot,) = lots(journal)
    assert lot.direction == ("0-1", "0-2")
    assert ends(lot.own) == [(1, 9), (2, 9)]
    assert [(pair.object_type, pair.object_id, pair.to_object_id) for pair in lot.other.each()] == [("0-2", "9", "3")]


def test_families_of_object_types_are_lots_of_their_own(tmp_path: Path) -> None:
    rows = [link(2, 1, 9), link(3, 1, 9, row_kind("deals")), link(4, 2, 9)]
    with Journal(stage(tmp_path, [chunk(rows)], by_record=True)) as journal:
        assert [lot.direction for lot in lots(journal)] == [("0-2", "0-1"), ("0-3", "0-2")]


def test_many_rows_are_judged_by_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which end has fewer records is found without a sort of all their numbers."""
    monkeypatch.setattr("loader.planning.group.FEW_ROWS", 10)
    with Staging(tmp_path / "s") as staging:
        staging.begin_input("a.csv", "sha", HEADER, HEADER[1:])
        staging.append(chunk([link(row, row, row % 300 + 1) for row in range(2, 3002)]))
        group(staging, by_record=True)
        figures = staging.journal.figures()
    assert (figures.rows, figures.pairs) == (3000, 3000)
    assert 150 < figures.looked_up < 600


# --- what was before


@contextmanager
def first_lot(folder: Path) -> Iterator[tuple[Journal, list[Pair]]]:
    """Hold a journal of three pairs open, the first of two kinds of row and a duplicate, claimed."""
    rows = [link(2, 1, 9), link(3, 1, 9, row_kind(primary=True)), link(4, 1, 9), link(5, 2, 9), link(6, 3, 9)]
    with Journal(stage(folder, [chunk(rows)], by_record=True)) as journal:
        (lot,) = lots(journal)
        yield journal, list(lot.other.each())


@pytest.mark.parametrize("again", ["a new process", "--retry-failed"])
def test_the_first_image_of_a_pair_is_never_overwritten(tmp_path: Path, again: str) -> None:
    """What a crash or a failed request left behind does not look old; which rows are so still is said anew."""
    with first_lot(tmp_path) as (journal, (first, second, _)):
        journal.keep([image(first, PLAIN), image(second)])
        if again == "--retry-failed":
            journal.record([failed(first), failed(second)], {})
            journal.forget_failed(all_of_them=True)
    with Journal(journal.path) as journal:
        (lot,) = lots(journal)
        befores: list[Types | None] = [pair.before for pair in lot.other.each()]
        assert befores == [frozenset({PLAIN}), frozenset(), None]
        first, second, _ = lot.other.each()
        images = [
            Image(numbers=numbers(first), types=frozenset({PLAIN, PRIMARY}), there=frozenset()),
            image(second, PLAIN),
        ]
        assert journal.keep(images) == {second.pair_id: 1}
    with Journal(journal.path) as journal:
        (lot,) = lots(journal)
        assert [pair.before for pair in lot.other.each()] == [frozenset({PLAIN}), frozenset(), None]
        journal.record([created(pair) for pair in lot.other.each()], {})
        assert {status for _, status, _ in statuses(journal)} == {"created"}
