"""What HubSpot's answers mean: a status and a body become a value or one of the errors. No policy, no I/O.

Only a status read from a real answer can be permanent; an answer that cannot be read is tried again, because a PUT may
be repeated without harm. HubSpot's error fields are all optional, so each is read as if it might be missing.
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
"""Bits; Python writes out no number of more than 4,300 digits."""

MOST_LABELS = 50
"""That an answer's outcome keeps of one pair: HubSpot allows no more labels between two object types."""

LONGEST_WINDOW = 10.0
"""Seconds, of HubSpot's burst limit (usage guidelines)."""

FEWEST_PER_SECOND = 1.0
MOST_PER_SECOND = 1000.0
"""HubSpot's limits are from 10 requests a second (Free and Starter) to 25; anything far from that is not its own."""

_DECODER: Decoder[object] = Decoder()

LONGEST_AFTER = 1000
"""Characters of what says where the next page begins."""


class Reply(NamedTuple):
    """One answer, read whole. Header names are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Created(NamedTuple):
    """What a PUT's answer says of the pair: both fields may be empty."""

    created_resource_id: str
    labels: tuple[str, ...]


NO_MORE = Created("", ())
"""That the pair is associated: an answer that names no more than the pair."""


def printable(text: str) -> str:
    """Return the text with control characters shown escaped, cut to 500 characters."""
    if len(text) <= LONGEST_MESSAGE and text.isprintable():
        return text
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: LONGEST_MESSAGE + 1]
    )
    return shown if len(shown) <= LONGEST_MESSAGE else shown[: LONGEST_MESSAGE - 1] + "…"


def parsed(reply: Reply) -> object:
    """Return the body as JSON; ServerFault if it is none."""
    try:
        return loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise not_json(reply) from error


def loads(body: bytes) -> object:
    """Return what `json.loads` does, in a fifth of its time."""
    try:
        return _DECODER.decode(body)
    except ValueError:
        return json.loads(body)  # It takes more than is proper: half a surrogate, NaN, a byte order mark.


def unreadable(reply: Reply, why: str, *, what: str = "answer") -> ServerFault:
    """Return the error that an answer is which does not say what it should; `why` ends the sentence."""
    return ServerFault(
        printable(f"HubSpot's {what} ({reply.status}) {why}"), status=reply.status, category="UNREADABLE_ANSWER"
    )


def not_json(reply: Reply) -> ServerFault:
    """Return the error that an answer is which is no JSON."""
    return unreadable(reply, f"is not JSON: {_start(reply)}")


def _start(reply: Reply) -> str:
    return reply.body[:200].decode("utf-8", "replace").strip()


def fields(reply: Reply) -> dict[str, object]:
    """Return the body as a JSON object; ServerFault if it is none."""
    body = parsed(reply)
    if not isinstance(body, dict):
        raise unreadable(reply, "is not a JSON object")
    return body


def fields_with(reply: Reply, key: str, kind: type | tuple[type, ...]) -> dict[str, Any]:
    """Return the body as a JSON object whose `key` is of a kind; ServerFault if it says less than it was asked for."""
    body = fields(reply)
    if not isinstance(body.get(key), kind):
        raise unreadable(reply, f"has no {key}")
    return body


def raise_for(reply: Reply, now: Callable[[], datetime]) -> None:
    """Return for a 2xx status; raise the ApiError that any other one means.

    `now` gives UTC and is needed where `Retry-After` is a date.
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
    """Return what HubSpot's support asks for, or blank."""
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
    """Return where the next page begins; blank after the last one."""
    following = paging.get("next") if isinstance(paging, dict) else None
    return json_text(following.get("after")) if isinstance(following, dict) else ""


def message_of(body: Mapping[str, object], reply: Reply) -> str:
    """Return HubSpot's sentence from an error, with the part that names the wrong record; safe to show."""
    message = sentence_of(body)
    if not message:
        start = _start(reply)
        return printable(f"HubSpot answered {reply.status}: {start}" if start else f"HubSpot answered {reply.status}")
    finer = body.get("subCategory")  # Specified as an object, observed as a text.
    return with_details(message, context_of(body), [finer] if isinstance(finer, str) and finer else [])


def with_details(sentence: str, context: Mapping[str, Iterable[str]], more: Iterable[str] = ()) -> str:
    """Return HubSpot's sentence with what names the wrong record: `{"INVALID_OBJECT_IDS": ["CONTACT=1 is not valid"]}`.

    It is the value of a key in capitals; the other keys are lists of ids.
    """
    named = [f"{key}: {', '.join(texts)}" for key, texts in context.items() if key.isupper()]
    details = "; ".join([*named, *more])
    return printable(f"{sentence} ({details})" if details else sentence)


def sentence_of(body: Mapping[str, object]) -> str:
    """Return HubSpot's sentence from an error, blank where it has none."""
    return printable(json_text(body.get("message")))


def context_of(body: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Return what an error says of those it is about: its own context, and those of the errors in it, joined."""
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
    """Which limit a 429 means: by `policyName`, else the message, else what the headers say of the day."""
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
    """Return True for a burst limit that HubSpot may have given: not one of a proxy that halts or floods a run."""
    return rate.seconds <= LONGEST_WINDOW and FEWEST_PER_SECOND <= rate.per_second <= MOST_PER_SECOND


def daily_quota(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return how many requests the day's quota still has, and how many it had, where the answer says so."""
    left = headers.get("x-hubspot-ratelimit-daily-remaining")
    return _number(left), _number(headers.get("x-hubspot-ratelimit-daily"))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 9 else None


def created(reply: Reply, pair: Pair) -> Created:
    """Read a PUT's answer: `{createdResourceId, entity, location}` or the bare pair, ids as text or numbers.

    Raises ServerFault when it cannot be read (the write may have happened: sending it again shows), and Refused when
    it speaks of an error or of other records.
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
    """Return the labels that an answer gives a pair, the first of very many, safe to show; `named` is a sequence."""
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
    """Return that one record of a pair is merged, if an answer about the other and a third one says so, else None.

    HubSpot answers requests about a merged record with the one that survives, and does there what is asked.
    """
    if from_id == pair.object_id and is_record_id(to_id):
        return RecordMerged(pair.to_object_type, pair.to_object_id, to_id, status=status, done=True)
    if to_id == pair.to_object_id and is_record_id(from_id):
        return RecordMerged(pair.object_type, pair.object_id, from_id, status=status, done=True)
    return None
