"""The endpoints for the account, its daily usage and its OAuth tokens."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from loader.sandbox.answers import Answer, json_answer
from loader.sandbox.call import Call, Simulation
from loader.sandbox.errors import HubSpotError

_DEFAULT_DAILY = 1_000_000

_ALL_SCOPES = tuple(
    f"crm.objects.{name}.{right}" for name in ("contacts", "companies", "deals") for right in ("read", "write")
)
"""The scopes of a portal that refuses nothing: those of the usual object types."""


def details(simulation: Simulation, call: Call) -> Answer:
    """The portal's id and time zone."""
    del call
    portal = simulation.portal
    local = datetime.fromtimestamp(simulation.wall(), UTC).astimezone(portal.time_zone)
    offset = local.strftime("%z")
    seconds = local.utcoffset()
    return json_answer(
        200,
        {
            "portalId": portal.portal_id,
            "accountType": "STANDARD",
            "timeZone": portal.time_zone.key,
            "utcOffset": f"{offset[:3]}:{offset[3:]}",
            "utcOffsetMilliseconds": int(seconds.total_seconds() * 1000) if seconds else 0,
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
    )


def daily_usage(simulation: Simulation, call: Call) -> Answer:
    """How much of the day's requests is used and when the day ends."""
    del call
    daily = simulation.limits.daily
    resets_at = simulation.timestamp(daily.resets_at)
    usage = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": _DEFAULT_DAILY if daily.limit is None else daily.limit,
        "currentUsage": daily.used,
        "collectedAt": simulation.timestamp(),
        "fetchStatus": "SUCCESS",
        "resetsAt": resets_at.replace(".000Z", "Z"),
    }
    return json_answer(200, {"results": [usage]})


def token_info(simulation: Simulation, call: Call) -> Answer:
    """The scopes of the token in the body."""
    try:
        token = json.loads(call.body).get("tokenKey")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not token:
        raise HubSpotError(400, "tokenKey is required")
    portal = simulation.portal
    scopes = _ALL_SCOPES if portal.scopes is None else portal.scopes
    return json_answer(200, {"userId": 1, "hubId": portal.portal_id, "appId": 2, "scopes": sorted({*scopes, "oauth"})})


def refresh_token(simulation: Simulation, call: Call) -> Answer:
    """A new access token for a refresh token; the fields are form-encoded in the body."""
    form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
    tokens = simulation.portal.tokens
    issued = tokens.refresh(form, simulation.clock())
    return json_answer(200, issued | {"hub_id": simulation.portal.portal_id, "scopes": []})
