"""Questions to a portal before anything is sent: its id, its labels, its custom objects.

An unusable answer of HubSpot's raises UnusableAnswer: a retry would bring the same one. An answer that lacks the
requested part does not count, and is requested again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from loader.errors import MissingScope, Refused, Retryable, ServerFault, Unreachable, UnusableAnswer, WrongPortal
from loader.model import AssociationType, Direction, Question, RecordsFound
from loader.send import api, endings, quota, replies
from loader.send.api import Request, is_category, is_type_id
from loader.send.auth import StaticToken
from loader.send.gateway import Gateway
from loader.send.replies import (
    LONGEST_AFTER,
    PORTAL_ID,
    Reply,
    after_of,
    context_of,
    fields,
    fields_with,
    json_text,
    printable,
    record_id_of,
    unreadable,
)

T = TypeVar("T")

LONGEST_TEXT = 500
"""Characters of a label or a name; HubSpot's own limits are lower."""


class Account(NamedTuple):
    """A portal's id and time zone (an IANA name), None if not given; `kind` is its `accountType`, or blank.

    `answered_at` is the `Date` header of its answer, blank without one.
    """

    portal_id: str | None
    time_zone: str | None
    kind: str = ""
    answered_at: str = ""


class RecordPage(NamedTuple):
    """One page of a list of records: their ids, and the cursor of the next page, blank after the last."""

    ids: list[int]
    after: str


class GatewayPortal:
    """Asks through the gateway, within its limits; an endpoint that is missing or not allowed gives None.

    `portal_id` is known after `account`. `attempts` are those of each question, fewer for a person who waits at the
    screen; None: the gateway's.
    """

    def __init__(self, gateway: Gateway, *, attempts: int | None = None) -> None:
        self.gateway = gateway
        self._version = gateway.version
        self._attempts = attempts
        self._most = attempts or gateway.max_attempts
        self.portal_id: str | None = None

    async def account(self, *, insist: bool) -> Account:
        """Return the portal's account; without `insist` there is one attempt, and a failure returns an unknown one.

        Raises Unauthorized for a token that is refused; with `insist` also Unreachable, MissingScope, and WrongPortal
        if the portal does not give its id. With a number of `attempts`, this question has as many, and raises
        Unreachable if all of them fail.
        """
        request = api.account_details(self._version)
        most = self._most if insist or self._attempts else 1
        try:
            found = (await self.gateway.call(request, _account_of, max_attempts=most)).value
        except (Refused, Retryable, MissingScope) as error:
            if insist or (self._attempts and isinstance(error, Retryable)):
                raise _fatal(error) from error
            self.portal_id = self.gateway.portal_id
            return Account(self.portal_id, None)
        self.gateway.day.time_zone = found.time_zone
        self.portal_id = found.portal_id
        return found

    async def scopes(self) -> tuple[str, ...] | None:
        """Return the scopes of a private app's token or a service key; None if HubSpot does not say, as for OAuth."""
        credential = self.gateway.credential
        if not isinstance(credential, StaticToken):
            return None
        try:
            return (await self.gateway.call(credential.info_request(), _scopes_of, max_attempts=1)).value
        except (Refused, Retryable, MissingScope):
            return None

    async def daily_usage(self) -> None:
        """Request how much of the day's quota is left, if no headers have said it; there is one attempt."""
        request = self.gateway.usage
        if request is not None and self.gateway.day.left is None:
            with suppress(Refused, Retryable, MissingScope):
                answer = await self.gateway.call(request, replies.fields, max_attempts=1)
                self.gateway.day.note_usage(quota.usage(answer.value))

    async def labels(self, direction: Direction) -> list[dict[str, Any]] | None:
        """Return the association types of one direction, or None if the portal does not list them."""
        request = api.labels(*direction, self._version)
        return await self._listed(request, partial(_association_types, direction=direction))

    async def create_label(self, direction: Direction, *, name: str, label: str, inverse_label: str | None) -> None:
        """Make a label; raises Refused with HubSpot's reason, even if an earlier attempt has made the label."""
        request = api.create_label(
            direction, name=name, label=label, inverse_label=inverse_label, version=self._version
        )
        try:
            await self.gateway.call(request, replies.fields, max_attempts=self._attempts)
        except Retryable as error:
            raise _fatal(error) from error

    async def limits(self) -> Mapping[AssociationType, int]:
        """Return how many associations of a type a record can have, for the types that an admin has limited.

        Empty if the portal does not say: HubSpot refuses what exceeds a limit, so the run does not depend on it.
        """
        request = api.association_limits(self._version)
        try:
            return (await self.gateway.call(request, _limits, max_attempts=1, largest=2**26)).value
        except (Refused, Retryable, MissingScope):
            return {}

    async def schemas(self) -> list[dict[str, Any]] | None:
        """Return the portal's custom objects, or None: listing them needs a scope of its own."""
        try:
            return await self._listed(api.schemas(self._version), _schemas)
        except MissingScope:
            return None

    async def records(self, question: Question, values: Sequence[str]) -> RecordsFound:
        """Return the records with these values (at most a hundred) of a unique property; raises Refused."""
        request = api.records(question.object_type, question.id_property, values, self._version)
        try:
            read = partial(records_found, question=question)
            return (await self.gateway.call(request, read, max_attempts=self._attempts)).value
        except Retryable as error:
            raise _fatal(error) from error

    async def list_records(self, object_type: str, after: str) -> RecordPage:
        """Return a page of the records of an object type, the first if `after` is blank; raises Refused."""
        request = api.list_records(object_type, after, self._version)
        try:
            return (await self.gateway.call(request, _record_page, largest=2**24)).value
        except MissingScope as error:
            raise endings.not_readable(error) from error
        except Retryable as error:
            raise _fatal(error) from error

    async def _listed(self, request: Request, read: Callable[[Reply], T]) -> T | None:
        try:
            return (await self.gateway.call(request, read, max_attempts=self._most, largest=2**26)).value
        except Refused:
            return None
        except MissingScope as error:
            raise endings.not_readable(error) from error
        except Retryable as error:
            raise _fatal(error) from error


def _fatal(error: Refused | Retryable | MissingScope) -> MissingScope | Unreachable | WrongPortal:
    """The error that ends the run if a necessary question cannot be answered."""
    if isinstance(error, MissingScope):
        return error
    if isinstance(error, Retryable):
        return endings.no_answer(error)
    message = (
        f"HubSpot does not say which account this is ({error.message}), so it cannot be compared with the "
        "one that was given"
    )
    return WrongPortal(message, status=error.status, category=error.category)


# --- its answers


def _results_of(reply: Reply) -> list[Any]:
    found: list[Any] = fields_with(reply, key="results", kind=list)["results"]
    return found


def _account_of(reply: Reply) -> Account:
    """Read the account details (`portalId`, `timeZone`, `accountType`); HubSpot gives no name of an account there."""
    body = fields_with(reply, key="portalId", kind=(int, str))
    portal_id, time_zone = json_text(body["portalId"]), body.get("timeZone")
    if not PORTAL_ID.fullmatch(portal_id):
        raise _unusable(reply, f"HubSpot's account details have no account number ({_shown(body['portalId'])})")
    kind = body.get("accountType")
    return Account(
        portal_id,
        time_zone if isinstance(time_zone, str) and len(time_zone) <= LONGEST_TEXT else None,
        kind if isinstance(kind, str) and len(kind) <= LONGEST_TEXT else "",
        reply.headers.get("date", ""),
    )


def _scopes_of(reply: Reply) -> tuple[str, ...]:
    """Read the `scopes` of a token; the other fields are the numbers of app, user and portal."""
    scopes = fields_with(reply, key="scopes", kind=list)["scopes"]
    return tuple(printable(each)[:LONGEST_TEXT] for each in scopes if isinstance(each, str))


def _association_types(reply: Reply, direction: Direction) -> list[dict[str, Any]]:
    """Read the list of association types of one direction; each has `category`, `typeId` (a number) and `label`."""
    found: list[dict[str, Any]] = []
    for item in _results_of(reply):
        entry = item if isinstance(item, dict) else {}
        category, type_id = json_text(entry.get("category")), json_text(entry.get("typeId"))
        if not is_category(category) or not is_type_id(type_id):
            raise _unusable(
                reply,
                f"the association types from {' to '.join(direction)} hold one that cannot be used "
                f"(category {_shown(entry.get('category'))}, type id {_shown(entry.get('typeId'))})",
            )
        found.append({"category": category, "typeId": int(type_id), "label": _text(entry.get("label"))})
    return found


def _limits(reply: Reply) -> dict[AssociationType, int]:
    """Read the association limits: `category`, `typeId` and `userEnforcedMaxToObjectIds`; other entries are skipped."""
    found: dict[AssociationType, int] = {}
    for item in _results_of(reply):
        entry = item if isinstance(item, dict) else {}
        category, type_id = json_text(entry.get("category")), json_text(entry.get("typeId"))
        most = entry.get("userEnforcedMaxToObjectIds")
        if is_category(category) and is_type_id(type_id) and isinstance(most, int) and most >= 0:
            found[AssociationType(category, int(type_id))] = most
    return found


def _schemas(reply: Reply) -> list[dict[str, Any]]:
    """Read the list of custom objects; each has `objectTypeId`, `fullyQualifiedName`, `name` and `labels`."""
    found: list[dict[str, Any]] = []
    for item in _results_of(reply):
        if isinstance(item, dict):
            named = item["labels"] if isinstance(item.get("labels"), dict) else {}
            texts = {key: _text(item.get(key)) for key in ("objectTypeId", "fullyQualifiedName", "name")}
            found.append({**texts, "labels": {key: _text(named.get(key)) for key in ("singular", "plural")}})
    return found


def records_found(reply: Reply, question: Question) -> RecordsFound:
    """Read an answer about values of a unique property: 200, or 207 with the values without a record.

    `absent` are the ids in the `context` of an error: with an id property, they are values. Raises ServerFault for an
    answer that cannot be read.
    """
    body = fields(reply)
    results, errors = body.get("results"), body.get("errors")
    if reply.status not in (200, 207) or not isinstance(results, list):
        raise _unreadable_records(reply, "has no results")
    found: list[tuple[str, str]] = []
    for item in results:
        record_id = _id_of(item, reply)
        properties = item.get("properties")
        value = properties.get(question.id_property) if isinstance(properties, dict) else None
        found.append((str(record_id), json_text(value)))
    return RecordsFound(tuple(found), frozenset(context_of({"errors": errors}).get("ids", ())))


def _record_page(reply: Reply) -> RecordPage:
    """Read a page of a list of records."""
    body = fields(reply)
    results, after = body.get("results"), after_of(body.get("paging"))
    if not isinstance(results, list):
        raise _unreadable_records(reply, "has no results")
    if len(after) > LONGEST_AFTER:
        raise _unreadable_records(reply, "names a next page by an endless text")
    return RecordPage([_id_of(item, reply) for item in results], after)


def _id_of(item: object, reply: Reply) -> int:
    record_id = record_id_of(item.get("id")) if isinstance(item, dict) else 0
    if not record_id:
        raise _unreadable_records(reply, "names a record without its id")
    return record_id


def _unreadable_records(reply: Reply, why: str) -> ServerFault:
    return unreadable(reply, f"about records {why}")


def _text(value: object) -> str | None:
    """Return a text that every file can hold: limited, and without halves of surrogate pairs, which JSON allows."""
    if not isinstance(value, str):
        return None
    text = value.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _shown(value: object) -> str:
    return printable(repr(value if isinstance(value, str) else json_text(value) or type(value).__name__)[:100])


def _unusable(reply: Reply, what: str) -> UnusableAnswer:
    return UnusableAnswer(
        f"HubSpot's answer ({reply.status}) cannot be used: {what}. Nothing was sent; run the same command "
        "again later; if it happens again, look at it in HubSpot or ask its support",
        status=reply.status,
        category="UNUSABLE_ANSWER",
    )
