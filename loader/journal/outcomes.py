"""Before-images and outcomes, written by ranges of pair numbers."""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

import numpy as np

from loader.columns import Flags, Ids, distinct, runs
from loader.journal.lots import LotRows, Lots, ranges, spread
from loader.journal.planned import StoredPlan
from loader.model import Demotion, Image, Outcome, Result
from loader.reasons import explain

_RESULT = attrgetter("result", "unchanged", "beside")

_RECORD_RESULT = f"""
INSERT INTO results (id, rows, beside, {", ".join(Result._fields)})
VALUES (:id, :rows, :beside, :{", :".join(Result._fields)})
"""


_PAIR = 2**32 - 1


def record(database: sqlite3.Connection, outcomes: Iterable[Outcome]) -> None:
    """Write outcomes down; sqlite3.IntegrityError for a pair that has one already."""
    # Consecutive pairs with the same result become one line: PUTs of one moment mostly have the same.
    groups = [(key, list(same)) for key, same in groupby(outcomes, key=_RESULT)]
    if not groups:
        return
    (last_id,) = database.execute("SELECT coalesce(max(id), 0) FROM results").fetchone()
    results = [
        result._asdict()
        | {"id": number, "rows": sum(each.rows for each in same), "beside": beside, "labels": ";".join(result.labels)}
        for number, ((result, _, beside), same) in enumerate(groups, last_id + 1)
    ]
    database.executemany(_RECORD_RESULT, results)
    # All groups at once, each pair with the index of its group: numpy takes as long for a single pair.
    arrays = [(place, each.pair_ids) for place, (_, same) in enumerate(groups) for each in same]
    places = np.repeat([place for place, _ in arrays], [len(pairs) for _, pairs in arrays])
    firsts, lasts = runs(np.sort(places << 32 | np.concatenate([pairs for _, pairs in arrays])))
    database.executemany(
        "INSERT INTO outcomes (first_pair, last_pair, result, unchanged) VALUES (?, ?, ?, ?)",
        [
            (first & _PAIR, last & _PAIR, last_id + 1 + (first >> 32), groups[first >> 32][0][1])
            for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
        ],
    )


# --- before

NOTHING = 0
"""The number of the empty set of types."""


def keep(
    database: sqlite3.Connection, planned: StoredPlan, lots: Lots, images: Sequence[Image], demoted: Sequence[Demotion]
) -> dict[int, int]:
    """Write before-images that are not known yet; return by pair how many of its rows are unchanged."""
    for each in demoted:
        database.execute(
            "INSERT OR IGNORE INTO demoted (pair, object_type, object_id, to_object_type, to_object_id, single, image)"
            " VALUES (:pair_id, :object_type, :object_id, :to_object_type, :to_object_id, :single, :image)",
            each._asdict() | {"single": each.single.key, "image": planned.number_of(each.types)},
        )
    written = [
        (
            image,
            np.sort(image.numbers),
            planned.number_of(image.types),
            planned.number_of(image.there) if image.there else NOTHING,
        )
        for image in images
        if len(image.numbers)
    ]
    if written:
        new = [(pairs, types, there) for _, pairs, types, there in written]
        first, last = min(int(pairs[0]) for pairs, _, _ in new), max(int(pairs[-1]) for pairs, _, _ in new)
        if known := ranges(database, "befores", "image, there", first, last):
            new = _together(database, known, written, first, last)
        for pairs, image_number, there in new:
            database.executemany(
                "INSERT INTO befores VALUES (?, ?, ?, ?)",
                [
                    (one, other, image_number, there)
                    for one, other in zip(*(each.tolist() for each in runs(pairs)), strict=True)
                ],
            )
    still: dict[int, int] = {}
    for image in images:
        if image.there and len(image.numbers):
            rows = lots.rows_of(image.numbers)
            old = planned.own_among(image.there, rows.kinds, rows.backward)
            counts = np.bincount(rows.pairs[old], minlength=len(image.numbers))
            some = np.flatnonzero(counts)
            still.update(zip(image.numbers[some].tolist(), counts[some].tolist(), strict=True))
    return still


def _together(
    database: sqlite3.Connection,
    known: Sequence[Sequence[int]],
    new: Sequence[tuple[Image, Ids, int, int]],
    first: int,
    last: int,
) -> list[tuple[Ids, int, int]]:
    """Remove known before-images from the table and return them merged with the new ones.

    A before-image is never overwritten. The types that rows ask for and that are `there` may become fewer.
    """
    first, last = min(first, known[0][0]), max(last, known[-1][1])
    images, theres = spread(known, 2, first, last), spread(known, 3, first, last)
    for kept, pairs, image, there in new:
        at = pairs - first
        images[at] = np.where((images[at] == 0) | kept.grows, image, images[at])
        theres[at] = there
    database.execute("DELETE FROM befores WHERE first_pair BETWEEN ? AND ?", (first, last))
    both = np.unique(np.stack((images, theres), axis=1)[images > 0], axis=0)
    return [
        (first + np.flatnonzero((images == image) & (theres == there)), image, there) for image, there in both.tolist()
    ]


def unchanged_rows(database: sqlite3.Connection, planned: StoredPlan, pairs: Ids, rows: LotRows) -> Flags:
    """Return which rows of pairs, by number, are unchanged.

    Their own type was there before their pair was first sent, and still was when it was last looked up.
    """
    old = np.zeros(len(rows.pairs), np.bool_)
    if not len(pairs):
        return old
    first, last = int(pairs.min()), int(pairs.max())
    there = spread(ranges(database, "befores", "there", first, last), 2, first, last)[pairs - first]
    of_row = there[rows.pairs]
    for number in distinct(there[there > 0]).tolist():
        these = of_row == number
        old[these] = planned.own_among(planned.image(number), rows.kinds[these], rows.backward[these])
    return old


# --- failed

FAILED = "status = 'failed'"

PASSING = f"{FAILED} AND may_pass(error_category, http_status, error_message)"
"""Failed for a reason after which it may help to send the pair again."""


def _may_pass(category: str, http_status: int | None, message: str) -> bool:
    return explain(category, http_status, message).retry


def has(database: sqlite3.Connection, which: str) -> bool:
    """Return True if there are results that meet a condition."""
    database.create_function("may_pass", 3, _may_pass)
    return database.execute(f"SELECT 1 FROM results WHERE {which} LIMIT 1").fetchone() is not None


def forget(database: sqlite3.Connection, which: str, *values: str) -> int:
    """Delete the outcomes with results that meet a condition; return how many pairs had one."""
    database.create_function("may_pass", 3, _may_pass)
    results = f"FROM results WHERE {which}"
    (pairs,) = database.execute(
        f"SELECT coalesce(sum(last_pair - first_pair + 1), 0) FROM outcomes WHERE result IN (SELECT id {results})",
        values,
    ).fetchone()
    database.execute(f"DELETE FROM outcomes WHERE result IN (SELECT id {results})", values)
    database.execute(f"DELETE {results}", values)
    return int(pairs)
