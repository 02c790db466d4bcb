"""Small inputs drawn from a seed, and what they ask for: worked out here, not by the loader."""

import csv
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.portal import (
    COMPANY,
    CONTACT,
    DEAL,
    HUBSPOT,
    NEVER_WANTED,
    PAIRED,
    PRIMARY,
    TYPES,
    Kind,
    Pair,
    pair_of,
    seen_from_first,
    unlabelled,
)

HEADER = ("object_type", "object_id", "to_object_type", "to_object_id", "label", "association_type_id", "note")

_PLURAL = {CONTACT: "contacts", COMPANY: "companies", DEAL: "deals"}
OBJECT_TYPES = {name: object_type for object_type, name in _PLURAL.items()}
_BAD_IDS = ("", "abc", "1.5E+10", "007", "12,5", "-3", "9" * 20)


@dataclass(slots=True)
class Row:
    """One result line to come. `pair` is None for a row that must be rejected; `kind` is seen from its first record."""

    input: str
    record: int
    """Which record of its input, from 1; the row number in the results is one more."""
    object_id: str
    to_object_id: str
    pair: Pair | None = None
    kind: Kind | None = None


@dataclass(slots=True)
class Inputs:
    """The files of one world, by name, each a list of its records' cells, and all the rows in them."""

    files: dict[str, list[list[str]]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the files."""
        for name, records in self.files.items():
            with (folder / name).open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(HEADER)
                writer.writerows(records)

    def wanted(self) -> dict[Pair, frozenset[Kind]]:
        """Return every pair that the files ask for, with all its types."""
        found: dict[Pair, frozenset[Kind]] = {}
        for row in self.rows:
            if row.pair is not None and row.kind is not None:
                found[row.pair] = found.get(row.pair, frozenset()) | {row.kind}
        return found

    def directions(self) -> set[tuple[str, str]]:
        """Return the pairs of object types that records are written in."""
        types = {name: object_type for object_type, name in _PLURAL.items()}
        return {(types[each[0]], types[each[2]]) for records in self.files.values() for each in records}

    def records(self) -> int:
        """Return how many records the files hold."""
        return sum(map(len, self.files.values()))


@dataclass(slots=True)
class _Maker:
    chance: random.Random
    contacts: int
    others: int
    bad: float
    directions: list[tuple[str, str]]
    left_out: set[str]
    inputs: Inputs = field(default_factory=Inputs)

    def record(self, name: str, number: int) -> list[str]:
        """Make one record and enter the rows that it stands for."""
        first, second = self.chance.choice(self.directions)
        bad = self.chance.random()
        object_id = self._id(first) if bad >= self.bad / 2 else self.chance.choice(_BAD_IDS)
        several = self.chance.choice([1, 1, 1, 1, 2, 3])
        ids = [self._id(second, not_id=object_id if first == second else "") for _ in range(several)]
        if bad >= 1 - self.bad / 2:
            ids[self.chance.randrange(several)] = self.chance.choice(_BAD_IDS[1:])
        named = self.chance.choice([one for one in TYPES[first, second] if one.label not in self.left_out])
        label, type_id = named.label or "", ""
        if named.kind[0] == HUBSPOT and self.chance.random() < 0.5:
            label, type_id = "", str(named.kind[1])
        unknown = self.chance.random() < self.bad / 4
        if unknown:
            label, type_id = "Nobody's label", ""
        for to_id in ids:
            sound = not unknown and object_id not in _BAD_IDS and to_id not in _BAD_IDS
            row = Row(name, number, object_id, to_id)
            if sound:
                ends = (first, int(object_id)), (second, int(to_id))
                row.pair, backward = pair_of(*ends)
                (row.kind,) = seen_from_first([named.kind], first, backward=backward)
            self.inputs.rows.append(row)
        return [_PLURAL[first], object_id, _PLURAL[second], ";".join(ids), label, type_id, f"note {number}"]

    def _id(self, object_type: str, not_id: str = "") -> str:
        first, many = {CONTACT: (1000, self.contacts), COMPANY: (5000, self.others), DEAL: (7000, self.others)}[
            object_type
        ]
        found = str(first + self.chance.randrange(many))
        return found if found != not_id else self._id(object_type, not_id)


WHOLE: Kind = ("", 0)
"""What a row asks for that is to take off all that two records are to each other."""


def draw(chance: random.Random, *, removes: bool = False, whole_pair: bool = False, paired: bool = False) -> Inputs:
    """Draw one or two files of 5 to 300 records in all.

    `removes`: what they name is to be taken off, and a row without a label means the `whole_pair`, or is rejected.
    `paired`: they ask for labels that have another name at the other end.
    """
    records = int(5 * 60 ** (chance.random() ** 1.5))
    directions = [(CONTACT, COMPANY)]
    if chance.random() < 0.5:
        directions.append((COMPANY, CONTACT))
    if chance.random() < 0.3:
        directions += [(CONTACT, DEAL), (DEAL, CONTACT)]
    if chance.random() < 0.2:
        directions.append((CONTACT, CONTACT))
    many = max(3, int(records * chance.choice([0.3, 1.0, 3.0])))
    others, bad = max(2, int(many * chance.choice([0.05, 0.5, 1.0]))), chance.choice([0, 0.05, 0.2])
    maker = _Maker(chance, many, others, bad, directions, NEVER_WANTED if paired else NEVER_WANTED | PAIRED)
    first = records if chance.random() < 0.7 else chance.randrange(1, records)
    sizes = {"a.csv": first, "b.csv": records - first}
    for name, size in sizes.items():
        if size:
            maker.inputs.files[name] = [maker.record(name, number) for number in range(1, size + 1)]
    if paired:
        _name_from_one_end(maker.inputs)
    if removes:
        _name_whole_pairs(maker.inputs, whole_pair=whole_pair)
    else:
        _reject_contradictions(maker.inputs)
    return maker.inputs


def _name_from_one_end(inputs: Inputs) -> None:
    """A pair that is named from both ends has no label that only one of them can name: its rows might be rejected."""
    ends: dict[Pair | None, set[str]] = defaultdict(set)
    for row in inputs.rows:
        ends[row.pair].add(row.object_id)
    for row in inputs.rows:
        if row.pair is not None and len(ends[row.pair]) > 1:
            cells = inputs.files[row.input][row.record - 1]
            cells[4] = "" if cells[4] in PAIRED else cells[4]
    for row in inputs.rows:
        _, _, _, _, label, type_id, _ = inputs.files[row.input][row.record - 1]
        if row.pair is not None and not label and not type_id:
            row.kind = unlabelled(row.pair)


def _name_whole_pairs(inputs: Inputs, *, whole_pair: bool) -> None:
    """A row that names neither a label nor a type id is not one of the type without a label."""
    for row in inputs.rows:
        cells = inputs.files[row.input][row.record - 1]
        if row.pair is not None and not cells[4] and not cells[5]:
            row.pair, row.kind = (row.pair, WHOLE) if whole_pair else (None, None)


def _reject_contradictions(inputs: Inputs) -> None:
    """A contact can have one primary company: rows that name several are all rejected."""
    primaries = {(row.pair[0], row.pair[1]) for row in inputs.rows if row.kind == PRIMARY and row.pair}
    often = Counter(contact for contact, _ in primaries)
    for row in inputs.rows:
        if row.pair and row.kind == PRIMARY and often[row.pair[0]] > 1:
            row.pair = row.kind = None


def pairs_only(count: int) -> Inputs:
    """Return one file of `count` contacts, each with a company of its own."""
    inputs = Inputs({"a.csv": []})
    for number in range(1, count + 1):
        contact, company = (CONTACT, 10_000 + number), (COMPANY, 50_000 + number)
        inputs.files["a.csv"].append(["contacts", str(contact[1]), "companies", str(company[1]), "", "", ""])
        inputs.rows.append(Row("a.csv", number, str(contact[1]), str(company[1]), (contact, company), (HUBSPOT, 279)))
    return inputs
