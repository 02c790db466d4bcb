"""Tokens that may not do all that a load needs, as HubSpot answers them since 2026: it stops, and says what to do."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

LEFT = "This app's user does not have the permission to edit associations."


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("body", "method"),
    [
        ({"message": LEFT, "category": "USER_DOES_NOT_HAVE_PERMISSIONS"}, "put"),
        ({"message": LEFT, "subCategory": "crm.associations.USER_DOES_NOT_HAVE_PERMISSIONS"}, "batch"),
        ({"message": "The user needs the Edit Associations permission.", "category": "FORBIDDEN"}, "put"),
    ],
)
def test_a_missing_permission_of_the_user_is_said(hubspot: Run, load: Run, body: dict[str, str], method: str) -> None:
    """Exit 3, no row failed, HubSpot's sentence and the way on; the token itself is in order."""
    route = {"put": "pair", "batch": "batch/create"}[method]
    with hubspot(faults=[{"fault": "403", "route": route, "body": body}]):
        done = load("in.csv", "--method", method, text="from_id,to_id\n1,2\n3,4\n")
    assert done.code == 3
    said = " ".join(done.err.split())
    assert body["message"].rstrip(".") in said
    assert 'Give that person the permission "Edit Associations" in HubSpot, or use a service key' in said


USAGE = {"usageLimit": 250_000, "collectedAt": "2026-10-01T00:00:00Z", "fetchStatus": "SUCCESS"}


@pytest.mark.parametrize(("used", "known"), [(0, False), (1, True)])
def test_a_daily_usage_of_zero_is_not_trusted(hubspot: Run, load: Run, used: int, known: bool) -> None:
    """The usage page does not count a service key's requests: a reserve cannot be kept by it, and that is said."""
    body = {"results": [{"name": "private-apps-api-calls-daily", **USAGE, "currentUsage": used}]}
    with hubspot(faults=[{"fault": "200", "route": "daily-usage", "body": body}]):
        done = load("in.csv", "--daily-reserve", "10%", text="from_id,to_id\n1,2\n")
    assert done.code == 0
    assert ("--daily-reserve has no effect" in done.err) is not known


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("batch/read", {"status": "error", "message": "Forbidden"}),
        ("labels", {"message": "no", "category": "MISSING_SCOPES"}),
    ],
)
def test_a_key_that_may_only_write_is_refused(hubspot: Run, load: Run, route: str, body: dict[str, str]) -> None:
    """HubSpot's 403 names no scope: it is said which are missing, and nothing is written."""
    Path("in.csv").write_text("from_id,to_id\n1,2\n3,4\n")
    with hubspot(faults=[{"fault": "403", "route": route, "body": body}]) as sandbox:
        done = load("in.csv", *(["--label", "Boss"] if route == "labels" else []))
        assert sandbox.count("PUT") == 0
    assert done.code == 3
    said = " ".join(done.err.split())
    assert "add the read scopes of both object types" in said
    assert body["message"] in said


def test_a_reading_that_is_refused_for_a_scope_names_the_scope(hubspot: Run, load: Run) -> None:
    """HubSpot knows better than the loader what is missing."""
    with hubspot(faults=[{"fault": "403", "route": "batch/read"}]):
        done = load("in.csv", text="from_id,to_id\n1,2\n")
    assert done.code == 3
    assert "add one of these scopes: crm.objects.contacts.write" in " ".join(done.err.split())
