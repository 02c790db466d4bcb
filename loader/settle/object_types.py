"""Object types by name: every standard type, singular or plural, and custom objects by what their schema calls them.

The standard ids are those of HubSpot's guide "Understanding the CRM". The id can always be used in a path; names only
for some types, so the loader sends ids.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

STANDARD: Mapping[str, tuple[str, ...]] = {
    "0-1": ("contact", "contacts"),
    "0-2": ("company", "companies"),
    "0-3": ("deal", "deals"),
    "0-5": ("ticket", "tickets"),
    "0-7": ("product", "products"),
    "0-8": ("line item", "line items"),
    "0-14": ("quote", "quotes"),
    "0-18": ("communication", "communications"),
    "0-19": ("feedback submission", "feedback submissions"),
    "0-27": ("task", "tasks"),
    "0-46": ("note", "notes"),
    "0-47": ("meeting", "meetings"),
    "0-48": ("call", "calls"),
    "0-49": ("email", "emails"),
    "0-53": ("invoice", "invoices"),
    "0-54": ("marketing event", "marketing events"),
    "0-69": ("subscription", "subscriptions"),
    "0-74": ("goal", "goals", "goal target", "goal targets"),
    "0-84": ("discount", "discounts"),
    "0-85": ("fee", "fees"),
    "0-86": ("tax", "taxes"),
    "0-101": ("payment", "payments", "commerce payment", "commerce payments"),
    "0-115": ("user", "users"),
    "0-116": ("postal mail", "postal mails"),
    "0-123": ("order", "orders"),
    "0-136": ("lead", "leads"),
    "0-142": ("cart", "carts"),
    "0-162": ("service", "services"),
    "0-410": ("course", "courses"),
    "0-420": ("listing", "listings"),
    "0-421": ("appointment", "appointments"),
    "0-970": ("project", "projects"),
}

_TYPE_ID = re.compile(r"[012]-[1-9][0-9]{0,11}", re.ASCII)
_QUALIFIED_NAME = re.compile(r"p[0-9]*_[A-Za-z0-9_-]{1,150}", re.ASCII)


class ObjectTypes:
    """Every name a portal's object types go by.

    `schemas` are entries of the schemas endpoint (`objectTypeId`, `fullyQualifiedName`, `name`, `labels`).
    """

    def __init__(self, schemas: Iterable[Mapping[str, object]] = ()) -> None:
        self._ids = {folded(name): type_id for type_id, names in STANDARD.items() for name in names}
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


def folded(name: str) -> str:
    """Return the name without case, and with one blank for blanks, `_` and `-`."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def shown(type_id: str) -> str:
    """Return what people call an object type: `contacts`; an id that has no standard name stands for itself."""
    names = STANDARD.get(type_id)
    return names[1] if names else type_id
