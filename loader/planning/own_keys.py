"""Rows that name records by the value of a unique property get the record ids before they are grouped.

HubSpot's answers are matched by the value of the property, never by position: they come in any order, and HubSpot
ignores the case of emails. If a value finds no record, or several, the loader does not guess.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from loader.errors import Refused, UsageError
from loader.events import LookedUp, LookingUp, Notify
from loader.journal import Lookups, forget_lookups
from loader.model import Direction, FoundRecord, Question, RecordsFound
from loader.planning.object_types import ObjectTypes, quoted
from loader.planning.staging import Staging
from loader.send.portal import GatewayPortal

MOST_VALUES = 100
"""The most values in one request (documented for every batch of records)."""

AT_ONCE = 10
"""Requests under way: at half a second each they keep up with the highest limit that HubSpot has."""

_CASELESS = frozenset({"email", "domain"})
_LIKE_A_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*", re.ASCII)


class Matched(NamedTuple):
    """What an answer says about the values; those in `alone` must each be looked up by itself."""

    found: dict[str, FoundRecord]
    alone: list[str]


def asked_as(id_property: str, value: str) -> str:
    """Return the value as it is looked up: two spellings of one email or domain are one value."""
    return value.lower() if id_property in _CASELESS else value


def match(question: Question, values: Sequence[str], answer: RecordsFound) -> Matched:
    """Return the record of each value.

    A value stays open if the answer has records that match no value (HubSpot also finds a contact by a second email,
    and shows the first), or if it differs only by case from another value of the same batch.
    """
    exact, folded = _by_value(answer, str), _by_value(answer, str.casefold)
    matched = Matched({}, [])
    unexplained = {record_id for record_id, _ in answer.records}
    missing = []
    for value in values:
        same = () if value in answer.absent else folded.get(value.casefold(), ())
        records = exact.get(value, ()) if value not in answer.absent else ()
        if not records and same:
            taken = any(other != value and other.casefold() == value.casefold() for other in values)
            records = () if taken else same
        unexplained.difference_update(same)
        if records:
            matched.found[value] = _stands_for(question, value, records)
        elif same:
            matched.alone.append(value)
        else:
            missing.append(value)
    for value in missing:
        if unexplained and value not in answer.absent:
            matched.alone.append(value)
        else:
            matched.found[value] = _not_found(question, value)
    return matched


def match_alone(question: Question, value: str, answer: RecordsFound) -> FoundRecord:
    """Return the record of a value that was looked up alone: then the answer can only be about this value.

    Except for numbers: a number property finds `123` for `00123`, and it is not known whose key that is.
    """
    records = tuple(dict.fromkeys(record_id for record_id, _ in answer.records))
    different = [other for _, other in answer.records if other.casefold() != value.casefold()]
    if not records or (different and _LIKE_A_NUMBER.fullmatch(value)):
        return _not_found(question, value)
    return _stands_for(question, value, records)


def _by_value(answer: RecordsFound, fold: Callable[[str], str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for record_id, value in answer.records:
        key = fold(value)
        found[key] = tuple(dict.fromkeys((*found.get(key, ()), record_id)))
    return found


def _stands_for(question: Question, value: str, records: tuple[str, ...]) -> FoundRecord:
    if len(records) == 1:
        return FoundRecord(records[0], "", "")
    return FoundRecord(
        "",
        "AMBIGUOUS_RECORD",
        f"several {question.called} have the {question.id_property} {quoted(value)}, "
        f"{' and '.join(records[:5])}: write the record id in its place, or merge them in HubSpot",
    )


def _not_found(question: Question, value: str) -> FoundRecord:
    return FoundRecord(
        "",
        "RECORD_NOT_FOUND",
        f"HubSpot has no {question.called} with the {question.id_property} {quoted(value)}: correct the cell, or "
        "create the record in HubSpot first",
    )


def _refused(question: Question, value: str, error: Refused) -> FoundRecord:
    return FoundRecord(
        "",
        "RECORD_NOT_FOUND",
        f"HubSpot cannot look for {question.called} with the {question.id_property} {quoted(value)} "
        f"({error.message}): correct the cell",
    )


class Inquiry:
    """The lookup of one property's values, in batches; `total` is how many values there are.

    A batch that HubSpot refuses is halved until the value that it refuses is found. When it refuses two single values
    and has answered nothing yet, the property cannot be looked up at all.
    """

    def __init__(self, portal: GatewayPortal, question: Question, total: int) -> None:
        self._portal = portal
        self._question = question
        self._patience = min(total, 2)
        self.answered = False

    async def ask(self, values: Sequence[str]) -> dict[str, FoundRecord]:
        """Return the record of each value; raises UsageError for a property that cannot be looked up, and Fatal."""
        try:
            answer = await self._portal.records(self._question, values)
        except Refused as error:
            return await self._refused(values, error)
        self.answered = True
        if len(values) == 1:
            return {values[0]: match_alone(self._question, values[0], answer)}
        found, alone = match(self._question, values, answer)
        for value in alone:
            found |= await self.ask([value])
        return found

    async def _refused(self, values: Sequence[str], error: Refused) -> dict[str, FoundRecord]:
        if len(values) > 1:
            middle = len(values) // 2
            return await self.ask(values[:middle]) | await self.ask(values[middle:])
        self._patience -= 1
        if not self.answered and self._patience <= 0:
            name = self._question.called
            raise UsageError(
                f"HubSpot cannot look up {name} by {self._question.id_property!r} ({error.message}): give a property "
                f"of {name} whose values are unique"
            ) from error
        return {values[0]: _refused(self._question, values[0], error)}


async def look_up(
    staging: Staging,
    directions: Mapping[int, Direction],
    names: ObjectTypes,
    portal: GatewayPortal | None,
    notify: Notify,
) -> tuple[LookedUp, ...]:
    """Find the records of all own keys, each value looked up once, and return what was found.

    `directions` are the object types of the kinds that can be sent, `names` their names for people. Each answer is
    stored at once, so that a stopped load resumes with the next value. Without a portal no request is sent, and the
    returned `found` are None. Raises UsageError for a property that HubSpot cannot look up, and Fatal when no request
    can succeed.
    """
    found = await asyncio.to_thread(staging.keys.questions, directions, asked_as)
    questions = {each._replace(called=names.shown(each.object_type)): total for each, total in found.items()}
    if portal is None or not questions:
        return tuple(LookedUp(each.called, each.id_property, total, None) for each, total in questions.items())
    identity = {**staging.keys.identity(), "portal_id": portal.portal_id}
    try:
        with Lookups(staging.keys.lookups_path, identity) as lookups:
            return tuple(
                [await _ask(question, staging, lookups, portal, total, notify) for question, total in questions.items()]
            )
    except UsageError:
        forget_lookups(staging.keys.lookups_path)
        raise


async def _ask(  # noqa: PLR0917 - called in one place, above
    question: Question, staging: Staging, lookups: Lookups, portal: GatewayPortal, total: int, notify: Notify
) -> LookedUp:
    """Look up every value of one question that has no answer on disk."""
    inquiry = Inquiry(portal, question, total)
    unknown = iter(lookups.unknown(question, staging.keys.values(question)))
    batches = iter(lambda: list(islice(unknown, MOST_VALUES)), [])
    done = lookups.counts(question).answered

    async def ask(batches: Iterator[list[str]]) -> None:
        nonlocal done
        for batch in batches:
            answers = await inquiry.ask(batch)
            lookups.save(question, answers)
            done += len(answers)
            notify(LookingUp(question.called, question.id_property, done, total))

    # The first batch goes alone: a property that HubSpot cannot look up is then refused once, not ten times.
    await ask(islice(batches, 1))
    tasks = [asyncio.create_task(ask(batches), name=f"look-up-{number}") for number in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.to_thread(staging.keys.answer, question, lookups.answers(question))
    return LookedUp(question.called, question.id_property, total, lookups.counts(question).found)
