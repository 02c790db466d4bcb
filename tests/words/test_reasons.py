"""The dictionary of reasons: every code that the loader or HubSpot can put into `error_category` is explained."""

import ast
import re
from collections.abc import Iterator

import pytest

from loader.reasons import ANSWERS, REASONS, ROWS, WHOLE_RECORD, advised, explain, in_short
from loader.reasons.answers import FINER, KINDS_OF_STATUS, OF_THE_LOADER, OWN_STATUSES, STATUSES, UNKNOWN
from tests.house.sources import trees

CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*", re.ASCII)
QUOTED_CODE = re.compile(r"'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'", re.ASCII)

NO_REASON = {
    "categories of association types": {"HUBSPOT_DEFINED", "INTEGRATOR_DEFINED", "UNCHECKED", "USER_DEFINED", "WORK"},
    "values of HubSpot's answers": {"BAD_CLIENT", "BAD_GRANT_TYPE", "BAD_REFRESH_TOKEN", "NO_ASSOCIATIONS_FOUND",
        "TEN_SECONDLY_ROLLING"},
    "methods of HTTP": {"DELETE", "GET", "POST", "PUT"},
    "names of Python": {"FILE_NAME", "O_CLOEXEC", "O_NOFOLLOW"},
    "environment variables": {
        "ASSOCIATION_LOADER_", "ASSOCIATION_LOADER_DATABASE_URL", "ASSOCIATION_LOADER_EXIT_CODE",
        "ASSOCIATION_LOADER_ON_END", "ASSOCIATION_LOADER_PROFILES",
        "HUBSPOT_", "HUBSPOT_ACCESS_TOKEN", "HUBSPOT_BASE_URL", "HUBSPOT_CLIENT_ID",
        "HUBSPOT_CLIENT_SECRET", "HUBSPOT_REFRESH_TOKEN", "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    },
}  # fmt: skip
"""Words in capitals that are no reasons; whoever writes a new one says here what it is, or explains it there."""

CALLED_WITH_A_CODE = {"Mark", "refused", "Reject", "Problem", "Refused", "ServerFault", "ConnectionFault", "Fatal"}


def _codes(tree: ast.AST) -> Iterator[str]:
    """Yield the words that look like a code: longer texts in capitals, and those quoted in a statement of SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if "_" in node.value and CODE.fullmatch(node.value):
                yield node.value
            yield from QUOTED_CODE.findall(node.value)
        if isinstance(node, ast.keyword) and node.arg in {"category", "reason"}:
            yield from _texts(node.value)
        if isinstance(node, ast.Tuple) and len(node.elts) > 2:
            yield from _texts(node.elts[0])
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLED_WITH_A_CODE:
            yield from (text for argument in node.args for text in _texts(argument))


def _texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and CODE.fullmatch(each.value):
            yield each.value


def test_every_code_in_the_source_is_explained() -> None:
    """Those of HubSpot that the sandbox gives, too; and no reason of ours is explained that nothing gives any more."""
    sources = {name: tree for name, tree in trees().items() if not name.startswith("reasons/")}
    found = {code: name for name, tree in sources.items() for code in _codes(tree)}
    known = set(REASONS) | set(FINER) | {word for words in NO_REASON.values() for word in words}
    assert {code: name for code, name in found.items() if code not in known} == {}
    assert set(ROWS) - set(found) == set()
    assert {"TIMEOUT", "REDIRECT", "DNS", "DATE", "VALIDATION_ERROR"} <= set(found)


def test_every_status_without_a_category_is_explained() -> None:
    """`HTTP_<status>` is what the results say of an answer that names no category."""
    for status in range(200, 600):
        reason = explain(f"HTTP_{status}")
        assert reason == ANSWERS.get(f"HTTP_{status}", KINDS_OF_STATUS.get(status // 100))
        assert reason is not UNKNOWN


def test_a_status_that_says_more_than_its_category_has_a_reason() -> None:
    """Whichever is added to those that are tried again: a failure of it is explained, and never a bug."""
    assert set(STATUSES) >= OWN_STATUSES


def test_what_hubspot_makes_up_is_explained_by_its_status() -> None:
    """A category that nobody has heard of is still a refusal or a fault."""
    assert explain("BRAND_NEW", 400) is KINDS_OF_STATUS[4]
    assert explain("BRAND_NEW", 503) is KINDS_OF_STATUS[5]
    assert explain("BRAND_NEW") is UNKNOWN
    assert explain("") is UNKNOWN


def test_a_finer_code_in_the_message_says_more_than_a_wide_category() -> None:
    """HubSpot calls nearly everything a validation error."""
    told = "One or more associations are invalid (INVALID_OBJECT_IDS: CONTACT=7 is not valid)"
    assert explain("VALIDATION_ERROR", 400, told) is REASONS["INVALID_OBJECT_IDS"]
    assert "labels FROM TO" in explain("VALIDATION_ERROR", 400, "x (INVALID_ASSOCIATION_TYPE_ID: ...)").mend
    assert explain("VALIDATION_ERROR", 400, "MY_INVALID_OBJECT_IDS_") is REASONS["VALIDATION_ERROR"]
    assert explain("INVALID_RECORD_ID", None, 'the cell holds "INVALID_OBJECT_IDS"') is ROWS["INVALID_RECORD_ID"]


def test_every_reason_is_said_in_sentences() -> None:
    """A cause and what to do about it, short enough for a table."""
    for code, reason in REASONS.items():
        for sentence in (reason.cause, reason.mend):
            assert sentence[0].isupper(), code
            assert sentence.endswith("."), code
            assert 10 < len(sentence) <= 130, code
        assert reason.retry or "--retry-failed" not in reason.mend, code


def test_what_judges_a_whole_record_is_a_reason() -> None:
    """The set is of codes that there are."""
    assert set(ROWS) >= WHOLE_RECORD


def test_what_hubspot_says_is_quoted_after_what_we_say() -> None:
    """A record that it does not have is named; any other refusal is said in our words."""
    told = "One or more associations are invalid (INVALID_OBJECT_IDS: COMPANY=18250000404 is not valid)"
    said = advised("VALIDATION_ERROR", 400, told)
    assert said.startswith("HubSpot has no company 18250000404. Look the id up in HubSpot")
    assert said.endswith(f"HubSpot says: {told}")
    assert in_short("VALIDATION_ERROR", 400, "LINE_ITEM=7 is not valid, DEAL=8 is not valid") == (
        "HubSpot has no line item 7 and no deal 8."
    )
    assert advised("CONFLICT", 409, "Busy").startswith(REASONS["CONFLICT"].cause)
    assert "HubSpot says" not in advised("TIMEOUT", None, "no whole answer in time")
    assert set(OF_THE_LOADER) <= set(REASONS)


def test_advice_ends_a_message_and_is_not_said_twice() -> None:
    """One full stop between, and none added where the message is ours and says it already."""
    mend = REASONS["HTTP_404"].mend
    assert advised("HTTP_404", 404, "HubSpot answered 404") == f"HubSpot answered 404. {mend}"
    assert advised("HTTP_404", 404, "Not found.") == f"Not found. {mend}"
    assert (
        advised("REDIRECT", 302, "the server redirects: check --base-url") == "the server redirects: check --base-url"
    )


@pytest.mark.parametrize(
    ("category", "status", "message", "says"),
    [
        ("USER_DOES_NOT_HAVE_PERMISSIONS", 403, "no", "Edit Associations"),
        ("VALIDATION_ERROR", 400, "no (crm.associations.USER_DOES_NOT_HAVE_PERMISSIONS)", "Edit Associations"),
        ("HTTP_403", 403, "The user needs the Edit Associations permission", "Edit Associations"),
        ("NO_READ_PERMISSION", 403, "no", "read scopes"),
        ("VALIDATION_ERROR", 400, "x (ASSOCIATION_LIMIT_EXCEEDED: CONTACT=7 has 5)", "as many associations"),
        ("VALIDATION_ERROR", 400, "Record 7 would exceed the limit of 250000 associations", "as many associations"),
        ("VALIDATION_ERROR", 400, "The maximum number of associations has been reached", "as many associations"),
        ("VALIDATION_ERROR", 437, "No more than 50 association types are allowed", "labels"),
        ("HTTP_437", 437, "HubSpot answered 437", "labels"),
        ("VALIDATION_ERROR", 400, "x (INVALID_OBJECT_IDS: CONTACT=7 is not valid)", "since September 2026"),
    ],
)
def test_what_is_new_since_2026_has_reasons_of_its_own(category: str, status: int, message: str, says: str) -> None:
    """Permissions of a person, keys that may not read, limits of associations and of labels, stricter writes."""
    reason = explain(category, status, message)
    assert says in f"{reason.cause} {reason.mend}"
