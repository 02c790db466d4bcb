"""HubSpot's API as text: paths and bodies of the requests the loader makes. No policy, no I/O."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from loader.model import AssociationType, Direction, Pair, Pairs

if TYPE_CHECKING:  # Commands that send no pairs start without numpy.
    from loader.columns import Ids

RECORDS_PER_PAGE = 100
"""In a page of a list of records (guide "CRM objects"; more are refused)."""

VERSIONS = ("v4", "2025-09", "2026-03", "2026-09")

_OBJECT_TYPE = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_RECORD_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_SHORT_RECORD_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_CATEGORY = re.compile(r"[A-Z][A-Z_]{0,49}", re.ASCII)
_LARGEST_TYPE_ID = 2**31 - 1

LARGEST_ID = 2**63 - 1
"""Of a record."""


class Request(NamedTuple):
    """One request: `path` starts with a slash, `body` is bytes ready to send (None: no body)."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"

    def __repr__(self) -> str:
        # The body of a token request holds secrets.
        return f"<{self.method} {self.path}>"


def _object_type(text: str) -> str:
    # The last gate before a URL: nothing that could rewrite the path gets through, whatever built the pair.
    if not _OBJECT_TYPE.fullmatch(text):
        raise ValueError(f"not an object type: {text!r}")
    return text


def is_record_id(text: str) -> bool:
    """Return True for a whole number from 1 to `LARGEST_ID`, as HubSpot writes it."""
    return bool(_SHORT_RECORD_ID.fullmatch(text)) or (bool(_RECORD_ID.fullmatch(text)) and int(text) <= LARGEST_ID)


def is_category(text: str) -> bool:
    """Return True for what can be an association category, also one that HubSpot adds later."""
    return bool(_CATEGORY.fullmatch(text))


def is_type_id(text: str) -> bool:
    """Return True for what can be an association type's id: the API's `associationTypeId` is an int32."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= _LARGEST_TYPE_ID


def _record_id(text: str) -> str:
    if not is_record_id(text):
        raise ValueError(f"not a record id: {text!r}")
    return text


def _category(text: str) -> str:
    if not is_category(text):
        raise ValueError(f"not an association category: {text!r}")
    return text


def types_body(types: Iterable[AssociationType]) -> bytes:
    """Return the JSON array of association types that a PUT carries."""
    return _specs(types).encode("ascii")


def _specs(types: Iterable[AssociationType]) -> str:
    specs = (
        f'{{"associationCategory":"{_category(category)}","associationTypeId":{type_id:d}}}'
        for category, type_id in types
    )
    return f"[{','.join(specs)}]"


def put(pair: Pair, version: str) -> Request:
    """Return `PUT .../objects/{type}/{id}/associations/{type}/{id}`, which sets the types of one pair."""
    before, between, body = _put_frame(pair.object_type, pair.to_object_type, pair.types, version)
    return Request("PUT", f"{before}{_record_id(pair.object_id)}{between}{_record_id(pair.to_object_id)}", body)


@lru_cache(maxsize=1000)
def _put_frame(
    object_type: str, to_object_type: str, types: tuple[AssociationType, ...], version: str
) -> tuple[str, str, bytes]:
    """Return what the PUTs of a kind have in common, around their ids: a file has few kinds."""
    root = "/crm/v4/objects" if version == "v4" else f"/crm/objects/{version}"
    before = f"{root}/{_object_type(object_type)}/"
    return before, f"/associations/{_object_type(to_object_type)}/", types_body(types)


def _between(direction: Direction, version: str) -> str:
    root = "/crm/v4/associations" if version == "v4" else f"/crm/associations/{version}"
    return f"{root}/{_object_type(direction[0])}/{_object_type(direction[1])}"


def labels(object_type: str, to_object_type: str, version: str) -> Request:
    """Return the request for the association types of two object types, in this direction."""
    return Request("GET", f"{_between((object_type, to_object_type), version)}/labels")


def create_label(direction: Direction, *, name: str, label: str, inverse_label: str | None, version: str) -> Request:
    """Return the request that makes a label of two object types; `name` is its internal name.

    With an `inverse_label` it reads so from the other end (guide "Associations v4").
    """
    body = {"name": name, "label": label, **({} if inverse_label is None else {"inverseLabel": inverse_label})}
    return Request("POST", f"{_between(direction, version)}/labels", json.dumps(body).encode("ascii"))


def batch_read(direction: Direction, records: "Ids", begins: Mapping[int, str], version: str) -> Request:
    """Return the request for what records are associated with; HubSpot takes 1,000 (guide "Associations v4").

    `begins` says of some where the page begins that is to be read; blank, and of the others, it is the first.
    """
    pages = {record: f',"after":{json.dumps(begin)}' for record, begin in begins.items() if begin}
    forms = [('{"id":"', f'"{page}}},') for page in ("", *pages.values())]
    places = {record: place for place, record in enumerate(pages, 1)}
    which = [places.get(record, 0) for record in records.tolist()]
    return _batch(direction, "read", _numbered(forms, which, records[:, None]), version)


def create(pairs: Pairs, version: str) -> Request:
    """Return the request that sets the types of pairs; HubSpot takes 2,000."""
    import numpy as np  # noqa: PLC0415 - commands that send no pairs start without it

    from loader.columns import distinct  # noqa: PLC0415

    used = distinct(pairs.intents)
    forms = [
        ('{"from":{"id":"', '"},"to":{"id":"', f'"}},"types":{_specs(pairs.table[intent].types)}}},')
        for intent in used.tolist()
    ]
    ids = np.column_stack((pairs.from_ids, pairs.to_ids))
    inputs = _numbered(forms, np.searchsorted(used, pairs.intents), ids)
    return _batch(pairs.direction, "create", inputs, version)


def _numbered(forms: Sequence[Sequence[str]], which: "Sequence[int] | Ids", ids: "Ids") -> memoryview:
    """Return inputs with commas between; each is one of `forms`, with its ids between the parts."""
    from loader.numbered_text import numbered  # noqa: PLC0415 - it takes numpy

    return memoryview(numbered([[part.encode("ascii") for part in form] for form in forms], which, ids))[:-1]


def records(object_type: str, id_property: str, values: Sequence[str], version: str) -> Request:
    """Return the request for the records that have these values of a unique property; HubSpot takes 100."""
    root = "/crm/v3/objects" if version == "v4" else f"/crm/objects/{version}"
    body = {
        "idProperty": id_property,
        "inputs": [{"id": value} for value in values],
        "properties": [id_property],
        "propertiesWithHistory": [],
    }
    return Request("POST", f"{root}/{_object_type(object_type)}/batch/read", json.dumps(body).encode("ascii"))


def list_records(object_type: str, after: str, version: str) -> Request:
    """Return the request for a page of the records of an object type, 100 in each, the first where `after` is blank.

    One property is named, as HubSpot sends its usual ones where none is.
    """
    root = "/crm/v3/objects" if version == "v4" else f"/crm/objects/{version}"
    query = {"limit": RECORDS_PER_PAGE, "archived": "false", "properties": "hs_object_id"}
    query |= {"after": after} if after else {}
    return Request("GET", f"{root}/{_object_type(object_type)}?{urlencode(query)}")


def archive(direction: Direction, wanted: Mapping[str, Iterable[str]], version: str) -> Request:
    """Return the request that takes away everything between records; `wanted` gives the to ids of each from id.

    HubSpot takes 100 from ids (quoted from the guide by others).
    """
    inputs = (f'{{"from":{_end(one)},"to":[{",".join(map(_end, others))}]}}' for one, others in wanted.items())
    return _batch(direction, "archive", ",".join(inputs).encode("ascii"), version)


def archive_labels(
    direction: Direction, wanted: Iterable[tuple[str, str, Iterable[AssociationType]]], version: str
) -> Request:
    """Return the request that takes labels off pairs; `wanted` are from id, to id, and types; HubSpot takes 100.

    An unlabelled type among them would take everything with it (guide "Associations v4").
    """
    inputs = (f'{{"from":{_end(one)},"to":{_end(other)},"types":{_specs(types)}}}' for one, other, types in wanted)
    return _batch(direction, "labels/archive", ",".join(inputs).encode("ascii"), version)


def _end(record_id: str) -> str:
    return f'{{"id":"{_record_id(record_id)}"}}'


def _batch(direction: Direction, what: str, inputs: bytes | memoryview, version: str) -> Request:
    return Request("POST", f"{_between(direction, version)}/batch/{what}", b'{"inputs":[%s]}' % inputs)


def association_limits(version: str) -> Request:
    """Return the request for the association types whose number an admin has limited, of all object types."""
    return Request("GET", f"/crm/associations/{version}/definitions/configurations/all")


def schemas(version: str) -> Request:
    """Return the request for the portal's custom objects."""
    return Request("GET", f"/crm-object-schemas/{'v3' if version == 'v4' else version}/schemas")


def token(form: Mapping[str, str], version: str) -> Request:
    """Return the request for a new access token; all secrets travel in the body (OAuth v3).

    The token endpoint is dated since 2026-03 (HubSpot's OAuth specifications).
    """
    root = "/oauth/v3" if version in ("v4", "2025-09") else f"/oauth/{version}"
    return Request("POST", f"{root}/token", urlencode(form).encode("ascii"), "application/x-www-form-urlencoded")


def token_info(token: str) -> Request:
    """Return the request for the scopes of a private app's token (guide "Private apps"); it changes nothing."""
    return Request("POST", "/oauth/v2/private-apps/get/access-token-info", json.dumps({"tokenKey": token}).encode())


def account_details(version: str) -> Request:
    """Return the request for the portal's id and time zone."""
    return Request("GET", f"/account-info/{'v3' if version == 'v4' else version}/details")


def daily_usage(version: str) -> Request:
    """Return the request for how much of the day's quota the portal's private apps have used."""
    return Request("GET", f"/account-info/{'v3' if version == 'v4' else version}/api-usage/daily/private-apps")
