"""The object types of a portal and the names under which a path may give them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from loader.sandbox.answers import Json
from loader.sandbox.errors import unknown_object_type
from loader.sandbox.standard_types import OBJECT_TYPES


@dataclass(frozen=True, slots=True)
class ObjectType:
    """An object type: its id, its name in error bodies (``CONTACT``) and its scope (``contacts``)."""

    object_type_id: str
    upper_name: str
    scope: str


class Ends(NamedTuple):
    """A pair of records, seen from its from record."""

    source: ObjectType
    from_id: int
    target: ObjectType
    to_id: int

    @property
    def key(self) -> tuple[str, int, str, int]:
        """From object type id, from id, to object type id, to id."""
        return self.source.object_type_id, self.from_id, self.target.object_type_id, self.to_id


@dataclass(frozen=True, slots=True)
class Schema:
    """A custom object type as the schemas endpoint shows it."""

    object_type_id: str
    name: str
    fully_qualified_name: str
    singular: str
    plural: str

    def shown(self, associations: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
        """The documented part of an ObjectSchema."""
        return {
            "id": self.object_type_id.removeprefix("2-"),
            "objectTypeId": self.object_type_id,
            "fullyQualifiedName": self.fully_qualified_name,
            "name": self.name,
            "labels": {"singular": self.singular, "plural": self.plural},
            "primaryDisplayProperty": "name",
            "requiredProperties": ["name"],
            "searchableProperties": ["name"],
            "properties": [],
            "archived": False,
            "associations": list(associations),
        }


class ObjectTypes:
    """Resolves names of object types.

    HubSpot's own types answer to their id and to their singular and plural names, whatever the case; a custom
    one to its id, to ``p<portal>_<name>`` and to ``p_<name>``, but not to its base name (observed since
    2025-06-24).
    """

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self._by_name: dict[str, ObjectType] = {}
        for singular, (object_type_id, plural) in OBJECT_TYPES.items():
            upper = singular.upper().replace(" ", "_")
            known = ObjectType(object_type_id, upper, plural)
            for name in (object_type_id, upper, plural.upper(), upper.replace("_", "")):
                self._by_name[name] = known
        self._by_name["PAYMENTS"] = self._by_name["PAYMENT"]
        for schema in schemas:
            custom = ObjectType(schema.object_type_id, schema.object_type_id, "custom")
            short = f"p_{schema.name}"
            for name in (schema.object_type_id, schema.fully_qualified_name, short):
                self._by_name[name.upper()] = custom

    def resolve(self, name: str) -> ObjectType:
        """The object type that a path names; raises the 400 body for an unknown one."""
        found = self._by_name.get(name) or self._by_name.get(name.upper())
        if found is None:
            raise unknown_object_type(name)
        return found
