"""The meaning of HubSpot's answers: a status and a body become a value or one of the errors. No policy, no I/O.

Only an answer that can be read can refuse a request for good; after any other the request is tried again, because a PUT
may be repeated without harm. All error fields of HubSpot's are optional.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from msgspec.json import Decoder

from loader.errors import (
    TRY_AGAIN,
    ApiError,
    DailyQuotaSpent,
    LimitUnnamed,
    MissingScope,
    PortalMigrating,
    RateLimited,
    RecordLocked,
    RecordMerged,
    Refused,
    ServerFault,
    Unauthorized,
)
from loader.model import Pair
from loader.reasons import advised
from loader.send import retry
from loader.send.api import is_record_id
from loader.settings import Rate

LONGEST_MESSAGE = 500

PORTAL_ID = re.compile(r"[0-9]{1,19}", re.ASCII)

LONGEST_NUMBER = 14_000
"""Bits; Python converts no number of more than 4,300 digits to text."""

MOST_LABELS = 50
"""Labels of one pair that are kept of an answer: HubSpot allows no more between two object types."""

LONGEST_WINDOW = 10.0
"""The window of HubSpot's burst limit in seconds (usage guidelines)."""

FEWEST_PER_SECOND = 1.0
MOST_PER_SECOND = 1000.0
"""HubSpot's limits are from 10 requests a second (Free and Starter) to 25; very different ones come from a proxy."""

_DECODER: Decoder[object] = Decoder()

LONGEST_AFTER = 1000
"""Characters of a paging cursor."""


class Reply(NamedTuple):
    """One complete answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Created(NamedTuple):
    """The content of a PUT's answer: both fields may be empty."""

    created_resource_id: str
    labels: tuple[str, ...]


NO_MORE = Created("", ())
"""An answer that only names the pair: it is associated."""


def printable(text: str) -> str:
    """Return the text with control characters shown escaped, cut to 500 characters."""
    if len(text) <= LONGEST_MESSAGE and text.isprintable():
        return text
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: LONGEST_MESSAGE + 1]
    )
    return shown if len(shown) <= LONGEST_MESSAGE else shown[: LONGEST_MESSAGE - 1] + "…"


def parsed(reply: Reply) -> object:
    """Return the body as JSON; ServerFault if it is not JSON."""
    try:
        return loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise not_json(reply) from error


def loads(body: bytes) -> object:
    """Parse JSON like `json.loads`, in a fifth of its time."""
    try:
        return _DECODER.decode(body)
    except ValueError:
        return json.loads(body)  # `json.loads` accepts more: half a surrogate, NaN, a byte order mark.


def unreadable(reply: Reply, why: str, *, what: str = "answer") -> ServerFault:
    """Return the error for an answer that cannot be used; `why` ends the sentence."""
    return ServerFault(
        printable(f"HubSpot's {what} ({reply.status}) {why}"), status=reply.status, category="UNREADABLE_ANSWER"
    )


def not_json(reply: Reply) -> ServerFault:
    """Return the error for an answer that is not JSON."""
    return unreadable(reply, f"is not JSON: {_start(reply)}")


def _start(reply: Reply) -> str:
    return reply.body[:200].decode("utf-8", "replace").strip()


def fields(reply: Reply) -> dict[str, object]:
    """Return the body as a JSON object; ServerFault if it is not one."""
    body = parsed(reply)
    if not isinstance(body, dict):
        raise unreadable(reply, "is not a JSON object")
    return body


def fields_with(reply: Reply, key: str, kind: type | tuple[type, ...]) -> dict[str, Any]:
    """Return the body as a JSON object whose `key` has a certain type; ServerFault if it lacks that."""
    body = fields(reply)
    if not isinstance(body.get(key), kind):
        raise unreadable(reply, f"has no {key}")
    return body


def raise_for(reply: Reply, now: Callable[[], datetime]) -> None:
    """Return for a 2xx status; raise the ApiError for any other one.

    `now` gives UTC; it is needed if `Retry-After` is a date.
    """
    if 200 <= reply.status < 300:
        return
    if 300 <= reply.status < 400:
        host = printable(_host(reply.headers.get("location", "")))[:100]
        raise Refused(
            f"the server redirects to {host}, which the loader never follows, because the token would go along: "
            "check --base-url",
            status=reply.status,
            category="REDIRECT",
        )
    raise _error(reply, now())


def _host(location: str) -> str:
    try:
        target = urlsplit(location)
    except ValueError:
        return "an address that is none"
    return target.hostname or ("itself" if location.startswith("/") else "an unnamed place")


def _error(reply: Reply, now: datetime) -> ApiError:
    try:
        body = fields(reply)
    except ServerFault:
        body = {}
    message = message_of(body, reply)
    wait = retry.retry_after(reply.headers.get("retry-after"), now)
    category = printable(json_text(body.get("category")) or json_text(body.get("errorType")) or f"HTTP_{reply.status}")
    if reply.status == 403:
        message = _scopes(body) or printable(advised(category, 403, message))
    return _kind(reply, body)(
        message,
        status=reply.status,
        category=category,
        correlation_id=correlation_id_of(body, reply),
        retry_after=wait,
        sentence=sentence_of(body),
        context=context_of(body),
    )


def _kind(reply: Reply, body: Mapping[str, object]) -> type[ApiError]:
    if reply.status == 429:
        return _limit(reply, body)
    if reply.status == 423:
        return RecordLocked
    if reply.status in TRY_AGAIN or reply.status >= 500:
        return ServerFault
    return {401: Unauthorized, 403: MissingScope, 477: PortalMigrating}.get(reply.status, Refused)


def correlation_id_of(body: Mapping[str, object], reply: Reply) -> str:
    """Return the correlation id, which HubSpot's support asks for, or blank."""
    return printable(json_text(body.get("correlationId")) or reply.headers.get("x-hubspot-correlation-id", ""))


def json_text(value: object) -> str:
    """Return a text or a whole number as text; blank for anything else."""
    if type(value) is str:
        return value
    return str(value) if type(value) is int and value.bit_length() <= LONGEST_NUMBER else ""


def record_id_of(value: object) -> int:
    """Return a record id, written as text or as a number; 0 for anything else."""
    text = json_text(value)
    return int(text) if is_record_id(text) else 0


def after_of(paging: object) -> str:
    """Return the cursor of the next page; blank after the last one."""
    following = paging.get("next") if isinstance(paging, dict) else None
    return json_text(following.get("after")) if isinstance(following, dict) else ""


def message_of(body: Mapping[str, object], reply: Reply) -> str:
    """Return HubSpot's message of an error, with the part that names the wrong record; safe to show."""
    message = sentence_of(body)
    if not message:
        start = _start(reply)
        return printable(f"HubSpot answered {reply.status}: {start}" if start else f"HubSpot answered {reply.status}")
    finer = body.get("subCategory")  # Specified as an object, observed as a text.
    return with_details(message, context_of(body), [finer] if isinstance(finer, str) and finer else [])


def with_details(sentence: str, context: Mapping[str, Iterable[str]], more: Iterable[str] = ()) -> str:
    """Return HubSpot's message and what names the wrong record: `{"INVALID_OBJECT_IDS": ["CONTACT=1 is not valid"]}`.

    It is the value of a key in capitals; the other keys are lists of ids.
    """
    named = [f"{key}: {', '.join(texts)}" for key, texts in context.items() if key.isupper()]
    details = "; ".join([*named, *more])
    return printable(f"{sentence} ({details})" if details else sentence)


def sentence_of(body: Mapping[str, object]) -> str:
    """Return HubSpot's message of an error, blank if it has none."""
    return printable(json_text(body.get("message")))


def context_of(body: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Return the context of an error, joined with the contexts of the errors in it."""
    errors = body.get("errors")
    contexts = [
        each.get("context") for each in (body, *(errors if isinstance(errors, list) else ())) if isinstance(each, dict)
    ]
    found: dict[str, tuple[str, ...]] = {}
    for context in contexts:
        for key, values in context.items() if isinstance(context, dict) else ():
            if isinstance(values, list):
                found[key] = found.get(key, ()) + tuple(map(json_text, values))
    return found


def _limit(reply: Reply, body: Mapping[str, object]) -> type[ApiError]:
    """Which limit a 429 means: by `policyName`, else by the message, else by the headers about the day."""
    policy, message = json_text(body.get("policyName")), json_text(body.get("message")).lower()
    if policy:
        return DailyQuotaSpent if policy.upper() == "DAILY" else RateLimited
    if "daily" in message or daily_quota(reply.headers)[0] == 0:
        return DailyQuotaSpent
    return RateLimited if "secondly" in message else LimitUnnamed


def _scopes(body: Mapping[str, object]) -> str:
    scopes: list[str] = []
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        context = error.get("context") if isinstance(error, dict) else None
        if isinstance(context, dict):
            named = context.get("requiredScopes") or context.get("missingScopes")
            scopes += [str(scope) for scope in named] if isinstance(named, list) else []
    needed = printable(", ".join(scopes))
    return f"the token lacks a permission; add one of these scopes: {needed}" if scopes else ""


def rate_stated(headers: Mapping[str, str]) -> Rate | None:
    """Return the burst limit that the answer's headers name, or None."""
    requests = _number(headers.get("x-hubspot-ratelimit-max"))
    milliseconds = _number(headers.get("x-hubspot-ratelimit-interval-milliseconds"))
    return Rate(requests, milliseconds / 1000) if requests and milliseconds else None


def is_credible(rate: Rate) -> bool:
    """Return True for a plausible burst limit of HubSpot: not one of a proxy that would halt or flood a run."""
    return rate.seconds <= LONGEST_WINDOW and FEWEST_PER_SECOND <= rate.per_second <= MOST_PER_SECOND


def daily_quota(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return how much is left of the day's quota and how large it is, if the answer says so."""
    left = headers.get("x-hubspot-ratelimit-daily-remaining")
    return _number(left), _number(headers.get("x-hubspot-ratelimit-daily"))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 9 else None


def created(reply: Reply, pair: Pair) -> Created:
    """Read a PUT's answer: `{createdResourceId, entity, location}` or the bare pair, ids as text or numbers.

    Raises ServerFault if it cannot be read (the write may have happened: a retry will show), and Refused if it has an
    error or is about other records.
    """
    if reply.status in (201, 204) and not reply.body.strip():
        return NO_MORE
    body = parsed(reply) if reply.status in (200, 201) else None
    if not isinstance(body, dict):
        raise _unclear(reply)
    if body.get("status") == "error" or body.get("errors") or body.get("numErrors"):
        raise Refused(
            message_of(body, reply),
            status=reply.status,
            category=printable(json_text(body.get("category")) or "ERROR_IN_ANSWER"),
            correlation_id=correlation_id_of(body, reply),
        )
    entity = body.get("entity")
    if not isinstance(entity, dict):
        entity = body
    resource_id = json_text(body.get("createdResourceId"))
    if not resource_id and not ("fromObjectId" in entity and "toObjectId" in entity):
        raise _unclear(reply)
    ids = [
        json_text(entity.get("fromObjectId", pair.object_id)),
        json_text(entity.get("toObjectId", pair.to_object_id)),
    ]
    if ids != [pair.object_id, pair.to_object_id]:
        raise _of_another(ids, pair, reply)
    labels = entity.get("labels")
    if not resource_id and not labels:
        return NO_MORE
    return Created(printable(resource_id), labels_of(labels))


def labels_of(named: object) -> tuple[str, ...]:
    """Return a pair's labels in an answer, at most a limited number, safe to show; `named` is a sequence."""
    first = named[: MOST_LABELS + 1] if isinstance(named, list | tuple) else []
    texts = [printable(text) for each in first if (text := json_text(each))]
    return tuple(texts) if len(texts) <= MOST_LABELS else (*texts[:MOST_LABELS], "…")


def _unclear(reply: Reply) -> ServerFault:
    return unreadable(reply, f"does not say whether the pair was associated: {_start(reply)}")


def _of_another(ids: Sequence[str], pair: Pair, reply: Reply) -> ApiError:
    if not all(ids):
        return _unclear(reply)
    if merged := merged_end(pair, ids[0], ids[1], reply.status):
        return merged
    return Refused(
        f"the answer is about other records ({printable(' and '.join(ids))[:60]}) than those of the row: look at "
        f"{pair.object_id} and {pair.to_object_id} in HubSpot before sending again",
        status=reply.status,
        category="ANSWER_FOR_OTHER_RECORDS",
    )


def merged_end(pair: Pair, from_id: str, to_id: str, status: int) -> RecordMerged | None:
    """Return the error for a merged record, if an answer is about the pair's other record and a third one, else None.

    For a merged record, HubSpot does the work on the surviving record, and answers about that.
    """
    if from_id == pair.object_id and is_record_id(to_id):
        return RecordMerged(pair.to_object_type, pair.to_object_id, to_id, status=status, done=True)
    if to_id == pair.to_object_id and is_record_id(from_id):
        return RecordMerged(pair.object_type, pair.object_id, from_id, status=status, done=True)
    return None
