"""What records are associated with now, read from HubSpot a thousand records at a time."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from loader.errors import ApiError, MissingScope, RecordMerged, Refused, Retryable, ServerFault
from loader.model import NO_TYPES, Direction, Numbers, Types
from loader.send import api, endings
from loader.send.api import Request
from loader.send.batch_replies import Page, associated
from loader.send.clocks import FRESH_SECONDS, Clocks, Moment
from loader.send.gateway import Gateway
from loader.send.refusals import MOST_REFUSALS, halves, records_refused

RECORDS_PER_READ = 1000
"""In one batch read (guide "Associations v4", since 2025-02-10; more are refused)."""

ENOUGH_REFUSED = 20
"""After this many records were refused one by one, and none was read, the others are not asked for one by one."""

MOST_READINGS = 3
"""Of the same records, when each takes so long that it is old at its end: the last is as young as it gets."""

MOST_ASSOCIATIONS = 100_000
"""In one answer: some 12 MB, which are many times that in memory."""

LARGEST_ANSWER = 2**26


class Reading(NamedTuple):
    """What was found: by record, the records that it is associated with, and the association types of each.

    Each record that was asked for is either in `found` (with an empty dict when it has no associations) or in
    `unreadable`, with the error of each. `read_at` is when the oldest of the requests left, None if there was none.
    """

    found: dict[str, dict[str, Types]]
    unreadable: dict[str, ApiError]
    read_at: Moment | None = None

    def held(self, records: Numbers, others: Numbers) -> tuple[npt.NDArray[np.int32], list[Types]]:
        """Return what pairs have, by index into a list of types: 0, which is nothing, also for what was not read.

        `records` are those that were read, `others` the records at the other end of each pair.
        """
        places: dict[Types, int] = {NO_TYPES: 0}
        found = {record: its for record, its in self.found.items() if its}
        if not found:
            return np.zeros(len(records), np.int32), [NO_TYPES]
        links = [
            np.repeat(np.fromiter(map(int, found), np.int64, len(found)), [len(its) for its in found.values()]),
            np.array([int(other) for its in found.values() for other in its], np.int64),
        ]
        kinds = [places.setdefault(types, len(places)) for its in found.values() for types in its.values()]
        # Two ids are one number by the places of both among the links' own; what is not there is no link.
        known = [np.unique(column) for column in links]
        ends = [np.searchsorted(ids, column) for ids, column in zip(known, (records, others), strict=True)]
        ends = [np.minimum(end, len(ids) - 1) for end, ids in zip(ends, known, strict=True)]
        there = (known[0][ends[0]] == records) & (known[1][ends[1]] == others)
        link_keys = np.searchsorted(known[0], links[0]) * len(known[1]) + np.searchsorted(known[1], links[1])
        order = np.argsort(link_keys)
        keys = ends[0] * len(known[1]) + ends[1]
        found_at = order[np.minimum(np.searchsorted(link_keys, keys, sorter=order), len(order) - 1)]
        there &= link_keys[found_at] == keys
        return np.where(there, np.array(kinds, np.int32)[found_at], np.int32(0)), list(places)


class Current(Protocol):
    """Reads what records are associated with now."""

    async def read(self, direction: Direction, record_ids: Iterable[str]) -> Reading:
        """Return what was found of each record, or why it cannot be read."""


async def read_fresh(
    current: Current, clocks: Clocks, direction: Direction, record_ids: Collection[str]
) -> tuple[Reading, Moment]:
    """Read records, once more where that took so long that it is old at its end; return when that was, too."""
    for _ in range(MOST_READINGS):
        began = clocks.moment()
        reading = await current.read(direction, record_ids)
        read_at = reading.read_at or began
        if clocks.age(read_at) <= FRESH_SECONDS:
            return reading, read_at
    return reading, clocks.moment()


Wanted = tuple[str, str]
"""A record id, and where the page begins that is asked for; blank: the first."""

_AFTER = itemgetter(1)


class _Dated:
    """A request that notes when it left last; what it asks for does not age."""

    def __init__(self, request: Request, clocks: Clocks) -> None:
        self._request = request
        self._clocks = clocks
        self.left_at = clocks.moment()

    def leaving(self) -> Request:
        self.left_at = self._clocks.moment()
        return self._request

    async def renew(self) -> None:
        """Never asked for."""


class CurrentAssociations:
    """Reads associations through the gateway, with its permits, and its attempts unless `attempts` says how many."""

    def __init__(self, gateway: Gateway, *, version: str, attempts: int | None = None) -> None:
        self._gateway = gateway
        self._version = version
        self._attempts = attempts
        self._clocks = gateway.clocks
        self._most: dict[Direction, int] = {}

    async def read(self, direction: Direction, record_ids: Iterable[str]) -> Reading:
        """Return what these records of the first object type are associated with among those of the second.

        Pages are followed to the end. Of a request that HubSpot refuses, the records that it names cannot be read and
        the others are asked for again; where it names none, it is halved until they are found, unless it refuses them
        all. Raises Fatal when no request can succeed, Stopped when the run ends.
        """
        reading, oldest = Reading({}, {}), None
        wanted: list[Wanted] = [(record_id, "") for record_id in dict.fromkeys(record_ids)]
        while wanted:
            following: list[Wanted] = []
            most = self._most.get(direction, RECORDS_PER_READ)
            batches: deque[Sequence[Wanted]] = deque(
                wanted[start : start + most] for start in range(0, len(wanted), most)
            )
            refusals = 0
            while batches:
                batch = batches.popleft()
                page, left_at = await self._page(direction, batch)
                oldest = min(oldest or left_at, left_at)
                if isinstance(page, Page):
                    refusals = 0
                    following += _take(page, batch, reading)
                    batches.extendleft(reversed(_unclear(direction, page, batch, reading)))
                else:
                    refusals += 1
                    batches.extendleft(reversed(_refused(page, batch, reading, refusals)))
            wanted = following
        for record_id in reading.unreadable:
            reading.found.pop(record_id, None)
        return reading._replace(read_at=oldest)

    async def _page(self, direction: Direction, batch: Sequence[Wanted]) -> tuple[Page | Refused, Moment]:
        """Read one page of each record, or return why HubSpot refuses that; and when the request left."""
        request = _Dated(api.batch_read(direction, batch, self._version), self._clocks)
        read = partial(associated, asked=frozenset(record_id for record_id, _ in batch))
        try:
            page = (await self._gateway.call(request, read, max_attempts=self._attempts, largest=LARGEST_ANSWER)).value
        except Refused as error:
            return error, request.left_at
        except MissingScope as error:
            raise endings.not_readable(error) from error
        except Retryable as error:
            return Page({}, {}, {}, error), request.left_at
        self._size_up(direction, page, len(batch))
        return page, request.left_at

    def _size_up(self, direction: Direction, page: Page, records: int) -> None:
        """Ask for fewer records at once where each has very many associations, and for more again where not."""
        associations = sum(map(len, page.found.values()))
        fitting = MOST_ASSOCIATIONS * records // associations if associations else RECORDS_PER_READ
        most = 2 * self._most.get(direction, RECORDS_PER_READ)
        self._most[direction] = max(1, min(RECORDS_PER_READ, most, fitting))


def _refused(error: Refused, batch: Sequence[Wanted], reading: Reading, refusals: int) -> list[Sequence[Wanted]]:
    """Take over a refusal, the last of `refusals` in a row; return what is to be asked for again."""
    refused = records_refused(error, {record_id for record_id, _ in batch})
    hopeless = not refused and not reading.found and len(reading.unreadable) >= ENOUGH_REFUSED
    if len(batch) == 1 or hopeless:
        refused = {record_id: error for record_id, _ in batch}
    reading.unreadable.update(refused)
    others = [each for each in batch if each[0] not in refused]
    if not others:
        return []
    return [others] if refused and refusals % MOST_REFUSALS else halves(others)


def _unclear(direction: Direction, page: Page, batch: Sequence[Wanted], reading: Reading) -> list[Sequence[Wanted]]:
    """Return the records to ask for again, in smaller batches, because the answer passes over them.

    It passes over merged records, and speaks of those that survive. What it says of a single one is certain.
    """
    if not page.complete or page.unexplained is not None or not (page.others or page.names_all):
        return []
    known = page.found.keys() | reading.unreadable.keys()
    passed_over = [each for each in batch if each[0] not in known]
    if len(passed_over) == 1 and len(set(page.others)) == 1:
        record_id = passed_over[0][0]
        reading.unreadable[record_id] = RecordMerged(direction[0], record_id, page.others[0])
    elif passed_over and len(batch) == 1:
        reading.unreadable[passed_over[0][0]] = _of_others()
    else:
        return halves(passed_over)
    return []


def _take(page: Page, batch: Sequence[Wanted], reading: Reading) -> list[Wanted]:
    """Take over a page; return what is to be read next."""
    whole = page.complete and (len(page.found) == len(batch) or not (page.names_all or page.others))
    if whole and not (page.after or page.refused or page.unexplained or reading.unreadable or any(map(_AFTER, batch))):
        reading.found.update((record_id, page.found.get(record_id) or {}) for record_id, _ in batch)
        return []
    following: list[Wanted] = []
    reading.unreadable.update(page.refused)
    for record_id, began in batch:
        mentioned = record_id in page.found or record_id in page.refused
        if not mentioned and not page.complete:
            following.append((record_id, began))
            continue
        if not mentioned and page.unexplained is None and (page.others or page.names_all):
            continue  # `_unclear` asks again.
        if not mentioned and page.unexplained is not None:
            reading.unreadable.setdefault(record_id, page.unexplained)
        if record_id in reading.unreadable:
            continue
        found, new = reading.found.setdefault(record_id, {}), page.found.get(record_id, {})
        after = page.after.get(record_id, "")
        if after and (after == began or new.keys() <= found.keys()):
            reading.unreadable[record_id] = _endless()
        elif after:
            following.append((record_id, after))
        found.update(new)
    return following


def _of_others() -> ServerFault:
    return ServerFault("HubSpot's answer speaks of several other records", category="UNREADABLE_ANSWER")


def _endless() -> ServerFault:
    return ServerFault("HubSpot's pages of this record's associations do not come to an end", category="ENDLESS_PAGES")
