"""Journals for tests of planning and recording, made of rows in the test itself; no file is read, nothing is sent."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from loader.columns import Ids
from loader.journal import Journal
from loader.model import Chunk, Outcome, Pair, Reject, Result, RowKind
from loader.planning.names import resolve_names
from loader.planning.staging import Staging
from loader.send.portal import GatewayPortal
from tests.rows import Link, in_columns
from tests.stages.fake_portal import row_kind

HEADER = ("object_id", "to_object_id")
NOW = "2026-11-23T02:00:00.123Z"

Row = Link | Reject


def link(row: int, object_id: int, to_object_id: int, what: RowKind | None = None, part: int = 0) -> Link:
    """Return a row in order."""
    return Link(row, part, str(object_id), str(to_object_id), what or row_kind())


def reject(row: int, object_id: str, to_object_id: str, what: RowKind | None = None, part: int = 0) -> Reject:
    """Return a row that is never sent."""
    return Reject(row, part, object_id, to_object_id, what or row_kind(), "INVALID_RECORD_ID", f"row {row} is wrong")


def chunk(
    rows: Iterable[Link] | Iterable[Reject] | Iterable[Link | Reject], said: Mapping[int, list[str]] | None = None
) -> Chunk:
    """Return a chunk whose records are the rows' own; the cells are their ids unless `said` gives them by row."""
    found = list(rows)
    numbers = list(dict.fromkeys(row.row for row in found))
    given = dict(said or {})
    for row in found:
        given.setdefault(row.row, [row.object_id, row.to_object_id])
    links = [row for row in found if isinstance(row, Link)]
    rejects = [row for row in found if isinstance(row, Reject)]
    cells = list(zip(*(given[number] for number in numbers), strict=True))
    return Chunk(rows=numbers, cells=cells, links=in_columns(links), rejects=rejects, without=0)


def group(staging: Staging, portal: GatewayPortal | None = None, *, by_record: bool = False) -> None:
    """Settle and group what was staged, as a load does."""
    verdicts, _, _, types = asyncio.run(resolve_names(staging.kinds(), portal))
    staging.group(verdicts, types, by_record=by_record)


def stage(
    folder: Path,
    *inputs: Sequence[Chunk],
    headers: Sequence[Sequence[str]] = (),
    to_columns: Sequence[str] = ("to_object_id",),
    portal: GatewayPortal | None = None,
    by_record: bool = False,
) -> Path:
    """Make a journal of inputs `a`, `b`, ... in a folder and return its path."""
    journal = folder / "r.journal"
    with Staging(folder / "r.journal-staging") as staging:
        for number, chunks in enumerate(inputs):
            header = headers[number] if headers else HEADER
            staging.begin_input(f"{'abcdef'[number]}.csv", f"sha-{number}", header, to_columns)
            for one in chunks:
                staging.append(one)
            staging.end_input()
        group(staging, portal, by_record=by_record)
        staging.journal.remember(planned=True, started_at=NOW, identity={})
        staging.install(journal)
    return journal


def claim(journal: Journal, most: int) -> list[Pair]:
    """Claim pairs and return each by itself, by number."""
    return sorted(pair for pairs in journal.claim(most) for pair in pairs.each())


def numbers(*pairs: Pair) -> Ids:
    """Return the numbers of pairs as the journal takes them."""
    return np.array([pair.pair_id for pair in pairs], np.int64)


def created(pair: Pair) -> Outcome:
    """Return the outcome of a pair that HubSpot accepted."""
    result = Result("created", 201, "77", ("Boss",), "", "", "", 1, NOW)
    return Outcome(pair_ids=numbers(pair), result=result, rows=pair.rows)


def created_together(pairs: Sequence[Pair]) -> Outcome:
    """Return the outcome of pairs that HubSpot accepted in one request."""
    result = Result("created", 201, "", (), "", "", "", 1, NOW)
    return Outcome(pair_ids=numbers(*pairs), result=result, rows=sum(pair.rows for pair in pairs))


def failed(pair: Pair, category: str = "VALIDATION_ERROR", message: str = "no such record") -> Outcome:
    """Return the outcome of a pair that HubSpot refused."""
    result = Result("failed", 400, "", (), category, message, "c-1", 1, NOW)
    return Outcome(pair_ids=numbers(pair), result=result, rows=pair.rows)


def send_all(journal: Journal, most: int = 1000) -> list[Pair]:
    """Claim and record everything within the limit as created; return the requests."""
    sent: list[Pair] = []
    while pairs := claim(journal, most):
        journal.record([created(pair) for pair in pairs], {})
        sent += pairs
    return sent
