"""How a run sends: by PUT, in batches, or archiving; with or without a reading first; and with how many workers."""

from typing import Any

from loader.journal import AsyncJournal, Journal
from loader.run.connection import batch_workers, workers
from loader.send.batch import Batch
from loader.send.gateway import Gateway
from loader.send.judging import Judge, Merging, Removing, Replacing
from loader.send.outgoing import DraftSource, Unread
from loader.send.pool import Action, Pool
from loader.send.put import Put
from loader.send.read_first import ReadFirst
from loader.send.reading import CurrentAssociations
from loader.send.take_off import TakeOff
from loader.settings import Settings

AHEAD_SECONDS = 0.1
MOST_AHEAD = 500
"""PUTs of one claim. Each claim is a commit, and with few PUTs in each, the workers would mostly wait for commits."""

READERS = 3
"""Lots that are looked up at the same time: one by one, a load without changes would only wait for answers."""


def sending(settings: Settings, journal: AsyncJournal[Any], gateway: Gateway) -> tuple[Pool, DraftSource]:
    """Return the pool that sends all pairs without an outcome, and the source of its pairs."""
    action: Action
    if settings.removes:
        action = TakeOff(gateway)
        worker_count = batch_workers(settings)
    elif settings.send.method == "put":
        action = Put(gateway)
        worker_count = workers(settings)
    else:
        action = Batch(gateway)
        worker_count = batch_workers(settings)
    if settings.send.unread:
        # Half of what may be under way is claimed at once, more if the limit is high.
        ahead, rate = worker_count // 2, settings.send.rate
        if rate is not None and settings.send.method == "put":
            ahead = max(ahead, min(MOST_AHEAD, int(rate.per_second * AHEAD_SECONDS)))
        unread = Unread(journal, capacity=action.capacity, ahead=max(1, ahead))
        return Pool(journal, [unread], action, gateway, workers=worker_count), unread
    return read_first(journal, action, judge_of(settings, journal.held), gateway, workers=worker_count)


def read_first(
    journal: AsyncJournal[Any], action: Action, judge: Judge, gateway: Gateway, *, workers: int
) -> tuple[Pool, ReadFirst]:
    """Return a pool whose pairs are looked up just before they are sent, and the source of these pairs."""
    pairs = ReadFirst(journal, CurrentAssociations(gateway), judge, capacity=action.capacity)
    return Pool(journal, [pairs] * READERS, action, gateway, workers=workers), pairs


def judge_of(settings: Settings, journal: Journal) -> Judge:
    """Return the judge for the labels that pairs already have."""
    if settings.removes:
        return Removing(journal.facts.labels, whole_pair=settings.send.whole_pair)
    return Replacing(journal.unlabelled) if settings.send.existing == "replace" else Merging()
