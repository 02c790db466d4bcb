"""What HubSpot's answer to a batch read of records says: who has which value of a unique property."""

import re
from typing import NamedTuple

from loader.errors import ServerFault
from loader.model import Question, RecordsFound
from loader.send.replies import Reply, fields, json_text

_RECORD_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_LARGEST_ID = 2**63 - 1
LONGEST_AFTER = 1000


def records_found(reply: Reply, question: Question) -> RecordsFound:
    """Read the answer (200, or 207 with the values that were not found); ServerFault if it cannot be read.

    `absent` are the ids that an error names in its `context`: with an id property, they are values.
    """
    body = fields(reply)
    results = body.get("results")
    if reply.status not in (200, 207) or not isinstance(results, list):
        raise _unreadable(reply, "has no results")
    records = tuple(_record(item, question.id_property, reply) for item in results)
    return RecordsFound(records, frozenset(_absent(body.get("errors"))))


class RecordPage(NamedTuple):
    """One page of a list of records: their ids, and where the next page begins, blank after the last."""

    ids: list[int]
    after: str


def record_page(reply: Reply) -> RecordPage:
    """Read a page of a list of records; ServerFault if it cannot be read."""
    body = fields(reply)
    results, paging = body.get("results"), body.get("paging")
    if not isinstance(results, list):
        raise _unreadable(reply, "has no results")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = json_text(following.get("after")) if isinstance(following, dict) else ""
    if len(after) > LONGEST_AFTER:
        raise _unreadable(reply, "names a next page by an endless text")
    return RecordPage([_id_of(item, reply) for item in results], after)


def _id_of(item: object, reply: Reply) -> int:
    record_id = json_text(item.get("id")) if isinstance(item, dict) else ""
    if not _RECORD_ID.fullmatch(record_id) or int(record_id) > _LARGEST_ID:
        raise _unreadable(reply, "names a record without its id")
    return int(record_id)


def _record(item: object, id_property: str, reply: Reply) -> tuple[str, str]:
    properties = item.get("properties") if isinstance(item, dict) else None
    record_id = str(_id_of(item, reply))
    value = properties.get(id_property) if isinstance(properties, dict) else None
    return record_id, value if isinstance(value, str) else json_text(value)


def _absent(errors: object) -> set[str]:
    named: set[str] = set()
    for error in errors if isinstance(errors, list) else []:
        context = error.get("context") if isinstance(error, dict) else None
        ids = context.get("ids") if isinstance(context, dict) else None
        named.update(json_text(each) for each in (ids if isinstance(ids, list) else ()))
    return named


def _unreadable(reply: Reply, why: str) -> ServerFault:
    return ServerFault(
        f"HubSpot's answer ({reply.status}) about records {why}", status=reply.status, category="UNREADABLE_ANSWER"
    )
