"""The standard object types: their ids and all their names; the ids are from HubSpot's guide.

The guide is "Understanding the CRM". An id can always be used in a path, a name for some types only.
"""

import re
from collections.abc import Mapping

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


def folded(name: str) -> str:
    """Return the name in one case, with one blank for each run of blanks, `_` and `-`."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def record_in_words(object_type: str, record_id: str) -> str:
    """Return a record in words: `contact 7`; a record of a custom object is `record 7`."""
    return f"{STANDARD.get(object_type, ('record',))[0]} {record_id}"


TYPE_IDS: Mapping[str, str] = {folded(name): type_id for type_id, names in STANDARD.items() for name in names}
"""The id of each standard object type, by each of its names as `folded` gives it."""
