"""How an export reads: pages of the list of records become pieces, which are read in parallel and written in order."""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from loader.columns import distinct
from loader.errors import ApiError, RecordMerged, Refused, ServerFault, TooManyFailures, UsageError
from loader.events import Exporting, LookingUp
from loader.journal import Facts
from loader.model import FoundRecord, Question
from loader.object_type_names import record_in_words
from loader.planning.object_types import ObjectTypes
from loader.planning.own_keys import MOST_VALUES, Inquiry
from loader.read import Input
from loader.read.record_ids import BadId, OwnKey, RecordIds
from loader.record.csv_text import csv_line
from loader.record.export_file import ExportState, Target
from loader.run.export_lines import Lines
from loader.run.labels import type_names
from loader.run.meter import Meter
from loader.run.session import Session
from loader.send.endings import no_answer
from loader.send.links import Links
from loader.send.portal import GatewayPortal
from loader.send.reading import RECORDS_PER_READ, CurrentAssociations
from loader.text import counted

READERS = 4
"""Pieces that are read at the same time: a record with very many pages must not delay all others."""

FIRST_RECORDS = 40
"""Records of the first read, when it is not known yet how many associations they have."""

MOST_ASSOCIATIONS = 20_000
"""Associations in one answer: some 3 MB, and many times that in memory; 40 records have no more in a page."""

BYTES_IN_MEMORY = 1 << 18
"""Bytes of a piece's lines in memory; the rest waits in a temporary file until earlier pieces are written."""

BYTES_AT_ONCE = 1 << 20

MOST_NAMED = 20

SAME_REFUSALS = 200
"""If HubSpot refuses this many records, and all of their piece, the command is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Records that are read together. `after` is where to continue after them; `end`: they are the last."""

    ids: Sequence[int]
    after: str
    end: bool


@dataclass(slots=True)
class _Found:
    """The result of a piece: its lines, their counts, and why some of its records could not be read."""

    lines: "tempfile.SpooledTemporaryFile[bytes]"
    associated: set[int] = field(default_factory=set)
    pairs: int = 0
    count: int = 0
    unreadable: dict[int, ApiError] = field(default_factory=dict)

    def blocks(self) -> Iterator[bytes]:
        """Yield the lines, many at once."""
        self.lines.seek(0)
        while block := self.lines.read(BYTES_AT_ONCE):
            yield block


@dataclass(slots=True)
class _Named:
    """The records that inputs name: by ids, or by own keys with input and row; and those that are wrong, with input."""

    ids: list[npt.NDArray[np.int64]] = field(default_factory=list)
    keys: dict[str, tuple[str, int]] = field(default_factory=dict)
    bad: list[tuple[str, BadId]] = field(default_factory=list)


class ExportReading:
    """Reads the remaining records of an export, and writes them to its target.

    `inputs` name the records; without any, all of the first object type are listed. `names` are those of object types.
    `name_unread`: records that cannot be read are named on the screen, because there is no file for them.
    """

    def __init__(
        self,
        session: Session,
        portal: GatewayPortal,
        target: Target,
        *,
        lines: Lines,
        names: ObjectTypes,
        inputs: Sequence[Input],
        name_unread: bool,
    ) -> None:
        self._session = session
        self._portal = portal
        self._target = target
        self._direction = lines.direction
        self._lines = lines
        self._names = names
        self._inputs = inputs
        self._name_unread = name_unread
        self._named_so_far = 0
        self._before = target.state
        self._began = session.began
        self._meter = Meter(Facts(), portal.gateway, session.around, session.around.clock())
        self._total: int | None = None
        self._wanted = np.zeros(0, np.int64)
        self._written = target.state.lines
        self._current = CurrentAssociations(
            portal.gateway,
            first=FIRST_RECORDS,
            most_associations=MOST_ASSOCIATIONS,
        )

    def counted(self) -> ExportState:
        """Return the state of the export, with the requests and the time of this command."""
        traffic, before = self._portal.gateway.traffic, self._before.requests
        counts = {"sent": traffic.sent, "retried": traffic.retried, "rate_limited": traffic.rate_limited}
        return replace(
            self._target.state,
            requests={name: count + before.get(name, 0) for name, count in counts.items()},
            seconds=self._before.seconds + self._session.around.clock() - self._began,
        )

    async def all(self) -> None:
        """Read to the end. Raises Fatal when no request can succeed, TooManyFailures if HubSpot refuses everything."""
        queue: asyncio.Queue[Piece | None] = asyncio.Queue(maxsize=READERS)
        lister = asyncio.create_task(self._list(queue), name="list of records")
        reading: deque[tuple[Piece, asyncio.Task[_Found]]] = deque()
        try:
            while (piece := await queue.get()) is not None:
                reading.append((piece, asyncio.create_task(self._read(piece), name="reader")))
                while len(reading) >= READERS or (reading and reading[0][1].done()):
                    await self._write(reading)
            while reading:
                await self._write(reading)
            await lister
        finally:
            tasks = [task for _, task in reading]
            for task in (lister, *tasks):
                task.cancel()
            await asyncio.gather(lister, return_exceptions=True)
            for found in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(found, _Found):
                    found.lines.close()

    # --- which records

    async def _list(self, queue: "asyncio.Queue[Piece | None]") -> None:
        """Put every piece into the queue, and None after the last, or when no more can be listed."""
        try:
            async for piece in self._named() if self._inputs else self._listed():
                await queue.put(piece)
        except Exception:
            await queue.put(None)
            raise
        await queue.put(None)

    async def _listed(self) -> AsyncIterator[Piece]:
        """Yield all records of the first object type; each page of the list names the next."""
        after, latest = self._target.state.after, frozenset[int]()
        ids: list[int] = []
        while True:
            try:
                page = await self._portal.list_records(self._direction[0], after)
            except Refused as error:
                what = self._names.shown(self._direction[0])
                raise UsageError(f"HubSpot refuses to list {what} ({error.status}): {error.message}") from error
            if page.after and (page.after == after or not page.ids):
                raise no_answer(ServerFault("the pages of the list of records do not come to an end"))
            # A record that is created or deleted meanwhile may move others to another page.
            ids += [each for each in dict.fromkeys(page.ids) if each not in latest]
            after, latest = page.after, frozenset(page.ids)
            if len(ids) >= RECORDS_PER_READ or not after:
                yield Piece(ids=ids, after=after, end=not after)
                ids = []
            if not after:
                return

    async def _named(self) -> AsyncIterator[Piece]:
        """Yield the records that the inputs name, each once, in the order of their ids."""
        named = await asyncio.to_thread(self._read_inputs)
        ids = distinct(np.concatenate([*named.ids, await self._looked_up(named)]))
        self._total, self._wanted = len(ids), ids
        state = self._target.state
        if not state.after:
            lines = [self._unread_line(*each) for each in named.bad]
            size = self._target.add_unread(lines) if lines else 0
            self._target.commit(replace(state, after="0", rejected=len(lines), unread_size=size))
            self._name(bad_id.message for _, bad_id in named.bad)
        left = ids[np.searchsorted(ids, int(self._target.state.after), "right") :]
        for start in range(0, max(1, len(left)), RECORDS_PER_READ):
            some = left[start : start + RECORDS_PER_READ].tolist()
            after = str(some[-1]) if some else self._target.state.after
            yield Piece(ids=some, after=after, end=start + RECORDS_PER_READ >= len(left))

    def _read_inputs(self) -> _Named:
        """Return the records that the inputs name, and those that are wrong."""
        named = _Named()
        others = 0
        own = f"{self._portal.portal_id}/{self._direction[0]}"
        for source in self._inputs:
            for each in source.record_ids():
                self._session.stop.check()
                if isinstance(each, BadId):
                    named.bad.append((source.name, each))
                elif each.object_type and self._names.find(each.object_type) != self._direction[0]:
                    others += len(each.ids) if isinstance(each, RecordIds) else 1
                elif isinstance(each, OwnKey):
                    named.keys.setdefault(each.value, (source.name, each.row))
                elif each.address and each.address != own:
                    why = f"The record {each.ids[0]} is named by an address of {each.address}, and not of {own}."
                    named.bad.append((source.name, BadId(0, str(each.ids[0]), "WRONG_RECORD_ADDRESS", why)))
                else:
                    named.ids.append(distinct(each.ids))
        if others:
            shown = self._names.shown(self._direction[0])
            self._session.note(f"{counted(others, 'row')} of another object type than {shown}: left out.")
        return named

    async def _looked_up(self, named: _Named) -> npt.NDArray[np.int64]:
        """Return the ids of the records that have the own keys; keys without a record are wrong."""
        (group,) = self._session.settings.read
        if not named.keys:
            return np.zeros(0, np.int64)
        shown, values, found = self._names.shown(self._direction[0]), list(named.keys), dict[str, FoundRecord]()
        inquiry = Inquiry(self._portal, Question(self._direction[0], group.from_id_property or "", shown), len(values))
        for start in range(0, len(values), MOST_VALUES):
            found |= await inquiry.ask(values[start : start + MOST_VALUES])
            self._session.notify(LookingUp(shown, group.from_id_property or "", len(found), len(values)))
        for value, record in found.items():
            if not record.record_id:
                name, row = named.keys[value]
                named.bad.append((name, BadId(row, value, record.reason, f"Row {row}: {record.message}.")))
        return np.array([int(each.record_id) for each in found.values() if each.record_id], np.int64)

    # --- what they have

    async def _read(self, piece: Piece) -> _Found:
        """Read the associations of a piece; the caller closes the lines."""
        spool = tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY, prefix="association-loader-")  # noqa: SIM115 - see above
        found = _Found(spool)
        try:
            await self._read_links(piece, found)
        except BaseException:
            spool.close()
            raise
        return found

    async def _read_links(self, piece: Piece, found: _Found) -> None:
        async for page in self._current.stream(self._direction, piece.ids, found.unreadable):
            found.associated.update(page.records.tolist())
            links = self._once(page) if self._direction[0] == self._direction[1] else page
            if unknown := self._lines.unknown(links):
                # A label may have been made meanwhile.
                labels = await type_names(self._portal, [self._direction])
                self._lines.learn({**dict.fromkeys(unknown, ""), **labels.labels})
            lines = self._lines.of(links)
            found.lines.write("".join(lines).encode("utf-8", "backslashreplace"))
            found.pairs += len(links)
            found.count += len(lines)
            self._written += len(lines)
            self._session.notify(self._progress())
        errors = found.unreadable.values()
        refused = [each for each in errors if isinstance(each, Refused) and not isinstance(each, RecordMerged)]
        if len(refused) == len(piece.ids) >= SAME_REFUSALS:
            raise TooManyFailures(
                f"HubSpot refuses to show what any of {counted(len(refused), 'record')} is associated with "
                f"({refused[0].status} "
                f"{refused[0].category}: {refused[0].message}): check the object types, then run the same command again"
            )

    def _once(self, links: Links) -> Links:
        """Within one object type both records show a pair: keep only that of the lower id.

        From both ends, a load could not know which of the two labels of a pair belong together.
        """
        shown = np.isin(links.others, self._wanted) if self._inputs else np.ones(len(links), np.bool_)
        return links.take((links.others > links.records) | ~shown)

    def _progress(self) -> Exporting:
        state = self._target.state
        return self._meter.exporting(state.records, self._total, self._written)

    # --- written

    async def _write(self, reading: "deque[tuple[Piece, asyncio.Task[_Found]]]") -> None:
        """Wait for the first piece, write its lines, and store the state."""
        piece, task = reading[0]
        found = await task
        reading.popleft()
        with found.lines:
            size, checksum = self._target.append(found.blocks())
        bad = [(record, error) for record, error in found.unreadable.items()]
        state = self.counted()
        unread_size = state.unread_size
        if bad:
            unread_size = self._target.add_unread(
                [
                    self._unread_line("", BadId(0, str(record), error.category, error.message), error.status)
                    for record, error in bad
                ]
            )
            self._name(f"{record_in_words(self._direction[0], str(record))}: {error.message}" for record, error in bad)
        self._target.commit(
            replace(
                state,
                after=piece.after,
                complete=piece.end,
                size=size,
                checksum=checksum,
                unread_size=unread_size,
                records=state.records + len(piece.ids),
                associated=state.associated + len(found.associated - found.unreadable.keys()),
                pairs=state.pairs + found.pairs,
                lines=state.lines + found.count,
                unread=state.unread + len(bad),
                reading_ended=self._session.moment(),
            )
        )
        self._session.notify(self._progress())

    def _name(self, unread: Iterable[str]) -> None:
        """Name the first records that could not be read on the screen, if there is no file for them."""
        for sentence in unread if self._name_unread else ():
            self._named_so_far += 1
            if self._named_so_far <= MOST_NAMED:
                self._session.note(f"Not read: {sentence}")

    def _unread_line(self, name: str, bad: BadId, status: int | None = None) -> str:
        where = (name, str(bad.row or ""))
        return csv_line((self._direction[0], bad.cell, *where, bad.reason, bad.message, str(status or "")))
