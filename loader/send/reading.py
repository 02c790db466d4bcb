"""The current associations of records, read from HubSpot a thousand records at a time."""

from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from loader.columns import Flags, Ids, Small, distinct
from loader.errors import ApiError, MissingScope, RecordMerged, Refused, Retryable, ServerFault
from loader.model import NO_TYPES, Direction, Pair, Types
from loader.send import api, endings
from loader.send.api import Request
from loader.send.clocks import FRESH_SECONDS, Moment
from loader.send.gateway import Gateway
from loader.send.links import NO_LINKS, Links, Page, associated, joined, united
from loader.send.refusals import MOST_REFUSALS, halves, records_refused

RECORDS_PER_READ = 1000
"""In one batch read (guide "Associations v4", since 2025-02-10; more are refused)."""

ENOUGH_REFUSED = 20
"""If this many records were refused one by one, and none was read, the others are not tried one by one."""

MOST_READINGS = 3
"""Readings of the same records, if each takes so long that it is too old at its end; then the last one counts."""

MOST_ASSOCIATIONS = 100_000
"""Associations in one answer: some 12 MB, and many times that in memory."""

LARGEST_ANSWER = 2**26

WantedRecords = Ids | Sequence[int]
"""The ids of records of one object type, in any order; each is read once."""


class Reading:
    """What was found: the associated records of the records that were read, and the types of each association.

    `unreadable` are the records that could not be read, each with its error; nothing is known of them. `read_at` is
    when the oldest of the requests left, None without any.
    """

    def __init__(
        self, links: Sequence[Links], unreadable: Mapping[int, ApiError], read_at: Moment | None = None
    ) -> None:
        self.unreadable = unreadable
        self.read_at = read_at
        all_links = joined(links)
        records, others, types = all_links.records, all_links.others, all_links.types
        if unreadable:
            known = ~np.isin(records, list(unreadable))
            records, others, types = records[known], others[known], types[known]
        # Two ids become one number, made of their indexes among the records here: these are sorted and searched.
        self._records, self._others = distinct(records), distinct(others)
        keys = np.searchsorted(self._records, records) * len(self._others) + np.searchsorted(self._others, others)
        order = np.argsort(keys)
        self._keys, self._types, self._sets = keys[order], types[order], list(all_links.sets)
        self._unite()

    def count_of(self, records: Collection[int], *, without: Collection[int], within: bool) -> int:
        """Return how many associations some of the records have, except with the records `without`.

        `within` one object type, an association of two of the records is one.
        """
        if not len(self._keys):
            return 0
        ids, others = self._records[self._keys // len(self._others)], self._others[self._keys % len(self._others)]
        counted = np.isin(ids, list(records)) & ~np.isin(others, list(without))
        if within:
            counted &= (ids < others) | ~np.isin(others, list(records))
        return int(counted.sum())

    def _unite(self) -> None:
        """Merge associations that link the same two records."""
        first = np.flatnonzero(np.diff(self._keys, prepend=-1))
        sizes = np.diff(first, append=len(self._keys))
        for place, size in zip(first[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            united = NO_TYPES.union(*(self._sets[each] for each in self._types[place : place + size]))
            self._types[place] = len(self._sets)
            self._sets.append(united)
        self._keys, self._types = self._keys[first], self._types[first]

    def held(self, records: Ids, others: Ids) -> tuple[Small, Sequence[Types]]:
        """Return what pairs have, as indexes into sets of types; 0 is the empty set, also for pairs that were not read.

        `records` are those that were read, `others` the records at the other end of each pair.
        """
        if not len(self._keys):
            return np.zeros(len(records), np.int32), self._sets
        first, first_known = _places(self._records, records)
        second, second_known = _places(self._others, others)
        at, known = _places(self._keys, first * len(self._others) + second)
        return np.where(first_known & second_known & known, self._types[at], np.int32(0)), self._sets

    def has_any(self, records: Ids) -> Flags:
        """Return True for the records that have any association."""
        return np.isin(records, self._records)

    def types_of(self, pairs: Sequence[Pair]) -> list[Types]:
        """Return the types of each pair; their from records were read."""
        from_ids, to_ids = ([int(getattr(pair, name)) for pair in pairs] for name in ("object_id", "to_object_id"))
        types, sets = self.held(np.array(from_ids, np.int64), np.array(to_ids, np.int64))
        return [sets[each] for each in types.tolist()]

    def of(self, record: int) -> dict[int, Types]:
        """Return the associated records of one record, with their types."""
        first = int(np.searchsorted(self._records, record)) * len(self._others)
        if record not in self._records:
            return {}
        some = slice(*np.searchsorted(self._keys, (first, first + len(self._others))))
        others = self._others[self._keys[some] - first].tolist()
        return {other: self._sets[types] for other, types in zip(others, self._types[some].tolist(), strict=True)}


def _places(known: Ids, wanted: Ids) -> tuple[npt.NDArray[np.intp], Flags]:
    """Return the index of each number among known ones (sorted, at least one), and whether it is there."""
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return places, known[places] == wanted


Begins = Mapping[int, str]
"""By record, the cursor of the page to read; blank: the first."""


@dataclass(slots=True)
class _Found:
    """What was found so far; `several` has the associations of records with more than one page.

    With `latest_only` it has only the latest page of each record, and `begun` has the cursors of their pages: the
    caller takes the links page by page, and must not get one twice.
    """

    links: list[Links] = field(default_factory=list)
    unreadable: dict[int, ApiError] = field(default_factory=dict)
    several: dict[int, set[int]] = field(default_factory=dict)
    latest_only: bool = False
    begun: dict[int, set[str]] = field(default_factory=dict)
    anything: bool = False

    def take(self, page: Page, batch: Ids, begins: Begins) -> dict[int, str]:
        """Add a page; return the records that must be read next, each with the cursor of its page."""
        following: dict[int, str] = {}
        self.unreadable |= page.refused
        if page.plain or page.mentioned or page.unexplained is None:
            self.anything = True
            self.links.append(self._new(page) if self.latest_only else page.links)
        for record in () if page.plain else batch.tolist():
            if record in page.mentioned or record in page.refused:
                continue
            if not page.complete:
                following[record] = begins.get(record, "")
            elif page.unexplained is not None:
                self.unreadable.setdefault(record, page.unexplained)
        for record in page.after.keys() - self.unreadable.keys():
            after, seen = page.after[record], self.several.setdefault(record, set())
            new = set(page.links.others[page.links.records == record].tolist())
            if after == begins.get(record) or new <= seen or after in self.begun.get(record, ()):
                self.unreadable[record] = ServerFault(
                    "HubSpot's pages of this record's associations do not come to an end", category="ENDLESS_PAGES"
                )
            else:
                following[record] = after
            if self.latest_only:
                seen.clear()
                self.begun.setdefault(record, set()).add(after)
            seen |= new
        return following

    def _new(self, page: Page) -> Links:
        """Return the associations that the page before has not had, each once (the data may have changed meanwhile)."""
        links = page.links if page.plain else united(page.links)
        again = np.zeros(len(links), np.bool_)
        for record in self.several.keys() & set(links.records.tolist()):
            again |= (links.records == record) & np.isin(links.others, list(self.several[record]))
        return links.take(~again) if again.any() else links


class CurrentAssociations:
    """Reads associations through the gateway, with its permits and, unless `attempts` is given, its attempts.

    The first request reads `first` records; later ones read as many as fit `most_associations` in one answer.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        attempts: int | None = None,
        first: int = RECORDS_PER_READ,
        most_associations: int | None = None,
    ) -> None:
        self._gateway = gateway
        self._attempts = attempts
        self._first = first
        self._most_associations = most_associations or MOST_ASSOCIATIONS
        self.clocks = gateway.clocks
        self._most: dict[Direction, int] = {}

    async def read(self, direction: Direction, records: WantedRecords) -> Reading:
        """Return the associations of these records of the first object type with records of the second.

        Pages are followed to the end. If HubSpot refuses a request, the records that it names cannot be read, and the
        others are read again. If it names none, the request is halved until they are found, unless it refuses them all.
        Raises Fatal when no request can succeed, Stopped when the run ends.
        """
        found, oldest = _Found(), None
        async for left_at in self._pages(direction, records, found):
            oldest = min(oldest or left_at, left_at)
        return Reading(found.links, found.unreadable, oldest)

    async def read_fresh(self, direction: Direction, records: WantedRecords) -> tuple[Reading, Moment]:
        """Read records, again if that took so long that it is too old at its end; return also when it was read."""
        for _ in range(MOST_READINGS):
            began = self.clocks.moment()
            reading = await self.read(direction, records)
            read_at = reading.read_at or began
            if self.clocks.age(read_at) <= FRESH_SECONDS:
                return reading, read_at
        return reading, self.clocks.moment()

    async def stream(
        self, direction: Direction, records: WantedRecords, unreadable: dict[int, ApiError]
    ) -> AsyncIterator[Links]:
        """Yield what `read` finds, page by page; pages are not kept, however many associations a record has.

        The records that cannot be read are added to `unreadable`; of one whose later pages fail, the first were
        yielded. Raises what `read` raises.
        """
        found = _Found(unreadable=unreadable, latest_only=True)
        async for _ in self._pages(direction, records, found):
            for links in found.links:
                yield links
            found.links.clear()

    async def _pages(self, direction: Direction, records: WantedRecords, found: _Found) -> AsyncIterator[Moment]:
        """Read page after page; after each, yield when its request left."""
        wanted = distinct(np.asarray(records, np.int64))
        begins: Begins = {}
        while len(wanted):
            following: dict[int, str] = {}
            again: deque[Ids] = deque()
            refusals = 0
            while len(wanted) or again:
                if again:
                    batch = again.popleft()
                else:
                    most = self._most.get(direction, self._first)
                    batch, wanted = wanted[:most], wanted[most:]
                page, left_at = await self._page(direction, batch, begins)
                if isinstance(page, Page):
                    refusals = 0
                    following |= found.take(page, batch, begins)
                    again.extendleft(reversed(_unclear(direction, page, batch, found)))
                else:
                    refusals += 1
                    again.extendleft(reversed(_refused(page, batch, found, refusals)))
                yield left_at
            wanted, begins = np.array(list(following), np.int64), following

    async def _page(self, direction: Direction, batch: Ids, begins: Begins) -> tuple[Page | Refused, Moment]:
        """Read one page of each record, or return why HubSpot refuses it; and when the request left."""
        request = api.batch_read(direction, batch, begins, self._gateway.version)
        read = partial(associated, requested=batch)
        left_at = self.clocks.moment()

        def leaving() -> Request:
            nonlocal left_at
            left_at = self.clocks.moment()
            return request

        try:
            page = (await self._gateway.call(leaving, read, max_attempts=self._attempts, largest=LARGEST_ANSWER)).value
        except Refused as error:
            return error, left_at
        except MissingScope as error:
            raise endings.not_readable(error) from error
        except Retryable as error:
            return Page(links=NO_LINKS, unexplained=error), left_at
        # Fewer records at once if each has very many associations, and more again if not.
        fitting = self._most_associations * len(batch) // len(page.links) if len(page.links) else RECORDS_PER_READ
        most = 2 * self._most.get(direction, self._first)
        self._most[direction] = max(1, min(RECORDS_PER_READ, most, fitting))
        return page, left_at


def _refused(error: Refused, batch: Ids, found: _Found, refusals: int) -> list[Ids]:
    """Note a refusal, the last of `refusals` consecutive ones; return what must be read again."""
    by_record = records_refused(error, frozenset(map(str, batch.tolist())))
    hopeless = not by_record and not found.anything and len(found.unreadable) >= ENOUGH_REFUSED
    refused: dict[int, ApiError] = {int(record): why for record, why in by_record.items()}
    if len(batch) == 1 or hopeless:
        refused = dict.fromkeys(batch.tolist(), error)
    found.unreadable |= refused
    others = batch[~np.isin(batch, list(refused))]
    if not len(others):
        return []
    return [others] if refused and refusals % MOST_REFUSALS else halves(others)


def _unclear(direction: Direction, page: Page, batch: Ids, found: _Found) -> list[Ids]:
    """Return the records to read again, in smaller batches, because the answer does not mention them.

    It does not mention merged records, but those that survive. Its answer about a single record is certain.
    """
    if not page.complete or page.unexplained is not None or not (page.others or page.names_all):
        return []
    known = {*page.mentioned, *found.unreadable}
    passed_over = [record for record in batch.tolist() if record not in known]
    if len(passed_over) == 1 and len(set(page.others)) == 1:
        record = passed_over[0]
        found.unreadable[record] = RecordMerged(direction[0], str(record), str(page.others[0]))
    elif passed_over and len(batch) == 1:
        found.unreadable[passed_over[0]] = ServerFault(
            "HubSpot's answer speaks of several other records", category="UNREADABLE_ANSWER"
        )
    else:
        return halves(np.array(passed_over, np.int64))
    return []
