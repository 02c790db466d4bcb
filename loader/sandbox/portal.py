"""A HubSpot portal as pure state: object types, association types, records and associations.

A portal is made from keyword arguments or from a JSON file with the same names. All are optional::

    {"portal_id": 62515,
     "time_zone": "America/New_York",
     "labels": [{"from": "contacts", "to": "companies", "label": "Decision maker", "name": "decision_maker"},
                {"from": "contacts", "to": "contacts", "label": "Manager", "inverse_label": "Employee",
                 "type_id": 144, "inverse_type_id": 145}],
     "renamed": [{"type_id": 1, "label": "Head office"}],
     "limits": [{"from": "contacts", "to": "companies", "type_id": 279, "most": 5}],
     "schemas": [{"object_type_id": "2-7282133", "name": "lender", "associates": ["contacts", "deals"]}],
     "records": [{"type": "contacts", "id": "101", "properties": {"email": "ada@example.com"}}],
     "missing": [{"type": "companies", "id": "999"}],
     "merged": [{"type": "contacts", "id": "102", "into": "101"}],
     "blind": [{"from": "deals", "to": "leads"}],
     "unlisted_records": "exist",
     "associations": [{"from_type": "contacts", "from_id": "101", "to_type": "companies", "to_id": "201",
                       "labels": ["Decision maker"]}],
     "tokens": ["pat-na1-1"],
     "scopes": ["crm.objects.contacts.write", "crm.objects.companies.write"],
     "oauth": {"client_id": "a", "client_secret": "b", "refresh_token": "c", "expires_in": 1800,
               "rotate": false, "required": false}}

- A label without ``type_id`` gets the next free one, from 1 on, in the order of the file, the from-to
  direction first. ``name`` is the internal name, of which two labels of a direction cannot have the same.
- ``renamed`` gives HubSpot's own types, here contact to primary company, the portal's texts.
- A limit is how many records one record of ``from`` may have by that type (``category``: HUBSPOT_DEFINED).
- A schema's ``associates`` are the object types it may be associated with (default, as observed of a new
  custom object: calls, emails, meetings, notes and tasks). Their unlabelled types are
  USER_DEFINED with the next free ids, given before those of the labels; HubSpot's category for these is not
  documented. ``singular`` and ``plural`` are its labels.
- Every record exists unless ``unlisted_records`` is ``"missing"`` (then only ``records`` do) or ``missing``
  names it.
- A list of records has those of ``records`` and those that are associated with any, in the order of their ids.
- A ``merged`` record is gone: requests about it are done for the record that it was merged ``into``, and their answers
  have that record's id.
- A batch read in a ``blind`` direction finds nothing, whatever is associated (reported of deals to leads).
- ``labels`` of an association are texts; ``types`` may give ``[category, type id]`` pairs instead. The
  unlabelled type is always there.
- Without ``tokens`` any bearer token is accepted; without ``scopes`` everything is allowed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loader.sandbox.association_types import AssociationTypes, TypeKey, TypeSet
from loader.sandbox.associations import AssociationSet
from loader.sandbox.errors import (
    HubSpotError,
    invalid_objects,
    limit_reached,
    missing_scopes,
    no_default,
    unknown_type,
)
from loader.sandbox.object_types import Ends, ObjectType, ObjectTypes, Schema
from loader.sandbox.tokens import OAuthSetup, Tokens

Setup = dict[str, Any]
RecordKey = tuple[str, str]
"""(object type id, record id as text)"""

DEFAULT_PORTAL_ID = 62515
_ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks")
_SETTINGS = frozenset(
    [
        "portal_id",
        "time_zone",
        "labels",
        "renamed",
        "limits",
        "schemas",
        "records",
        "missing",
        "merged",
        "blind",
        "unlisted_records",
        "associations",
        "tokens",
        "scopes",
        "oauth",
    ]
)


@dataclass(slots=True)
class Record:
    """A record with its properties, all text."""

    record_id: int
    properties: dict[str, str] = field(default_factory=dict)


class Portal:
    """The state behind the endpoints; see the module for what ``setup`` takes.

    Raises ValueError, in one sentence, on a setup that contradicts itself.
    """

    def __init__(self, **setup: Any) -> None:
        unknown = sorted(setup.keys() - _SETTINGS)
        if unknown:
            raise ValueError(f"a portal has no setting named {', '.join(unknown)}")
        self._setup: Setup = setup
        self.reset()

    @classmethod
    def from_file(cls, path: str | Path, **changed: Any) -> "Portal":
        """Reads a portal file, with some settings changed; raises ValueError if it is not one and OSError if it cannot
        be read.
        """
        try:
            setup = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not a portal file: {error}") from error
        try:
            return cls(**{**setup, **changed})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a portal file: {error!r}") from error

    def reset(self) -> None:
        """Goes back to the state of the setup: associations, labels, tokens."""
        setup = self._setup
        self.portal_id = int(setup.get("portal_id", DEFAULT_PORTAL_ID))
        self.time_zone = _zone(setup.get("time_zone", "UTC"))
        self.schemas = [self._schema(number, each) for number, each in enumerate(setup.get("schemas", ()))]
        self._object_types = ObjectTypes(self.schemas)
        self.types = AssociationTypes()
        self.associations = AssociationSet(self.types)
        self.limits: dict[TypeKey, int] = {}
        self._checked: dict[tuple[TypeKey, ...], TypeSet] = {}
        self.scopes = None if setup.get("scopes") is None else frozenset(setup["scopes"])
        self.tokens = Tokens(setup.get("tokens"), OAuthSetup(**setup.get("oauth", {})))
        self._records: dict[str, dict[int, Record]] = {}
        self._listings: dict[str, tuple[tuple[int, ...], list[int]]] = {}
        self._by_property: dict[tuple[str, str], dict[str, Record]] = {}
        self._missing = {(self._type_id(each["type"]), int(each["id"])) for each in setup.get("missing", ())}
        self._merged = {
            (self._type_id(each["type"]), int(each["id"])): int(each["into"]) for each in setup.get("merged", ())
        }
        self._blind = {(self._type_id(each["from"]), self._type_id(each["to"])) for each in setup.get("blind", ())}
        self._only_listed = setup.get("unlisted_records", "exist") == "missing"
        try:
            self._fill()
        except HubSpotError as error:
            raise ValueError(f"the portal cannot be made: {error.message} {error.context or ''}") from error

    def resolve(self, name: str) -> ObjectType:
        """The object type of a name in a path; raises HubSpot's 400 for an unknown one."""
        return self._object_types.resolve(name)

    def survivor(self, object_type_id: str, record_id: int) -> int:
        """The id of the record that this one was merged into, or its own."""
        while (object_type_id, record_id) in self._merged:
            record_id = self._merged[object_type_id, record_id]
        return record_id

    def surviving(self, ends: Ends) -> Ends:
        """The pair that a request about this one changes, after merges."""
        if not self._merged:
            return ends
        source, from_id, target, to_id = ends
        return Ends(
            source, self.survivor(source.object_type_id, from_id), target, self.survivor(target.object_type_id, to_id)
        )

    def is_blind(self, source: ObjectType, target: ObjectType) -> bool:
        """Whether a batch read in this direction finds nothing."""
        return (source.object_type_id, target.object_type_id) in self._blind

    def exists(self, object_type_id: str, record_id: int) -> bool:
        """Whether there is such a record, or one that it was merged into."""
        record_id = self.survivor(object_type_id, record_id)
        if self._only_listed and record_id not in self._records.get(object_type_id, ()):
            return False
        return (object_type_id, record_id) not in self._missing

    def record(self, object_type_id: str, record_id: int) -> Record | None:
        """The record of an id: a listed one, or a bare one where unlisted records exist."""
        record_id = self.survivor(object_type_id, record_id)
        listed = self._records.get(object_type_id, {}).get(record_id)
        if listed is not None or not self.exists(object_type_id, record_id):
            return listed
        return Record(record_id)

    def record_ids(self, object_type_id: str) -> list[int]:
        """The ids of the records that a list has, ascending; cached until a change."""
        state = (self.associations.links_changed, len(self._missing), len(self._merged))
        known = self._listings.get(object_type_id)
        if known is None or known[0] != state:
            found = self.associations.records(object_type_id) | self._records.get(object_type_id, {}).keys()
            gone = {each for kind, each in (*self._missing, *self._merged) if kind == object_type_id}
            known = self._listings[object_type_id] = state, sorted(found - gone)
        return known[1]

    def delete_record(self, name: str, record_id: int) -> None:
        """Deletes a record with its associations, as a person in HubSpot does."""
        object_type_id = self._type_id(name)
        self.associations.drop(object_type_id, record_id)
        self._missing.add((object_type_id, record_id))

    def merge_record(self, name: str, record_id: int, into: int) -> None:
        """Merges a record into another, which gets its associations, as a person in HubSpot does."""
        object_type_id = self._type_id(name)
        for to_type, to_id, types in self.associations.drop(object_type_id, record_id):
            self.associate(object_type_id, into, to_type, to_id, types, append=True)
        self._merged[object_type_id, record_id] = into

    def find(self, object_type_id: str, name: str, value: str) -> Record | None:
        """The listed record whose property has that value, in any case."""
        index = self._by_property.get((object_type_id, name))
        if index is None:
            listed = self._records.get(object_type_id, {}).values()
            index = {each.properties[name].casefold(): each for each in listed if name in each.properties}
            self._by_property[object_type_id, name] = index
        return index.get(value.casefold())

    def check_types(self, specs: tuple[TypeKey, ...]) -> TypeSet:
        """Refuses ids that the portal does not have; the directions are for ``check_pair``."""
        known = self._checked.get(specs)
        if known is None:
            for category, type_id in specs:
                if self.types.get((category, type_id)) is None:
                    raise unknown_type(category, type_id)
            known = self._checked[specs] = frozenset(specs)
        return known

    def check_pair(self, ends: Ends, types: TypeSet) -> None:
        """Raises the 400 body for a missing record, and for a type id of another pair or direction."""
        source, from_id, target, to_id = ends
        invalid: dict[tuple[str, int], None] = {}
        for key in types:
            association_type = self.types.get(key)
            if association_type is None:
                raise unknown_type(*key)
            if association_type.from_type != source.object_type_id:
                invalid[self._upper(association_type.from_type), from_id] = None
            if association_type.to_type != target.object_type_id:
                invalid[self._upper(association_type.to_type), to_id] = None
        if self._missing or self._only_listed:
            for object_type, record_id in ((source, from_id), (target, to_id)):
                if not self.exists(object_type.object_type_id, record_id):
                    invalid[object_type.upper_name, record_id] = None
        if invalid:
            raise invalid_objects(list(invalid))

    def check_limits(self, ends: Ends, types: TypeSet, planned: Counter[tuple[str, int, TypeKey]]) -> None:
        """Raises the 400 body where the pair would give one of its records more associations than its limit.

        ``planned`` counts what was checked earlier in the same batch: (object type id, record id, type).
        A type of which a record has only one moves, and passes no limit.
        """
        if not self.limits:
            return
        from_type, from_id, to_type, to_id = ends.key
        unlabelled = self.types.unlabelled(from_type, to_type)
        wanted = types if unlabelled is None else types | {unlabelled}
        turned = self.types.inverse(wanted)
        for one_type, one, other_type, other, its in (
            (from_type, from_id, to_type, to_id, wanted),
            (to_type, to_id, from_type, from_id, turned),
        ):
            moving = {each.key for each in self.types.singles(its)}
            held_here = self.associations.types_of(one_type, one, other_type, other)
            for key in (its & self.limits.keys()) - held_here - moving:
                planned[one_type, one, key] += 1
                held = sum(
                    key in self.associations.types_of(one_type, one, other_type, each)
                    for each in self.associations.neighbours(one_type, one, other_type)
                )
                if held + planned[one_type, one, key] > self.limits[key]:
                    raise limit_reached(self._upper(one_type), one, key, self.limits[key])

    def default_type(self, source: ObjectType, target: ObjectType) -> TypeKey:
        """The unlabelled type from one object type to another; raises 400 where there is none."""
        key = self.types.unlabelled(source.object_type_id, target.object_type_id)
        if key is None:
            raise no_default(source.upper_name, target.upper_name)
        return key

    def associate(
        self, from_type: str, from_id: int, to_type: str, to_id: int, types: TypeSet, *, append: bool = False
    ) -> TypeSet:
        """Gives a pair these types and the unlabelled one; returns all that the pair has now.

        Without ``append`` the labels that were there are gone: documented for PUT and batch create alike.
        A type of which a record has only one (a primary) is taken off its other pairs: implied, not stated.
        """
        unlabelled = self.types.unlabelled(from_type, to_type)
        wanted = types if unlabelled is None else types | {unlabelled}
        if append:
            wanted |= self.associations.types_of(from_type, from_id, to_type, to_id)
        self._demote(from_type, from_id, to_type, to_id, types)
        self._demote(to_type, to_id, from_type, from_id, self.types.inverse(types))
        self.associations.set_types(from_type, from_id, to_type, to_id, wanted)
        return wanted

    def dissociate(self, from_type: str, from_id: int, to_type: str, to_id: int, types: TypeSet | None = None) -> None:
        """Takes types off a pair; all of them when ``types`` is None or holds the unlabelled one."""
        kept: TypeSet = frozenset()
        if types is not None and self.types.unlabelled(from_type, to_type) not in types:
            kept = self.associations.types_of(from_type, from_id, to_type, to_id) - types
        self.associations.set_types(from_type, from_id, to_type, to_id, kept)

    def delete_label(self, key: TypeKey) -> None:
        """Deletes a label and takes it off every pair."""
        self.associations.strip(self.types.remove(key))
        self._checked.clear()

    def require_scope(self, object_types: Iterable[ObjectType], *, write: bool) -> None:
        """Raises 403 unless the scopes cover each object type; which scope is checked is not documented."""
        if self.scopes is None:
            return
        kinds = ("write",) if write else ("read", "write")
        for object_type in object_types:
            names = [f"crm.objects.{object_type.scope}.{kind}" for kind in kinds]
            if object_type.scope == "tickets":
                names.append("tickets")
            if self.scopes.isdisjoint(names):
                raise missing_scopes(names)

    def pairs(self) -> Mapping[tuple[RecordKey, RecordKey], TypeSet]:
        """A copy of all associations: ((type id, record id), (type id, record id)) to the types.

        Each pair stands there once, ids as text, the lesser object type id first and within one object type
        the lesser record id (as a number); the types are those seen from the first record.
        """
        return MappingProxyType(
            {
                ((from_type, str(from_id)), (to_type, str(to_id))): types
                for (from_type, from_id), (to_type, to_id), types in self.associations.items()
            }
        )

    def types_of(self, from_type: str, from_id: str | int, to_type: str, to_id: str | int) -> TypeSet:
        """The (category, type id) set of a pair as seen from its from record; types by any name."""
        return self.associations.types_of(self._type_id(from_type), int(from_id), self._type_id(to_type), int(to_id))

    def _type_id(self, name: str) -> str:
        return self.resolve(name).object_type_id

    def _upper(self, object_type_id: str) -> str:
        try:
            return self.resolve(object_type_id).upper_name
        except HubSpotError:
            return object_type_id.upper().replace(" ", "_")

    def _demote(self, from_type: str, from_id: int, to_type: str, to_id: int, types: TypeSet) -> None:
        for single in self.types.singles(types):
            if single.from_type != from_type:
                continue
            for other in tuple(self.associations.neighbours(from_type, from_id, to_type)):
                held = self.associations.types_of(from_type, from_id, to_type, other)
                if other != to_id and single.key in held:
                    self.associations.set_types(from_type, from_id, to_type, other, held - {single.key})

    def _schema(self, number: int, given: Mapping[str, str]) -> Schema:
        name = given["name"]
        return Schema(
            object_type_id=given.get("object_type_id", f"2-{7282133 + number}"),
            name=name,
            fully_qualified_name=given.get("fully_qualified_name", f"p{self.portal_id}_{name}"),
            singular=given.get("singular", name.capitalize()),
            plural=given.get("plural", f"{name.capitalize()}s"),
        )

    def _fill(self) -> None:
        for from_type, to_type in self._custom_pairs():
            if self.types.unlabelled(from_type, to_type) is None:
                self.types.add_label(from_type, to_type, None)
        for each in self._setup.get("renamed", ()):
            self.types.relabel(("HUBSPOT_DEFINED", int(each["type_id"])), str(each["label"]))
        for each in self._setup.get("labels", ()):
            self.types.add_label(
                self._type_id(each["from"]),
                self._type_id(each["to"]),
                each["label"],
                each.get("inverse_label"),
                (each.get("type_id"), each.get("inverse_type_id")),
                name=str(each.get("name", "")),
            )
        for each in self._setup.get("limits", ()):
            self.limits[str(each.get("category", "HUBSPOT_DEFINED")), int(each["type_id"])] = int(each["most"])
        for each in self._setup.get("records", ()):
            record = Record(int(each["id"]), {k: str(v) for k, v in each.get("properties", {}).items()})
            self._records.setdefault(self._type_id(each["type"]), {})[record.record_id] = record
        for each in self._setup.get("associations", ()):
            self._associate_listed(each)

    def _custom_pairs(self) -> Iterator[tuple[str, str]]:
        for schema, given in zip(self.schemas, self._setup.get("schemas", ()), strict=True):
            for name in given.get("associates", _ACTIVITIES):
                yield schema.object_type_id, self._type_id(name)

    def _associate_listed(self, given: Mapping[str, Any]) -> None:
        from_type, to_type = self._type_id(given["from_type"]), self._type_id(given["to_type"])
        by_label = {each.label: each.key for each in reversed(self.types.between(from_type, to_type))}
        types = [(str(category), int(type_id)) for category, type_id in given.get("types", ())]
        for label in given.get("labels", ()):
            if label not in by_label:
                raise ValueError(f"the portal has no label {label!r} from {from_type} to {to_type}")
            types.append(by_label[label])
        self.associate(from_type, int(given["from_id"]), to_type, int(given["to_id"]), frozenset(types))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not a time zone") from error
