"""The cost of a load by each method, and what reading first would save: requests, time and share of the quota."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loader.columns import Ids
from loader.errors import ApiError, RecordMerged, Retryable
from loader.events import Cost, Losing, MergedRecord, Note, Notify, Planned, SoFar, Waiting
from loader.journal import AsyncJournal
from loader.model import Lot, Pairs, Types
from loader.send.batch import PAIRS_PER_CREATE
from loader.send.endings import no_answer
from loader.send.judging import Case, Judge, cases, renamed
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations, Reading
from loader.send.take_off import LABELLED_PER_ARCHIVE
from loader.settings import Rate, SendSettings
from loader.text import counted, in_words

PAIRS_OF_A_REQUEST = {"put": 1, "batch": PAIRS_PER_CREATE}

ARCHIVE = "archive"
"""The only method of a removal."""

STALE_SHARE = 0.01
"""Of the pairs. Plans assume this share, because before writing it is not known which records still exist."""

LONG_SECONDS = 600.0
"""Seconds. For a longer load the faster method is recommended, or used with `--method auto`."""

MOST_LOTS = 200
"""A plan looks up no more lots: 200,000 records, from which it estimates the others."""


def costs(pairs: int, records: int, rate: Rate, daily_quota: int | None, *, removes: bool = False) -> dict[str, Cost]:
    """Return the cost of each method for a number of pairs to send and of records to read first.

    In a removal records are read twice: to count what goes before anything is sent, and just before it is sent.
    """
    reads = ceil(records / RECORDS_PER_READ) * (2 if removes else 1)
    found: dict[str, Cost] = {}
    for method, size in ({ARCHIVE: LABELLED_PER_ARCHIVE} if removes else PAIRS_OF_A_REQUEST).items():
        writes = ceil(pairs / size)
        requests = reads + writes
        share = requests / daily_quota if daily_quota else None
        # For one missing record HubSpot refuses a whole batch, but only one PUT. What is taken off was read.
        stale = ceil(pairs * STALE_SHARE) if size > 1 and not removes else 0
        found[method] = Cost(reads, writes, requests, requests / rate.per_second, share, stale)
    return found


class Ahead(NamedTuple):
    """What was read from the portal before anything is sent; see `Planned`."""

    so_far: SoFar
    losing: Losing | None
    merged: tuple[MergedRecord, ...]


async def look_ahead(journal: AsyncJournal[Any], current: CurrentAssociations, judge: Judge, notify: Notify) -> Ahead:
    """Look up what the pairs of a planned journal have already, or the first of them where they are very many.

    Pairs that HubSpot refuses to read are not counted, but reported. Raises Unreachable without a usable answer.
    """
    looked_up = lots = 0
    found = _Standing()
    refused: list[ApiError] = []
    whole = False
    while lots < MOST_LOTS and not whole:
        lot = await journal.claim_lot()
        if lot is None:
            whole = True
            continue
        lots += 1
        records = np.concatenate((lot.own.from_ids, lot.other.to_ids))
        reading = await current.read(lot.direction, records)
        unread = _unread(reading, records)
        refused += unread
        held, types = reading.held(lot.own.from_ids, lot.own.to_ids)
        found = _plus(found, cases(lot.own, held, types, judge))
        held, types = reading.held(lot.other.to_ids, lot.other.from_ids)
        clear, unclear = _seen_from_the_other_end(lot, held, types, judge)
        found = _plus(found, clear)
        if len(unclear):
            reading = await current.read(unclear.direction, unclear.from_ids)
            found = _plus(found, cases(unclear, *reading.held(unclear.from_ids, unclear.to_ids), judge))
        looked_up += len(records) - len(unread)
        if lots % 10 == 0:
            checked = f"{counted(looked_up, 'pair')} checked so far, {found.complete:,} of them in HubSpot already."
            notify(Waiting(checked, trouble=False))
    if refused:
        notify(
            Note(
                f"HubSpot refused to show what {counted(len(refused), 'pair')} of the file have "
                f"({refused[0].message}): "
                "they are not counted as checked."
            )
        )
    # One record may be in many pairs.
    merged = dict.fromkeys(
        MergedRecord(error.object_type, error.record_id, error.survivor)
        for error in refused
        if isinstance(error, RecordMerged)
    )
    losing = Losing(found.labels_gone, found.pairs_losing) if judge.exact else None
    return Ahead(SoFar(looked_up, found.complete, whole), losing, tuple(merged))


class _Standing(NamedTuple):
    """How many pairs have all that rows ask for, and how many labels, on how many pairs, will be taken off."""

    complete: int = 0
    labels_gone: int = 0
    pairs_losing: int = 0


def _plus(found: _Standing, judged: Iterable[Case]) -> _Standing:
    """Add these pairs to the counts."""
    complete, labels_gone, pairs_losing = found
    for case in judged:
        pairs = len(case.places)
        if case.judgement is None:
            complete += pairs
        elif case.judgement.gone:
            labels_gone += pairs * len(case.judgement.gone)
            pairs_losing += pairs
    return _Standing(complete, labels_gone, pairs_losing)


def _seen_from_the_other_end(
    lot: Lot, held: npt.NDArray[np.int32], types: Sequence[Types], judge: Judge
) -> tuple[list[Case], Pairs]:
    """Return the counts of the pairs that their other end decides, and the pairs that only their own end can decide.

    The latter have a type whose inverse is not known: it may be the type that rows ask for, or one to take off.
    """
    clear: list[Case] = []
    unclear = np.zeros(len(lot.other), np.bool_)
    for case in cases(lot.other, held, renamed(types, lot.inverse), judge):
        whole = len(case.now) == len(types[held[case.places[0]]])
        if whole or (case.judgement is None and not judge.exact):
            clear.append(case)
        else:
            unclear[case.places] = True
    return clear, lot.other.take(unclear)


def _unread(reading: Reading, records: Ids) -> list[ApiError]:
    """Return an error for each pair that was not read; raises Unreachable when no record could be read at all."""
    unread = [reading.unreadable[each] for each in records.tolist() if each in reading.unreadable]
    if len(unread) == len(records) > 0 and isinstance(unread[0], Retryable):
        raise no_answer(unread[0]) from unread[0]
    return unread


def replacing_note(send: SendSettings) -> str | None:
    """Return a note for the user before labels are taken off, or None."""
    if send.existing != "replace":
        return None
    after = (
        "nothing is read first, so undo cannot restore them."
        if send.unread
        else "a plan shows how many, and undo restores them."
    )
    return f"Labels that a pair has and the file does not name are removed: {after}"


def advice(planned: Planned, send: SendSettings) -> str | None:
    """Return a note for the user about the method of a load, or None."""
    if send.method == ARCHIVE:
        return None
    put, batch = planned.costs["put"], planned.costs["batch"]
    if planned.chosen and planned.method == "batch":
        return (
            f"--method auto: in batches, because one by one would take {in_words(put.seconds)}. "
            "HubSpot returns no created resource ids then: that column of the results stays empty."
        )
    if planned.method == "batch":
        return "In batches HubSpot returns no created resource ids: that column of the results stays empty."
    if put.seconds <= LONG_SECONDS or send.method != "put":
        return None
    return (
        f"One by one this takes {in_words(put.seconds)}. With --method batch it takes {in_words(batch.seconds)}, but "
        "the column created_resource_id of the results stays empty."
    )


def method_for(method: str, by_method: Mapping[str, Cost]) -> str:
    """Return the method of a load: for `auto` single PUTs, unless that takes long.

    HubSpot returns created resource ids only for single PUTs; a load of a few minutes need not do without them.
    """
    if method != "auto":
        return method
    return "put" if by_method["put"].seconds <= LONG_SECONDS else "batch"
