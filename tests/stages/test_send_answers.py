"""What is sent and what answers mean: paths and bodies, every status and shape of body, and tokens."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from loader.errors import (
    ApiError,
    DailyQuotaSpent,
    LimitUnnamed,
    MissingScope,
    PortalMigrating,
    RateLimited,
    RecordLocked,
    Refused,
    ServerFault,
    Unauthorized,
)
from loader.model import AssociationType, Pair
from loader.send import api, replies
from loader.send.auth import OAuthToken, StaticToken, credential
from loader.send.replies import Created, Reply
from loader.settings import OAuthCredentials, Rate, Secret

NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
TYPES = (AssociationType("HUBSPOT_DEFINED", 279), AssociationType("USER_DEFINED", 3))
PAIR = Pair(1, "0-1", "101", "0-2", "9223372036854775807", TYPES, 1)
BARE = {
    "fromObjectTypeId": "0-1",
    "fromObjectId": 101,
    "toObjectTypeId": "0-2",
    "toObjectId": 9223372036854775807,
    "labels": ["Decision maker", None],
}
TEXT_IDS = {**BARE, "fromObjectId": "101", "toObjectId": "9223372036854775807"}


def reply(body: Any, status: int = 201, **headers: str) -> Reply:
    return Reply(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def error_of(status: int, body: Any = b"", **headers: str) -> ApiError:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    with pytest.raises(ApiError) as caught:
        replies.raise_for(reply(body, status, **names), lambda: NOW)
    return caught.value


# --- requests


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (api.labels("contacts", "p1_lender", "v4"), "/crm/v4/associations/contacts/p1_lender/labels"),
        (api.labels("0-1", "2-77", "2026-03"), "/crm/associations/2026-03/0-1/2-77/labels"),
        (api.schemas("v4"), "/crm-object-schemas/v3/schemas"),
        (api.schemas("2026-03"), "/crm-object-schemas/2026-03/schemas"),
        (api.account_details("v4"), "/account-info/v3/details"),
        (api.account_details("2026-09"), "/account-info/2026-09/details"),
    ],
)
def test_reads_go_to_the_path_of_their_version(request_: api.Request, path: str) -> None:
    assert (request_.method, request_.path, request_.body) == ("GET", path, None)


@pytest.mark.parametrize("text", ["", 'X","y":"', "hubspot_defined", "HUBSPOT DEFINED", "X\n"])
def test_a_category_that_could_rewrite_the_body_never_gets_through(text: str) -> None:
    with pytest.raises(ValueError, match="not an association category"):
        api.types_body((AssociationType(text, 1),))


# --- what a PUT's answer says


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("body", "resource_id", "labels"),
    [
        (BARE, "", ("Decision maker",)),
        (TEXT_IDS, "", ("Decision maker",)),
        ({**BARE, "labels": []}, "", ()),
        ({**BARE, "labels": "odd"}, "", ()),
        ({"createdResourceId": "77", "entity": TEXT_IDS, "location": "/x"}, "77", ("Decision maker",)),
        ({"createdResourceId": 77, "entity": BARE}, "77", ("Decision maker",)),
        ({"createdResourceId": "77"}, "77", ()),
        ({"createdResourceId": None, "entity": BARE}, "", ("Decision maker",)),
        ({"createdResourceId": "7\n7", "entity": BARE}, "7\\n7", ("Decision maker",)),
        ({**BARE, "errors": [], "numErrors": 0}, "", ("Decision maker",)),
        (b"\xef\xbb\xbf" + json.dumps(BARE).encode(), "", ("Decision maker",)),
    ],
)
def test_both_shapes_of_answer_are_a_success_with_ids_of_any_form(
    status: int, body: Any, resource_id: str, labels: tuple[str, ...]
) -> None:
    assert replies.created(reply(body, status), PAIR) == Created(resource_id, labels)


@pytest.mark.parametrize(("status", "body"), [(201, b""), (204, b""), (201, b" \n")])
def test_an_empty_201_or_204_is_a_success_without_an_id(status: int, body: bytes) -> None:
    assert replies.created(reply(body, status), PAIR) == Created("", ())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (202, b""),
        (202, BARE),
        (206, BARE),
        (207, BARE),
        (200, b"<html><body>Sign in to this network</body></html>"),
        (201, b'{"fromObjectId": 101, "toObj'),
        (201, b"null"),
        (201, b"[]"),
        (201, [BARE]),
        (201, b'"text"'),
        (201, b"7"),
        (201, b"true"),
        (201, {}),
        (201, {"status": "PENDING", "results": []}),
        (201, {"entity": "x"}),
        (201, {"fromObjectId": 101}),
        (201, {**BARE, "toObjectId": None}),
        (201, {**BARE, "toObjectId": 201.0}),
        (201, {**BARE, "toObjectId": True}),
        (201, {**BARE, "toObjectId": [201]}),
        (201, {"createdResourceId": "7", "entity": {**BARE, "toObjectId": {}}}),
        (201, b"\xff\xfe\xff"),
        (201, b'{"fromObjectId": "\xff"}'),
        (201, b"[" * 100_000),
        (201, b'{"a":' * 100_000),
        (201, b'{"fromObjectId": ' + b"1" * 5000 + b"}"),
    ],
)
def test_an_answer_that_does_not_say_what_happened_is_tried_again(status: int, body: Any) -> None:
    with pytest.raises(ServerFault) as caught:
        replies.created(reply(body, status), PAIR)
    assert caught.value.status == status
    assert caught.value.category == "UNREADABLE_ANSWER"
    assert len(caught.value.message) <= 500


@pytest.mark.parametrize(
    "body",
    [
        {**BARE, "errors": [{"message": "no"}], "message": "no"},
        {**BARE, "numErrors": 1, "message": "no"},
        {"status": "error", "message": "no", "correlationId": "c"},
        {"createdResourceId": "7", "entity": BARE, "numErrors": 2, "message": "no"},
    ],
)
def test_an_error_inside_a_200_is_never_a_success(body: Any) -> None:
    with pytest.raises(Refused, match="no"):
        replies.created(reply(body, 200), PAIR)


@pytest.mark.parametrize(
    ("body", "category"),
    [
        ({**BARE, "fromObjectId": 102}, "RECORD_MERGED"),
        ({**BARE, "toObjectId": "201"}, "RECORD_MERGED"),
        ({"createdResourceId": "7", "entity": {**TEXT_IDS, "toObjectId": "9223372036854775806"}}, "RECORD_MERGED"),
        ({**BARE, "fromObjectId": BARE["toObjectId"], "toObjectId": 101}, "ANSWER_FOR_OTHER_RECORDS"),
        ({**BARE, "fromObjectId": "0101"}, "ANSWER_FOR_OTHER_RECORDS"),
        ({**BARE, "fromObjectId": int("9" * 4000)}, "ANSWER_FOR_OTHER_RECORDS"),
    ],
)
def test_an_answer_for_other_records_is_no_success(body: Any, category: str) -> None:
    """About one other record it is that of a merged one; about two, or none, it cannot be explained."""
    with pytest.raises(Refused) as caught:
        replies.created(reply(body), PAIR)
    assert caught.value.category == category
    assert len(caught.value.message) <= 500


# --- what other answers mean


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207, 299])
def test_a_2xx_raises_nothing_by_itself(status: int) -> None:
    replies.raise_for(reply(b"", status), lambda: NOW)


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (RecordLocked, [423]),
        (ServerFault, [408, 425, 500, 502, 503, 504, 521, 522, 523, 524, 525, 526, 599]),
        (LimitUnnamed, [429]),
        (Unauthorized, [401]),
        (MissingScope, [403]),
        (PortalMigrating, [477]),
        (Refused, [400, 404, 405, 409, 410, 413, 414, 418, 422, 451, 499]),
        (Refused, [300, 301, 302, 303, 304, 307, 308]),
    ],
)
def test_each_status_has_one_meaning_whatever_the_body(kind: type[ApiError], statuses: list[int]) -> None:
    bodies = (b"", b"<html>Bad gateway</html>", b"null", b"[]", {"message": "m"}, b"\xff", b"[" * 99_999, {"errors": 7})
    for status in statuses:
        for body in bodies:
            error = error_of(status, body)
            assert (type(error), error.status) == (kind, status)
            assert error.message
            assert error.category


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"policyName": "DAILY"}, DailyQuotaSpent),
        ({"message": "You have reached your daily limit.", "errorType": "RATE_LIMIT"}, DailyQuotaSpent),
        ({"policyName": "TEN_SECONDLY_ROLLING", "message": "your daily bread"}, RateLimited),
        ({"policyName": "SECONDLY"}, RateLimited),
        ({"message": "You have reached your ten_secondly_rolling limit."}, RateLimited),
        ({"category": "RATE_LIMITS"}, LimitUnnamed),
    ],
)
def test_a_429_is_of_the_day_or_of_the_moment_by_its_policy_name(body: Any, kind: type[ApiError]) -> None:
    assert type(error_of(429, body)) is kind


def test_hubspots_message_is_kept_with_the_record_that_it_names() -> None:
    body = {
        "status": "error",
        "message": "One or more associations are invalid",
        "correlationId": "abc-1",
        "context": {"INVALID_OBJECT_IDS": ["CONTACT=7 is not valid"], "objectId": ["7"]},
        "category": "VALIDATION_ERROR",
    }
    error = error_of(400, body)
    assert error.message == "One or more associations are invalid (INVALID_OBJECT_IDS: CONTACT=7 is not valid)"
    assert (error.category, error.correlation_id, error.status) == ("VALIDATION_ERROR", "abc-1", 400)


def test_what_an_error_lacks_is_made_up_for() -> None:
    error = error_of(404, b"", x_hubspot_correlation_id="c-2")
    assert (error.message, error.category, error.correlation_id) == ("HubSpot answered 404", "HTTP_404", "c-2")
    assert error_of(429, {"errorType": "RATE_LIMIT"}).category == "RATE_LIMIT"


@pytest.mark.parametrize("key", ["requiredScopes", "missingScopes"])
def test_a_403_names_the_scopes(key: str) -> None:
    body = {"message": "no", "errors": ["odd", {"context": {key: ["crm.objects.contacts.write", "tickets"]}}]}
    assert "crm.objects.contacts.write, tickets" in error_of(403, body).message


@pytest.mark.parametrize(
    ("status", "text", "seconds"), [(477, "86400", 86400), (503, "Mon, 23 Nov 2026 23:00:05 GMT", 5)]
)
def test_when_to_come_back_is_kept(status: int, text: str, seconds: float) -> None:
    assert error_of(status, b"", retry_after=text).retry_after == seconds


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://evil.example/x", "evil.example"),
        ("http://user:pass@evil.example/", "evil.example"),
        ("//evil.example", "evil.example"),
        ("/login", "itself"),
        ("file:///etc/passwd", "an unnamed place"),
        ("http://[bad", "an address that is none"),
        ("", "an unnamed place"),
    ],
)
def test_a_redirect_names_where_it_wanted_to_lead(location: str, host: str) -> None:
    assert f"redirects to {host}," in error_of(307, b"", location=location).message


@pytest.mark.parametrize("text", ["a" * 600, "\x1b" * 600, "\U0001f4a9\x00" * 300, "\ud800" * 400])
def test_messages_are_short_and_hold_no_control_characters(text: str) -> None:
    for error in (error_of(400, {"message": text}), error_of(500, text.encode("utf-8", "replace"))):
        assert len(error.message) <= 500
        assert error.message.isprintable()


@pytest.mark.parametrize(
    ("most", "milliseconds", "rate"),
    [
        ("190", "10000", Rate(190, 10.0)),
        ("100", "1000", Rate(100, 1.0)),
        ("0", "10000", None),
        ("190", "0", None),
        ("-1", "10000", None),
        ("x", "10000", None),
        ("190", "", None),
        ("9" * 30, "10000", None),
        ("²", "10000", None),
    ],
)
def test_only_a_limit_in_digits_is_taken_from_the_headers(most: str, milliseconds: str, rate: Rate | None) -> None:
    headers = {"x-hubspot-ratelimit-max": most, "x-hubspot-ratelimit-interval-milliseconds": milliseconds}
    assert replies.rate_stated(headers) == rate
    assert replies.rate_stated({}) is None


@pytest.mark.parametrize(
    ("rate", "credible"),
    [
        (Rate(100, 10.0), True),
        (Rate(250, 10.0), True),
        (Rate(19, 1.0), True),
        (Rate(1, 600.0), False),
        (Rate(1, 10.0), False),
        (Rate(6000, 600.0), False),
        (Rate(999_999_999, 10.0), False),
        (Rate(100, 0.001), False),
    ],
)
def test_a_limit_that_hubspot_cannot_have_given_is_not_believed(rate: Rate, *, credible: bool) -> None:
    assert replies.is_credible(rate) is credible


@pytest.mark.parametrize(
    ("left", "daily", "quota"),
    [("5", "100", (5, 100)), ("0", "", (0, None)), ("", "", (None, None)), ("-1", "x", (None, None))],
)
def test_the_days_quota_is_read_from_the_headers(left: str, daily: str, quota: tuple[int | None, int | None]) -> None:
    headers = {"x-hubspot-ratelimit-daily-remaining": left, "x-hubspot-ratelimit-daily": daily}
    assert replies.daily_quota(headers) == quota


# --- tokens

OAUTH = OAuthCredentials(client_id="id", client_secret=Secret("s&cret"), refresh_token=Secret("refresh-1"))


def test_a_static_token_signs_and_is_never_due() -> None:
    token = credential(Secret("pat-1"), "v4")
    assert isinstance(token, StaticToken)
    assert token.header() == "Bearer pat-1"
    assert not token.renewable
    assert "pat-1" not in f"{token!r}{vars(token)!r}"


def test_a_new_token_is_asked_for_with_all_secrets_in_the_body() -> None:
    request = OAuthToken(OAUTH, "v4").request()
    assert (request.method, request.path, request.content_type) == (
        "POST", "/oauth/v3/token", "application/x-www-form-urlencoded",
    )  # fmt: skip
    body = b"grant_type=refresh_token&client_id=id&client_secret=s%26cret&refresh_token=refresh-1"
    assert request.body == body


@pytest.mark.parametrize("expires_in", [1800, 1, 0.5])
def test_a_token_is_renewed_at_80_percent_of_its_life(expires_in: float) -> None:
    token = OAuthToken(OAUTH, "v4")
    assert token.is_stale(0, None)
    token.accept({"access_token": "a-1", "expires_in": expires_in}, 1000.0)
    assert token.header() == "Bearer a-1"
    assert not token.is_stale(1000 + 0.79 * expires_in, None)
    assert token.is_stale(1000 + 0.81 * expires_in, None)
    assert "a-1" not in f"{token!r}{vars(token)!r}"


def test_a_rotated_refresh_token_is_kept_and_the_portal_named() -> None:
    token = OAuthToken(OAUTH, "v4")
    assert token.accept({"access_token": "a", "expires_in": 9, "refresh_token": "refresh-2", "hub_id": 7}, 0) == "7"
    assert (token.request().body or b"").endswith(b"refresh_token=refresh-2")
    assert set(token.secrets()) == {"a", "refresh-2", "refresh-1", "s&cret"}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "a"},
        {"access_token": None, "expires_in": 1800},
        {"access_token": "", "expires_in": 1800},
        {"access_token": "a\r\nX: y", "expires_in": 1800},
        {"access_token": "a b", "expires_in": 1800},
        {"access_token": "ä", "expires_in": 1800},
        {"access_token": "a", "expires_in": "1800"},
        {"access_token": "a", "expires_in": 0},
        {"access_token": "a", "expires_in": float("nan")},
    ],
)
def test_an_answer_without_a_usable_token_is_fatal(answer: dict[str, object]) -> None:
    with pytest.raises(Unauthorized, match="holds no access token"):
        OAuthToken(OAUTH, "v4").accept(answer, 0.0)


def test_a_token_that_claims_to_live_for_ever_does_no_harm() -> None:
    token = OAuthToken(OAUTH, "v4")
    token.accept({"access_token": "a", "expires_in": 10**400}, 0.0)
    assert not token.is_stale(10**6, None)
