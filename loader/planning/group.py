"""Rows become pairs: all rows that name the same two records, whichever end they are written from, are one request."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np

from loader.columns import PAIRS_IN_A_LOT, RECORDS_IN_A_LOT, Flags, Ids, PlannedLot, Small
from loader.journal import NewJournal
from loader.model import Problem, Specification, hides_leads
from loader.planning.orient import (
    ORIENTED,
    ResolvedKinds,
    TakeRejects,
    as_written,
    begins,
    contradicting,
    specify,
    without_contradictions,
)
from loader.planning.spool import Records, Spool

FEW_ROWS = 100_000
SAMPLED = 61
"""Above this many rows only one record in 61 is counted, by its number: it is enough to see which end has fewer."""

UNKNOWN_INVERSE = (
    "other rows link the same two records from the other end, and what this row's association type is called "
    "there is not known: write this row from the other side, too, or delete it if another row says the same"
)

_WITH_PAIR = [
    *(("first", "i8"), ("first_part", "i4"), ("from", "i8"), ("to", "i8"), ("request", "i4")),
    *(("input", "i4"), ("row", "i4"), ("part", "i4"), ("kind", "i4"), ("backward", "?")),
]
"""A row with its pair, to be sorted by the first row of each pair: its place (see `columns.place`) and its part."""


def group(
    rows: Iterable[Records],
    path: Path,
    kinds: ResolvedKinds,
    journal: NewJournal,
    *,
    by_record: bool,
    reject: TakeRejects,
    check: Callable[[], None],
) -> dict[int, Specification]:
    """Make one pair of all rows that name the same two records; return by number what pairs are sent as.

    `rows` are seen from their main ends (`orient.oriented`). Pairs go to the journal in lots, in the order in which the
    rows first name them, or, `by_record`, record by record from the end that has fewer of them. Rows that would give
    one record two primary records are rejected first, all of them. `check` is called now and then, and may raise.
    """
    with Spool(path, ORIENTED) as spool:
        for block in rows:
            check()
            spool.append(block)
        found = contradicting(spool, path, kinds) if kinds.sided else {}
        if not found:
            return _Grouping(spool, path, kinds, journal, reject=reject, check=check).run(by_record=by_record)
        with Spool(path, ORIENTED) as rows_to_pair:
            for block in spool.blocks():
                rows_to_pair.append(without_contradictions(block, kinds, found, reject))
            return _Grouping(rows_to_pair, path, kinds, journal, reject=reject, check=check).run(by_record=by_record)


class _Grouping:
    """The grouping of rows that can all be sent."""

    def __init__(
        self,
        rows: Spool,
        path: Path,
        kinds: ResolvedKinds,
        journal: NewJournal,
        *,
        reject: TakeRejects,
        check: Callable[[], None],
    ) -> None:
        self._rows = rows
        self._path = path
        self._kinds = kinds
        self._journal = journal
        self._reject = reject
        self._check = check
        self._by_b = np.zeros(max(kinds.directions, default=0) + 1, np.bool_)
        self._requests = _Requests(kinds, self._by_b, journal)

    def run(self, *, by_record: bool) -> dict[int, Specification]:
        records = self._choose_ends() if by_record else {}
        for type_pair, (first, second) in self._kinds.directions.items():
            direction = (second, first) if self._by_b[type_pair] else (first, second)
            self._journal.type_pair(type_pair, direction, records.get(type_pair, 0))
        if by_record:
            for pairs in self._pairs():
                for lot in self._divided(pairs):
                    self._journal.lot(lot)
            return self._requests.specifications
        # In the order in which the rows first name them.
        with Spool(self._path, _WITH_PAIR) as spool:
            for pairs in self._pairs():
                spool.append(_each_row(pairs))
            for each in spool.parts(("first", "first_part")):
                self._check()
                part = each.take(np.lexsort((each["first_part"], each["first"])))
                starts = np.flatnonzero(begins(part, "first", "first_part"))
                for begin in range(0, len(starts), PAIRS_IN_A_LOT):
                    some = starts[begin : begin + PAIRS_IN_A_LOT]
                    end = starts[begin + PAIRS_IN_A_LOT] if begin + PAIRS_IN_A_LOT < len(starts) else len(part)
                    self._journal.lot(_lot(part[some[0] : end], some - some[0]))
        return self._requests.specifications

    # --- the end that is looked up

    def _choose_ends(self) -> dict[int, int]:
        """Choose from which end the pairs of each type pair are read, and return how many records there are, about.

        That is a lead's own end, else the one that has fewer records, where all types are known from there.
        """
        share = SAMPLED if self._rows.size > FEW_ROWS else 1
        counted = {end: self._records(end, share) for end in ("a", "b")}
        found: dict[int, int] = {}
        for type_pair, main in self._kinds.directions.items():
            a, b = (share * counted[end].get(type_pair, 0) for end in ("a", "b"))
            fewer = b < a and self._kinds.known[type_pair] and not hides_leads(main[::-1])
            # What is to be taken off is read from the pairs' own end alone (see `lookup.Lookup.lot`).
            fewer &= not self._kinds.removes
            self._by_b[type_pair] = hides_leads(main) or fewer
            found[type_pair] = b if self._by_b[type_pair] else a
        return found

    def _records(self, end: str, share: int) -> dict[int, int]:
        """Return how many records there are at one end of each type pair; one in `share` is counted."""
        found = np.empty(0, [("type_pair", "i4"), (end, "i8")])
        for block in self._rows.blocks():
            self._check()
            some = block.compress(block[end] % share == 0) if share > 1 else block
            both = np.concatenate((found, some[["type_pair", end]].astype(found.dtype)))
            both = both.take(np.lexsort((both[end], both["type_pair"])))
            found = both.compress(begins(both, "type_pair", end))
        type_pairs, counts = np.unique(found["type_pair"], return_counts=True)
        return dict(zip(type_pairs.tolist(), counts.tolist(), strict=True))

    # --- pairs

    def _pairs(self) -> Iterator[PlannedLot]:
        """Yield the pairs of one type pair after the other, by the record that is looked up, many at once."""
        for part in self._rows.parts(("type_pair", "a", "b"), whole=2, change=self._from_chosen_end):
            self._check()
            keys = [part[key] for key in ("b", "a", "type_pair")]
            rows = part.take(np.lexsort(keys))
            for some in np.split(rows, np.flatnonzero(begins(rows, "type_pair"))[1:]):
                yield self._grouped(some)

    def _from_chosen_end(self, block: Records) -> Records:
        """Return rows with the record that is looked up as `a`."""
        by_b = self._by_b[block["type_pair"]]
        if by_b.any():
            a, b = np.where(by_b, block["b"], block["a"]), np.where(by_b, block["a"], block["b"])
            block["a"], block["b"] = a, b
        return block

    def _grouped(self, rows: Records) -> PlannedLot:
        """Return the pairs of one type pair's rows, which are in order."""
        starts = np.flatnonzero(begins(rows, "a", "b"))
        requests = self._requests.of(rows["code"], starts)
        sizes = np.diff(starts, append=len(rows))
        refused = self._requests.refused(rows["code"], np.repeat(requests, sizes))
        if refused.any():
            # To change ends twice changes nothing.
            self._reject(
                as_written(self._from_chosen_end(rows.compress(refused))),
                repeat(Problem("UNKNOWN_INVERSE_TYPE", UNKNOWN_INVERSE)),
            )
            sizes = np.add.reduceat(~refused, starts, dtype=np.int64)
            rows = rows.compress(~refused)
            starts = np.cumsum(sizes) - sizes
        record, other = rows["a"][starts], rows["b"][starts]
        at_to = self._requests.lookup_backward[requests]
        return PlannedLot(
            type_pair=rows["type_pair"].item(0),
            from_ids=np.where(at_to, other, record),
            to_ids=np.where(at_to, record, other),
            requests=requests,
            sizes=sizes.astype(np.int32),
            inputs=rows["input"],
            rows=rows["row"],
            parts=rows["part"],
            kinds=rows["code"] >> 1,
            backward=(rows["code"] & 1).astype(np.bool_) != np.repeat(self._requests.backward[requests], sizes),
        )

    def _divided(self, pairs: PlannedLot) -> Iterator[PlannedLot]:
        """Yield the lots of pairs; those of one record together, unless they are more than a lot may have."""
        at_to = self._requests.lookup_backward[pairs.requests]
        looked_up = np.where(at_to, pairs.to_ids, pairs.from_ids)
        records = np.concatenate(([0], np.flatnonzero(np.diff(looked_up)) + 1, [len(pairs)]))
        rows = np.append(0, np.cumsum(pairs.sizes, dtype=np.int64))
        begin = 0
        while begin < len(pairs):
            first = int(np.searchsorted(records, begin, "right")) - 1
            end = min(
                int(records[min(first + RECORDS_IN_A_LOT, len(records) - 1)]),
                int(records[np.searchsorted(records, begin + PAIRS_IN_A_LOT, "right") - 1]),
            )
            if end <= begin:  # One record has more pairs than a lot may have.
                end = min(begin + PAIRS_IN_A_LOT, int(records[first + 1]))
            yield pairs.some(slice(begin, end), slice(rows[begin], rows[end]))
            begin = end


class _Requests:
    """What the mixtures of kinds of rows come to: few, however many pairs there are."""

    def __init__(self, kinds: ResolvedKinds, by_b: Flags, journal: NewJournal) -> None:
        self._kinds = kinds
        self._by_b = by_b
        self._journal = journal
        self.specifications: dict[int, Specification] = {}
        self._numbers: dict[tuple[int, ...], int] = {}
        self._backward: list[bool] = []
        self._lookup_backward: list[bool] = []
        self._refused: set[tuple[int, int]] = set()

    @property
    def backward(self) -> Flags:
        """Tells the requests that are not written in their type pair's main direction."""
        return np.array(self._backward, np.bool_)

    @property
    def lookup_backward(self) -> Flags:
        """Tells the requests whose pairs are looked up by the record at their to end."""
        return np.array(self._lookup_backward, np.bool_)

    def of(self, codes: Small, starts: Ids) -> Small:
        """Return the number of what each pair is sent as."""
        low, high = np.minimum.reduceat(codes, starts), np.maximum.reduceat(codes, starts)
        ends = np.append(starts[1:], len(codes))
        numbers = np.zeros(int(codes.max()) + 1, np.int32)
        for code in np.flatnonzero(np.bincount(low[low == high])).tolist():
            numbers[code] = self._number((code,))
        found: Small = numbers[low]
        for pair in np.flatnonzero(low != high).tolist():
            found[pair] = self._number(tuple(sorted(set(codes[starts[pair] : ends[pair]].tolist()))))
        return found

    def _number(self, codes: tuple[int, ...]) -> int:
        number = self._numbers.get(codes)
        if number is None:
            number = self._numbers[codes] = len(self._numbers)
            forward = [code >> 1 for code in codes if not code & 1]
            backward = [code >> 1 for code in codes if code & 1]
            specification = specify(forward, backward, self._kinds.resolved)
            type_pair = int(self._kinds.type_pair[codes[0] >> 1])
            self._backward.append(specification.backward)
            self._lookup_backward.append(specification.backward != bool(self._by_b[type_pair]))
            # Within one object type, rows of one kind may be written from both ends.
            self._refused.update((number, 2 * kind + 1) for kind in specification.refused)
            self.specifications[number] = specification
            self._journal.request(number, specification, lookup_backward=self._lookup_backward[-1])
        return number

    def refused(self, codes: Small, requests: Small) -> Flags:
        """Tell the rows that cannot be said together with the others of their pairs."""
        found = np.zeros(len(codes), np.bool_)
        for request, code in self._refused:
            found |= (requests == request) & (codes == code)
        return found


def _each_row(pairs: PlannedLot) -> Records:
    """Return the rows of pairs, each with its pair."""
    found = np.empty(len(pairs.rows), _WITH_PAIR)
    for name, of_pair in (
        *(("first", pairs.places), ("first_part", pairs.parts[pairs.starts])),
        *(("from", pairs.from_ids), ("to", pairs.to_ids), ("request", pairs.requests)),
    ):
        found[name] = np.repeat(of_pair, pairs.sizes)
    for name, of_row in (
        *(("input", pairs.inputs), ("row", pairs.rows), ("part", pairs.parts)),
        *(("kind", pairs.kinds), ("backward", pairs.backward)),
    ):
        found[name] = of_row
    return found


def _lot(rows: Records, starts: Ids) -> PlannedLot:
    """Return the pairs of rows that are in order, each with its own (see `_WITH_PAIR`)."""
    return PlannedLot(
        type_pair=0,
        from_ids=rows["from"][starts],
        to_ids=rows["to"][starts],
        requests=rows["request"][starts],
        sizes=np.diff(starts, append=len(rows)).astype(np.int32),
        inputs=rows["input"],
        rows=rows["row"],
        parts=rows["part"],
        kinds=rows["kind"],
        backward=rows["backward"],
    )
