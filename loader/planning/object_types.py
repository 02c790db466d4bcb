"""Object types by name: every standard type, singular or plural, and custom objects by what their schema calls them.

The id can always be used in a path; names only for some types, so the loader sends ids.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping

from loader.object_type_names import STANDARD, TYPE_IDS, folded

CUSTOM = "2-"
"""The ids of custom objects begin with it."""

MOST_SUGGESTIONS = 100
"""Of one kind in a load: with more unknown names than this, the list is wrong, and hints do not help."""

MOST_COMPARISONS = 200_000
"""Each takes some 20 microseconds; a portal has some 50 labels between two object types."""

LONGEST = 100
"""Characters; a longer text is not a misspelt name."""

_TYPE_ID = re.compile(r"[012]-[1-9][0-9]{0,11}", re.ASCII)
_QUALIFIED_NAME = re.compile(r"p[0-9]*_[A-Za-z0-9_-]{1,150}", re.ASCII)


class ObjectTypes:
    """All names of a portal's object types.

    `schemas` are entries of the schemas endpoint (`objectTypeId`, `fullyQualifiedName`, `name`, `labels`), all that the
    portal has; None where they are not known: then a custom object's id or qualified name is taken unchanged.
    """

    def __init__(self, schemas: Iterable[Mapping[str, object]] | None = None) -> None:
        self._ids = dict(TYPE_IDS)
        self._spelled = {folded(name): name for names in STANDARD.values() for name in names}
        self._shared: dict[str, list[str]] = {}
        self._shown: dict[str, str] = {}
        self._qualified: dict[str, str] = {}
        self._nearest_name = Nearest(0.6)
        self._nearest_called = Nearest(0.6, most=6)
        self._complete = schemas is not None
        for schema in schemas or ():
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
        qualified = schema.get("fullyQualifiedName")
        self._qualified[type_id] = qualified if isinstance(qualified, str) and qualified else plural
        for called in (qualified, name, f"p_{name}", *named):
            if isinstance(called, str) and called:
                self._spelled.setdefault(folded(called), called)
                known = self._ids.setdefault(folded(called), type_id)
                if known != type_id:
                    shared = self._shared.setdefault(folded(called), [known])
                    if type_id not in shared:
                        shared.append(type_id)

    def find(self, name: str) -> str | None:
        """Return the type id (`0-1`), an unknown qualified name (`p123_car`) unchanged, or None.

        None is for an unknown name, and for a name of several object types: a custom object may have a standard name.
        """
        if folded(name) in self._shared:
            return None
        known = self._ids.get(folded(name))
        if known is not None:
            return known
        if _TYPE_ID.fullmatch(name):
            return None if self._complete and name.startswith(CUSTOM) and name not in self._shown else name
        return name if _QUALIFIED_NAME.fullmatch(name) and not self._complete else None

    def sharing(self, name: str) -> list[str]:
        """Return the object types that share a name, each as `2-5 (p1_deal)`; none if the name is unique."""
        shared = self._shared.get(folded(name), [])
        return [f"{type_id} ({self._qualified.get(type_id) or shown(type_id)})" for type_id in shared]

    def shown(self, type_id: str) -> str:
        """Return an object type's name for people: `contacts`, or a custom object's own plural."""
        return self._shown.get(type_id) or shown(type_id)

    def nearest(self, name: str) -> list[str]:
        """Return up to three known names that look like this one; none for an id."""
        if _TYPE_ID.fullmatch(name):
            return []
        if _QUALIFIED_NAME.fullmatch(name):
            own = {called: type_id for called, type_id in self._ids.items() if type_id in self._qualified}
            near = self._nearest_called.to(folded(name.partition("_")[2]), own)
            return list(dict.fromkeys(self._qualified[own[each]] for each in near))[:3]
        near = self._nearest_name.to(folded(name), self._ids)
        return [self._spelled[each] for each in near]

    @property
    def custom(self) -> list[str]:
        """The qualified names of the portal's custom objects, where they are known."""
        return sorted(self._qualified.values())


def shown(type_id: str) -> str:
    """Return an object type's name for people: `contacts`; an id without a standard name is returned as it is."""
    names = STANDARD.get(type_id)
    return names[1] if names else type_id


# --- misspelt names


class Nearest:
    """Looks for similar names: once for each distinct text, for the first hundred, and while that is fast."""

    def __init__(self, cutoff: float, *, most: int = 3) -> None:
        self._cutoff = cutoff
        self._most = most
        self._compared = 0
        self._found: dict[tuple[object, str], list[str]] = {}

    def to(self, text: str, names: Collection[str], *, of: object = None) -> list[str]:
        """Return a few names that look like a text, the most similar first; `of` says whose names they are."""
        key = of, text
        if key not in self._found:
            if len(text) > LONGEST or len(self._found) >= MOST_SUGGESTIONS or self._compared >= MOST_COMPARISONS:
                return []
            self._compared += len(names)
            candidates = [name for name in names if len(name) <= LONGEST]
            self._found[key] = difflib.get_close_matches(text, candidates, n=self._most, cutoff=self._cutoff)
        return self._found[key]


def quoted(text: str) -> str:
    """Return a cell's text for a sentence: in quotes, and shortened."""
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
