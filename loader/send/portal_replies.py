"""What a portal's answers to questions mean, judged where they come in: what is kept of them is of use everywhere.

Raises UnusableAnswer for an answer that is HubSpot's and cannot be worked with: asking again would bring the same one.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from loader.errors import UnusableAnswer
from loader.model import AssociationType, Direction
from loader.send.batch_replies import is_category, is_type_id
from loader.send.replies import PORTAL_ID, Reply, fields_with, printable, text_of

LONGEST_TEXT = 500
"""Of a label or a name; HubSpot's own limits are lower."""

# An answer that leaves out what was asked for is no answer: taken for one, it would reject rows or stop a run for good.
_account = partial(fields_with, key="portalId", kind=(int, str))
_results = partial(fields_with, key="results", kind=list)


class Account(NamedTuple):
    """A portal's id and time zone (an IANA name), None where it does not say."""

    portal_id: str | None
    time_zone: str | None


def account(reply: Reply) -> Account:
    """Read the account details (`portalId`, `timeZone`)."""
    body = _account(reply)
    portal_id, time_zone = text_of(body["portalId"]), body.get("timeZone")
    if not PORTAL_ID.fullmatch(portal_id):
        raise _unusable(reply, f"the account details name no portal id ({_shown(body['portalId'])})")
    return Account(portal_id, time_zone if isinstance(time_zone, str) and len(time_zone) <= LONGEST_TEXT else None)


def association_types(reply: Reply, direction: Direction) -> list[dict[str, Any]]:
    """Read the list of association types of one direction; each has `category`, `typeId` (a number) and `label`."""
    return [_association_type(item, direction, reply) for item in _results(reply)["results"]]


def _association_type(item: object, direction: Direction, reply: Reply) -> dict[str, Any]:
    entry = item if isinstance(item, dict) else {}
    category, type_id = text_of(entry.get("category")), text_of(entry.get("typeId"))
    if not is_category(category) or not is_type_id(type_id):
        raise _unusable(
            reply,
            f"the association types from {' to '.join(direction)} hold one that cannot be used "
            f"(category {_shown(entry.get('category'))}, type id {_shown(entry.get('typeId'))})",
        )
    return {"category": category, "typeId": int(type_id), "label": _text(entry.get("label"))}


def limits(reply: Reply) -> dict[AssociationType, int]:
    """Read the association limits: `category`, `typeId` and `userEnforcedMaxToObjectIds`; other entries say nothing."""
    found: dict[AssociationType, int] = {}
    for item in _results(reply)["results"]:
        entry = item if isinstance(item, dict) else {}
        category, type_id = text_of(entry.get("category")), text_of(entry.get("typeId"))
        most = entry.get("userEnforcedMaxToObjectIds")
        if is_category(category) and is_type_id(type_id) and isinstance(most, int) and most >= 0:
            found[AssociationType(category, int(type_id))] = most
    return found


def schemas(reply: Reply) -> list[dict[str, Any]]:
    """Read the list of custom objects; each has `objectTypeId`, `fullyQualifiedName`, `name` and `labels`."""
    return [_schema(item) for item in _results(reply)["results"] if isinstance(item, dict)]


def _schema(item: Mapping[str, object]) -> dict[str, Any]:
    labels = item.get("labels")
    named = labels if isinstance(labels, dict) else {}
    texts = {key: _text(item.get(key)) for key in ("objectTypeId", "fullyQualifiedName", "name")}
    return {**texts, "labels": {key: _text(named.get(key)) for key in ("singular", "plural")}}


def _text(value: object) -> str | None:
    """Return a text that every file can hold: not endless, and without the halves of characters that JSON allows."""
    if not isinstance(value, str):
        return None
    text = value.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _shown(value: object) -> str:
    return printable(repr(value if isinstance(value, str) else text_of(value) or type(value).__name__)[:100])


def _unusable(reply: Reply, what: str) -> UnusableAnswer:
    return UnusableAnswer(
        f"HubSpot's answer ({reply.status}) cannot be worked with: {what}. Nothing was sent; run the same command "
        "again later, and if it stays, look at it in HubSpot or ask its support",
        status=reply.status,
        category="UNUSABLE_ANSWER",
    )
