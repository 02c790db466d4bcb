"""Which pairs lose a type because a record can have only one of it: a contact has one primary company."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from loader.model import AssociationType, Demotion, Pair, Pairs, Singles
from loader.send.judging import Judgement
from loader.send.reading import Reading


class NewPrimary(NamedTuple):
    """A pair that gets a type of which a record can have only one; the record is at its `end`, `from` or `to`.

    `single` is what the type is called from that record.
    """

    pair: Pair
    end: str
    single: AssociationType


def new_primaries(lacking: Iterable[tuple[Pairs, Judgement]], singles: Singles) -> list[NewPrimary]:
    """Return what pairs are to get that they never had, when this run is to send them for the first time."""
    return [
        NewPrimary(pair, end, single)
        for pairs, judgement in lacking
        for type_, end in singles.get(pairs.direction, {}).items()
        if type_ in pairs.at(0).types and type_ not in judgement.before
        for single in _from_its_record(pairs.at(0), type_, end, singles)
        for pair in pairs.each()
        if pair.before is None
    ]


def _from_its_record(pair: Pair, type_: AssociationType, end: str, singles: Singles) -> Iterator[AssociationType]:
    if end == "from":
        yield type_
    else:
        back = singles.get((pair.to_object_type, pair.object_type), {})
        yield from [other for other, its_end in back.items() if its_end == "from"][:1]


def losing_primaries(primaries: Iterable[NewPrimary], readings: Mapping[str, Reading]) -> list[Demotion]:
    """Return the pairs that lose a type to others; `readings` are those of the records at each end."""
    found: list[Demotion] = []
    for pair, end, single in primaries:
        ends = (pair.object_type, pair.object_id), (pair.to_object_type, pair.to_object_id)
        (its_type, record), (other_type, other) = ends if end == "from" else ends[::-1]
        found += [
            Demotion(pair.pair_id, its_type, record, other_type, str(another), single, types)
            for another, types in readings[end].of(int(record)).items()
            if another != int(other) and single in types
        ]
    return found
