"""Object types by name: every standard type, singular or plural, and custom objects by what their schema calls them.

The id can always be used in a path; names only for some types, so the loader sends ids.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

from loader.object_type_names import STANDARD, TYPE_IDS, folded

_TYPE_ID = re.compile(r"[012]-[1-9][0-9]{0,11}", re.ASCII)
_QUALIFIED_NAME = re.compile(r"p[0-9]*_[A-Za-z0-9_-]{1,150}", re.ASCII)


class ObjectTypes:
    """Every name a portal's object types go by.

    `schemas` are entries of the schemas endpoint (`objectTypeId`, `fullyQualifiedName`, `name`, `labels`).
    """

    def __init__(self, schemas: Iterable[Mapping[str, object]] = ()) -> None:
        self._ids = dict(TYPE_IDS)
        self._shared: dict[str, list[str]] = {}
        self._shown: dict[str, str] = {}
        for schema in schemas:
            self._learn(schema)

    def _learn(self, schema: Mapping[str, object]) -> None:
        type_id = schema.get("objectTypeId")
        if not isinstance(type_id, str) or not _TYPE_ID.fullmatch(type_id):
            return
        labels = schema.get("labels")
        named = [labels.get("singular"), labels.get("plural")] if isinstance(labels, dict) else []
        name = schema.get("name")
        plural = next((text for text in (*reversed(named), name) if isinstance(text, str) and text), type_id)
        self._shown[type_id] = plural
        for called in (schema.get("fullyQualifiedName"), name, f"p_{name}", *named):
            if isinstance(called, str) and called:
                self._call(folded(called), type_id)

    def _call(self, name: str, type_id: str) -> None:
        known = self._ids.setdefault(name, type_id)
        # A standard type keeps its own name: a custom object called "Deal" must be named in full.
        if known != type_id and known not in STANDARD:
            self._shared.setdefault(name, [known]).append(type_id)

    def find(self, name: str) -> str | None:
        """Return the type id (`0-1`), an unknown qualified name (`p123_car`) as it stands, or None.

        None is for a name that nothing goes by, and for one that several custom objects go by.
        """
        if folded(name) in self._shared:
            return None
        known = self._ids.get(folded(name))
        if known is not None:
            return known
        return name if _TYPE_ID.fullmatch(name) or _QUALIFIED_NAME.fullmatch(name) else None

    def shown(self, type_id: str) -> str:
        """Return what people call an object type: `contacts`, or a custom object's own plural."""
        return self._shown.get(type_id) or shown(type_id)

    def nearest(self, name: str) -> list[str]:
        """Return up to three known names that look like this one, or the ids of those that share it."""
        return self._shared.get(folded(name)) or difflib.get_close_matches(folded(name), self._ids, n=3, cutoff=0.6)


def is_type_id(text: str) -> bool:
    """Return True for an object type's id, the one name that cannot mean two things."""
    return _TYPE_ID.fullmatch(text) is not None


def shown(type_id: str) -> str:
    """Return what people call an object type: `contacts`; an id that has no standard name stands for itself."""
    names = STANDARD.get(type_id)
    return names[1] if names else type_id
