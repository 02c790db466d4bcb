"""Which record a value stands for: matched by the property's value, or looked up alone, or refused; never guessed."""

from collections.abc import Sequence

import pytest

from loader.errors import Refused
from loader.model import FoundRecord, Question, RecordsFound
from loader.planning.own_keys import Inquiry, asked_as, match, match_alone
from loader.reasons import REASONS
from loader.send.portal import GatewayPortal

EMAIL = Question("0-1", "email", "contacts")
KEY = Question("2-7", "external_id", "Cars")


def answer(*records: tuple[str, str], absent: Sequence[str] = ()) -> RecordsFound:
    return RecordsFound(records, frozenset(absent))


@pytest.mark.parametrize(
    ("values", "said", "found", "alone"),
    [
        (["a", "b"], answer(("2", "b"), ("1", "a")), {"a": "1", "b": "2"}, []),
        (["a", "b"], answer(("1", "a"), absent=["b"]), {"a": "1", "b": "RECORD_NOT_FOUND"}, []),
        (["a", "b"], answer(("1", "a")), {"a": "1", "b": "RECORD_NOT_FOUND"}, []),
        (["a"], answer(("1", "A")), {"a": "1"}, []),
        (["stra\u00dfe"], answer(("1", "STRASSE")), {"stra\u00dfe": "1"}, []),
        (["a"], answer(("1", "a"), ("2", "a")), {"a": "AMBIGUOUS_RECORD"}, []),
        (["a"], answer(("1", "a"), ("2", "A")), {"a": "1"}, []),
        (["a"], answer(("1", "a"), ("1", "a")), {"a": "1"}, []),
        (["abc", "ABC"], answer(("1", "abc"), ("2", "ABC")), {"abc": "1", "ABC": "2"}, []),
        (["abc", "ABC"], answer(("1", "abc")), {"abc": "1"}, ["ABC"]),
        (["abc", "ABC"], answer(("1", "abc"), absent=["ABC"]), {"abc": "1", "ABC": "RECORD_NOT_FOUND"}, []),
        (["second@x", "b"], answer(("1", "first@x"), ("2", "b")), {"b": "2"}, ["second@x"]),
        (["second@x", "c"], answer(("1", "first@x"), absent=["c"]), {"c": "RECORD_NOT_FOUND"}, ["second@x"]),
        (["a"], answer(("1", "")), {}, ["a"]),
        ([], answer(), {}, []),
    ],
)  # fmt: skip
def test_an_answer_is_matched_by_value(
    values: list[str], said: RecordsFound, found: dict[str, str], alone: list[str]
) -> None:
    """Order and case do not matter; a record that no value explains leaves those without one open."""
    matched = match(KEY, values, said)
    assert {value: each.record_id or each.reason for value, each in matched.found.items()} == found
    assert matched.alone == alone


@pytest.mark.parametrize(
    ("value", "said", "found"),
    [
        ("second@x", answer(("1", "first@x")), "1"),
        ("a", answer(), "RECORD_NOT_FOUND"),
        ("a", answer(absent=["a"]), "RECORD_NOT_FOUND"),
        ("a", answer(("1", "x"), ("2", "y")), "AMBIGUOUS_RECORD"),
        ("00123", answer(("1", "123")), "RECORD_NOT_FOUND"),
        ("00123", answer(("1", "00123")), "1"),
        ("1,5", answer(("1", "15")), "RECORD_NOT_FOUND"),
    ],
)
def test_an_answer_about_one_value_is_about_nothing_else(value: str, said: RecordsFound, found: str) -> None:
    """HubSpot's verdict counts, but not that `00123` is the record of 123."""
    verdict = match_alone(KEY, value, said)
    assert (verdict.record_id or verdict.reason) == found


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            answer(),
            (
                "HubSpot has no contacts with the email 'a\\x1b[2J': correct the cell, or create the record in "
                "HubSpot first"
            ),
        ),
        (answer(("1", "a\x1b[2J"), ("2", "a\x1b[2J")), "several contacts have the email 'a\\x1b[2J', 1 and 2: write"),
    ],
)
def test_a_refusal_names_the_value_and_the_way_on(said: RecordsFound, words: str) -> None:
    """One printable sentence whose reason the dictionary has."""
    verdict = match_alone(EMAIL, "a\x1b[2J", said)
    assert verdict.message.startswith(words)
    assert verdict.message.isprintable()
    assert verdict.reason in REASONS


def test_emails_and_domains_are_looked_up_in_small_letters() -> None:
    """HubSpot keeps both in small letters; of other properties it is not known."""
    assert asked_as("email", "Ada@Example.COM") == "ada@example.com"
    assert asked_as("domain", "ACME.example") == "acme.example"
    assert asked_as("external_id", "Ab1") == "Ab1"


class Portal(GatewayPortal):
    """Refuses every batch that holds a value of `odd`; else knows the records, by a second value, too."""

    def __init__(self, records: dict[str, str], odd: Sequence[str] = (), second: dict[str, str] | None = None) -> None:
        self.portal_id: str | None = None
        self.requests: list[list[str]] = []
        self._records, self._odd, self._second = records, odd, second or {}

    async def records(self, question: Question, values: Sequence[str]) -> RecordsFound:
        """Return the records that have these values."""
        self.requests.append(list(values))
        if set(values) & set(self._odd):
            raise Refused("no such value", status=400)
        named = {self._second.get(value, value) for value in values}
        return RecordsFound(tuple((self._records[name], name) for name in named if name in self._records), frozenset())


async def test_a_value_that_is_found_by_another_is_looked_up_alone() -> None:
    """A contact's second email: HubSpot shows the first."""
    portal = Portal({"first@x": "1", "b@x": "2"}, second={"second@x": "first@x"})
    found = await Inquiry(portal, EMAIL, 3).ask(["b@x", "nobody@x", "second@x"])
    assert {value: each.record_id or each.reason for value, each in found.items()} == {
        "b@x": "2",
        "nobody@x": "RECORD_NOT_FOUND",
        "second@x": "1",
    }
    assert portal.requests == [["b@x", "nobody@x", "second@x"], ["nobody@x"], ["second@x"]]


async def test_after_an_answer_refusals_are_about_their_values() -> None:
    portal = Portal({"a": "1"}, odd=["x", "y", "z"])
    inquiry = Inquiry(portal, KEY, 4)
    assert await inquiry.ask(["a"]) == {"a": FoundRecord("1", "", "")}
    found = await inquiry.ask(["x", "y", "z"])
    assert [each.reason for each in found.values()] == ["RECORD_NOT_FOUND"] * 3
