"""Rows that name their records by a unique property's value get the records' ids, before anything is grouped."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from loader.errors import UsageError
from loader.events import LookedUp, LookingUp, Notify
from loader.journal import Lookups, forget_lookups
from loader.model import Direction, FoundRecord, Question
from loader.planning.object_types import ObjectTypes
from loader.planning.own_keys import Inquiry, Records, asked_as
from loader.planning.staging import Staging

MOST_VALUES = 100
"""Documented for every batch of records."""

AT_ONCE = 10
"""Requests under way: at half a second each they keep up with the highest limit that HubSpot has."""

Answers = dict[str, FoundRecord]


async def look_up(
    staging: Staging, directions: Mapping[int, Direction], names: ObjectTypes, records: Records | None, notify: Notify
) -> tuple[LookedUp, ...]:
    """Find the records of all own keys, each value asked for once, and return what was found.

    `directions` are the object types of the sound kinds, `names` what people call them. Answers are on disk as they
    come, so that a load that is stopped goes on with the next value. Without `records` nothing is asked, and the
    returned `found` are None. Raises UsageError for a property that HubSpot cannot be asked for, and Fatal when it
    answers no more.
    """
    found = await asyncio.to_thread(staging.keys.questions, directions, asked_as)
    questions = {each._replace(called=names.shown(each.object_type)): total for each, total in found.items()}
    if records is None or not questions:
        return tuple(LookedUp(each.called, each.id_property, total, None) for each, total in questions.items())
    identity = {**staging.keys.identity(), "portal_id": records.portal_id}
    try:
        with Lookups(staging.keys.lookups, identity) as lookups:
            return tuple(
                [
                    await _ask(question, staging, lookups, records, total, notify)
                    for question, total in questions.items()
                ]
            )
    except UsageError:
        forget_lookups(staging.keys.lookups)
        raise


async def _ask(  # noqa: PLR0917 - called in one place, above
    question: Question, staging: Staging, lookups: Lookups, records: Records, total: int, notify: Notify
) -> LookedUp:
    done = lookups.counts(question).answered

    def take(answers: Answers) -> None:
        nonlocal done
        lookups.save(question, answers)
        done += len(answers)
        notify(LookingUp(question.called, question.id_property, done, total))

    unknown = lookups.unknown(question, staging.keys.values(question))
    await _ask_all(Inquiry(records, question, total), _batches(unknown), take)
    await asyncio.to_thread(staging.keys.answer, question, lookups.answers(question))
    return LookedUp(question.called, question.id_property, total, lookups.counts(question).found)


async def _ask_all(inquiry: Inquiry, batches: Iterator[list[str]], take: Callable[[Answers], None]) -> None:
    async def ask() -> None:
        for batch in batches:
            take(await inquiry.ask(batch))

    # The first alone: whether the question can be asked at all is known before it is asked ten times.
    for batch in islice(batches, 1):
        take(await inquiry.ask(batch))
    crew = [asyncio.create_task(ask(), name=f"look-up-{number}") for number in range(AT_ONCE)]
    try:
        await asyncio.gather(*crew)
    finally:
        for task in crew:
            task.cancel()
        await asyncio.gather(*crew, return_exceptions=True)


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(values)
    while batch := list(islice(rest, MOST_VALUES)):
        yield batch
