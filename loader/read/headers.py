"""The meaning of a single header: a field of HubSpot's API, or a header of its exports; case is ignored."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from loader.object_type_names import STANDARD
from loader.read.cells import INVISIBLE, show, trim

NAMES = {
    "objecttype": "object_type",
    "fromobjecttype": "object_type",
    "objectid": "object_id",
    "fromobjectid": "object_id",
    "fromid": "object_id",
    "recordid": "object_id",
    "hsobjectid": "object_id",
    "toobjecttype": "to_object_type",
    "toobjectid": "to_object_id",
    "toid": "to_object_id",
    "associationcategory": "association_category",
    "associationtypeid": "association_type_id",
    "label": "label",
    "associationlabel": "label",
}

# Names of the fields in HubSpot's answers and in the tables of common connectors. In the user's own table such a word
# may mean something else, so a column with one of the names above is preferred.
USUAL_NAMES = {
    "fromobject": "object_type",
    "fromtype": "object_type",
    "objecttypeid": "object_type",
    "fromobjecttypeid": "object_type",
    "toobject": "to_object_type",
    "totype": "to_object_type",
    "toobjecttypeid": "to_object_type",
    "toobjectids": "to_object_id",
    "toids": "to_object_id",
    "category": "association_category",
    "typeid": "association_type_id",
    "labels": "label",
    "associationlabels": "label",
}
# In HubSpot's export, the column of a labelled association has the label as its header. These are HubSpot's own labels
# of a company, with the object type and the association type id from the company to it (guide "Associations v4").
_LABELLED = {
    "contactwithprimarycompanyids": ("contact", "2"),
    "dealwithprimarycompanyids": ("deal", "6"),
    "ticketwithprimarycompanyids": ("ticket", "25"),
    "childcompanyids": ("company", "13"),
    "parentcompanyids": ("company", "14"),
}
_ID_ENDINGS = ("id", "ids", "recordid", "recordids", "objectid", "objectids", "hsid", "hubspotid")

# `--to 0-2` and `Associated Company IDs` mean the same.
_TYPE_IDS = {type_id: names[0].replace(" ", "") for type_id, names in STANDARD.items()}
_STANDARD = frozenset(_TYPE_IDS.values())
_PLURALS = {_TYPE_IDS[type_id]: names[1].replace(" ", "_") for type_id, names in STANDARD.items()}
_QUALIFIED = re.compile(r"p[0-9]+_", re.IGNORECASE | re.ASCII)
_ASSOCIATED = re.compile(
    # "ID" must be a word by itself: "Associated Android" is not such a column.
    r"associated[\s_-]*([^\s_-].*?)(?:[\s_-]*ids|[\s_-]+id|(?-i:I[dD]))(?:[\s_-]*\((.+)\))?",
    re.IGNORECASE | re.DOTALL,
)
_ASSOCIATED_NAMES = re.compile(r"associated[\s_-]+[^\s_-].*", re.IGNORECASE | re.DOTALL)
_RECORD_ID_OF = re.compile(r"record[\s_]*id[\s_]*[-\u2013][\s_]*([^\s_-].*)", re.IGNORECASE | re.DOTALL)
# The end of a header that names ids: "ID" is a word by itself, or begins with a capital, as in `contactId`.
_LIKE_ID = re.compile(r"(?:.*[\s_-])?(?i:ids?)|.*[a-z](?:Id|ID)s?", re.DOTALL)
# No known header is longer; `Associated <Type> IDs (<label>)` has two names in it.
LONGEST = 500
_SEPARATORS = re.compile(r"[\s_-]+")
# Letters that look like Latin ones (Cyrillic, Greek, Turkish), typed by mistake with another keyboard layout.
_LOOKALIKES = str.maketrans(
    "\u0430\u0432\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0501"
    "\u03b1\u03b5\u03b9\u03bf\u03c1\u03c5\u0131",
    "abeijkmhopctyxsdaeiopui",
)


class Meaning(NamedTuple):
    """The meaning of a header: the field, and the object type, label or primary type in its text.

    `type_id` is the id of HubSpot's own association type with the header as its label, from the file's records to those
    in the column. `associated` is True for the headers of HubSpot's export, where a blank cell asks for nothing.
    """

    field: str = ""
    object_type: str = ""
    label: str = ""
    primary: bool = False
    associated: bool = False
    type_id: str = ""

    @property
    def has_type(self) -> bool:
        """Return True if the header gives the association type."""
        return bool(self.label or self.primary or self.type_id)


def fold(text: str) -> str:
    """Return the text without case, blanks, `_`, `-` and invisible characters."""
    return _SEPARATORS.sub("", text.translate(INVISIBLE).casefold())


def meaning(header: str) -> Meaning:
    """Return the meaning of a header; its `field` is blank if it names no field.

    >>> meaning("Associated Company IDs (Primary)")
    Meaning(field='to_object_id', object_type='company', label='', primary=True, associated=True, type_id='')
    """
    text = trim(header)
    if len(text) > LONGEST:
        return Meaning()
    field = NAMES.get(fold(text))
    if field:
        return Meaning(field)
    associated = _ASSOCIATED.fullmatch(text)
    if associated:
        label = trim(associated[2] or "")
        primary = label.casefold() == "primary"
        return Meaning("to_object_id", _type_text(associated[1]), "" if primary else label, primary, True)
    if labelled := _LABELLED.get(fold(text)):
        return Meaning("to_object_id", labelled[0], associated=True, type_id=labelled[1])
    of_type = _RECORD_ID_OF.fullmatch(text)
    if of_type:
        return Meaning("object_id", _type_text(of_type[1]))
    return Meaning()


def is_export(header: Sequence[str]) -> bool:
    """Return True for the header of HubSpot's own export: there all columns except ids are properties.

    >>> is_export(["Record ID", "Category", "Associated Company IDs"]), is_export(["object_id", "to_object_id"])
    (True, False)
    """
    return any(meaning(cell).associated for cell in header)


def looks_like_id(header: str) -> bool:
    """Return True if a header names ids of any kind: `Contact ID`, `company_ids`, `dealId`.

    >>> looks_like_id("Deal ID"), looks_like_id("paid"), looks_like_id("101")
    (True, False, False)
    """
    text = trim(header)
    return len(text) <= LONGEST and bool(_LIKE_ID.fullmatch(text))


def names_ids_of(header: str, object_type: str, *, prefixes: tuple[str, ...] = ("", "hubspot", "hs")) -> bool:
    """Return whether a header names the ids of an object type: `Contact ID`, `companyId`, `deal_record_ids`.

    >>> names_ids_of("Company IDs", "companies"), names_ids_of("contact_id", "companies")
    (True, False)
    """
    return any(same_type(stem, object_type) for stem in _stems(header, prefixes))


def names_standard_ids(header: str) -> bool:
    """Return whether a header names the ids of one of HubSpot's own object types.

    >>> names_standard_ids("deal_ids"), names_standard_ids("campaign ids")
    (True, False)
    """
    return any(map(is_standard, _stems(header, ("", "hubspot", "hs"))))


def is_standard(object_type: str) -> bool:
    """Return whether a text is the name of one of HubSpot's own object types, in the singular or the plural."""
    return not _type_keys(object_type).isdisjoint(_STANDARD)


def _stems(header: str, prefixes: tuple[str, ...]) -> Iterator[str]:
    """Yield possible names of the object type in a header of ids."""
    text = fold(header)
    if len(text) > LONGEST or not text.endswith(("id", "ids")):
        return
    for prefix in prefixes:
        for ending in _ID_ENDINGS:
            if text.startswith(prefix) and text.endswith(ending) and len(text) > len(prefix) + len(ending):
                yield text[len(prefix) : -len(ending)]


def type_in(header: str) -> str:
    """Return the standard object type, in the plural, in a header of its ids; blank if none.

    >>> type_in("Company ID"), type_in("Line item record IDs"), type_in("Invoice key")
    ('companies', 'line_items', '')
    """
    stated = meaning(header).object_type
    named = (
        plural for singular, plural in _PLURALS.items() if names_ids_of(header, singular) or same_type(stated, singular)
    )
    return next(named, "")


def hint(header: str) -> str:
    """Return a sentence about a header that names no field but looks like one, or blank.

    >>> hint("Associated Company")
    'the column "Associated Company" holds names: have HubSpot export the ids of associated records, too'
    """
    text = trim(header)
    plain = unicodedata.normalize("NFKC", fold(text)).translate(_LOOKALIKES)
    if not meaning(header).field and (plain in NAMES or meaning(plain).field):
        return (
            f"the column {show(text)} has letters that only look like those of {NAMES.get(plain, plain)}: type it again"
        )
    if _ASSOCIATED_NAMES.fullmatch(text) and not meaning(header).field:
        return f"the column {show(text)} holds names: export from HubSpot again with the ids of associated records"
    return ""


def same_type(one: str, other: str) -> bool:
    """Return True if two texts name the same standard object type: `companies`, `Company`, `0-2`."""
    return not _type_keys(one).isdisjoint(_type_keys(other))


def are_different_types(one: str, other: str) -> bool:
    """Return True if two texts certainly name different object types; a custom object may have any name."""
    keys = _type_keys(one) & _STANDARD, _type_keys(other) & _STANDARD
    return all(keys) and keys[0].isdisjoint(keys[1])


def _type_text(text: str) -> str:
    return " ".join(text.split()).lower()


@lru_cache(maxsize=4096)
def _type_keys(text: str) -> frozenset[str]:
    """Return possible singular names of an object type; of a qualified name, `p123_cars`, the last part."""
    known = _TYPE_IDS.get(text.strip())
    if known:
        return frozenset({known})
    key = fold(_QUALIFIED.sub("", text.strip()))
    keys = {key}
    for plural, singular in (("s", ""), ("es", ""), ("ies", "y")):
        if key.endswith(plural) and len(key) > len(plural):
            keys.add(key.removesuffix(plural) + singular)
    return frozenset(keys)
