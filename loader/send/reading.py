"""What records are associated with now, read from HubSpot a thousand records at a time."""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from loader.errors import ApiError, Refused, Retryable, ServerFault
from loader.model import Direction, Types
from loader.send import api
from loader.send.batch_replies import Page, associated
from loader.send.culprits import MOST_REFUSALS, halves, records_refused
from loader.send.gateway import Gateway

MOST_RECORDS = 1000
"""In one batch read (guide "Associations v4", since 2025-02-10; more are refused)."""

ENOUGH_REFUSED = 20
"""So many records refused one by one, and none read: the others are not asked for alone."""

MOST_ASSOCIATIONS = 100_000
"""In one answer: some 12 MB, which are many times that in memory."""

LARGEST_ANSWER = 2**26


class Reading(NamedTuple):
    """What was found: by record, the records that it is associated with, and the association types of each.

    Each record that was asked for is either in `found` (with an empty dict when it has no associations) or in
    `unreadable`, with what stood in the way.
    """

    found: dict[str, dict[str, Types]]
    unreadable: dict[str, ApiError]


Wanted = tuple[str, str]
"""A record id, and where the page begins that is asked for; blank: the first."""


class CurrentAssociations:
    """Reads associations through the gateway, with its permits, and its attempts unless `attempts` says how many."""

    def __init__(self, gateway: Gateway, *, version: str, attempts: int | None = None) -> None:
        self._gateway = gateway
        self._version = version
        self._attempts = attempts
        self._most = MOST_RECORDS

    async def read(self, direction: Direction, record_ids: Iterable[str]) -> Reading:
        """Return what these records of the first object type are associated with among those of the second.

        Pages are followed to the end. Of a request that HubSpot refuses, the records that it names cannot be read and
        the others are asked for again; where it names none, it is halved until they are found, unless it refuses them
        all. Raises Fatal when no request can succeed, Stopped when the run ends.
        """
        reading = Reading({}, {})
        wanted: list[Wanted] = [(record_id, "") for record_id in dict.fromkeys(record_ids)]
        while wanted:
            following: list[Wanted] = []
            batches: deque[Sequence[Wanted]] = deque(
                wanted[start : start + self._most] for start in range(0, len(wanted), self._most)
            )
            refusals = 0
            while batches:
                batch = batches.popleft()
                page = await self._page(direction, batch)
                if isinstance(page, Page):
                    refusals = 0
                    following += _take(page, batch, reading)
                else:
                    refusals += 1
                    batches.extendleft(reversed(_refused(page, batch, reading, refusals)))
            wanted = following
        for record_id in reading.unreadable:
            reading.found.pop(record_id, None)
        return reading

    async def _page(self, direction: Direction, batch: Sequence[Wanted]) -> Page | Refused:
        """Read one page of each record, or return why HubSpot refuses that."""
        request = api.batch_read(direction, batch, self._version)
        read = partial(associated, asked=frozenset(record_id for record_id, _ in batch))
        try:
            page = (await self._gateway.call(request, read, max_attempts=self._attempts, largest=LARGEST_ANSWER)).value
        except Refused as error:
            return error
        except Retryable as error:
            return Page({}, {}, {}, error)
        self._size_up(page, len(batch))
        return page

    def _size_up(self, page: Page, records: int) -> None:
        """Ask for fewer records at once where each has very many associations, and for more again where not."""
        associations = sum(map(len, page.found.values()))
        fitting = MOST_ASSOCIATIONS * records // associations if associations else MOST_RECORDS
        self._most = max(1, min(MOST_RECORDS, 2 * self._most, fitting))


def _refused(error: Refused, batch: Sequence[Wanted], reading: Reading, refusals: int) -> list[Sequence[Wanted]]:
    """Take over a refusal, one of so many in a row; return what is to be asked for again."""
    refused = records_refused(error, {record_id for record_id, _ in batch})
    hopeless = not refused and not reading.found and len(reading.unreadable) >= ENOUGH_REFUSED
    if len(batch) == 1 or hopeless:
        refused = {record_id: error for record_id, _ in batch}
    reading.unreadable.update(refused)
    others = [each for each in batch if each[0] not in refused]
    if not others:
        return []
    return [others] if refused and refusals % MOST_REFUSALS else halves(others)


def _take(page: Page, batch: Sequence[Wanted], reading: Reading) -> list[Wanted]:
    """Take over a page; return what is to be read next."""
    following: list[Wanted] = []
    reading.unreadable.update(page.refused)
    for record_id, began in batch:
        mentioned = record_id in page.found or record_id in page.refused
        if not mentioned and not page.complete:
            following.append((record_id, began))
            continue
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


def _endless() -> ServerFault:
    return ServerFault("HubSpot's pages of this record's associations do not come to an end", category="ENDLESS_PAGES")
