"""Pairs in lots that are looked up together, and what they were before: the journal's part of keeping what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loader.journal import Journal, lines
from loader.model import AssociationType, Image, Lot, Outcome, Pair, Pairs, Result, Types
from tests.stages.fake_portal import row_kind
from tests.stages.staged import NOW, chunk, created, failed, link, numbers, stage

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
