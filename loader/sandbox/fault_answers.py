"""The answers of faults that are plain HTTP."""

import json
from collections.abc import Mapping

from loader.sandbox.answers import JSON_TYPE, NO_CONTENT, Answer, Json, json_answer
from loader.sandbox.call import Simulation
from loader.sandbox.errors import HubSpotError, expired, missing_scopes, unauthenticated
from loader.sandbox.faults import Fault
from loader.sandbox.limits import DAILY, TEN_SECONDLY, Refusal

_HTML = b"<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
_HTML_TYPE = "text/html; charset=utf-8"
CORRELATION_HEADER = "x-hubspot-correlation-id"
"""Weakly observed; in an error answer it equals the body's correlationId."""
_SCOPES = ("crm.objects.contacts.write", "crm.objects.companies.write")
_ID_FIELDS = frozenset({"fromObjectId", "toObjectId", "id"})


def fault_answer(simulation: Simulation, fault: Fault, true_answer: Answer) -> Answer:
    """The answer that a fault gives: its script's parts over the default of its name or status.

    ``true_answer`` is what the endpoint answered, or a stand-in where the write was not applied.
    """
    default = _default(simulation, fault, true_answer)
    body = default.body if fault.body is None else fault.body
    content_type = fault.content_type or default.content_type
    return Answer(fault.status or default.status, body, content_type, {**default.headers, **fault.headers})


def _default(simulation: Simulation, fault: Fault, true_answer: Answer) -> Answer:
    made = _made_up(fault)
    if made is not None:
        return made
    match fault.name:
        case "429-daily":
            return refused(simulation, DAILY)
        case "401-expired" | "expire-token":
            return refused(simulation, expired(simulation.timestamp()))
        case "200-errors":
            return json_answer(200, _errors(simulation))
        case "pending":
            now = simulation.timestamp()
            pending = {"status": "PENDING", "results": [], "startedAt": now, "completedAt": now}
            return json_answer(200, pending)
        case "processing" | "canceled":
            return true_answer._replace(body=_with_status(true_answer.body, fault.name.upper()))
        case "other-ids":
            return true_answer._replace(body=_with_other_ids(true_answer.body))
        case "truncated":
            return true_answer._replace(body=true_answer.body[: len(true_answer.body) // 2])
    if fault.name.isdigit():
        return _of_status(simulation, int(fault.name))
    return true_answer


def refused(simulation: Simulation, refusal: HubSpotError | Refusal) -> Answer:
    """The answer for an error or for a request over a limit."""
    correlation_id = simulation.correlation_id()
    headers = {CORRELATION_HEADER: correlation_id}
    if isinstance(refusal, HubSpotError):
        return json_answer(refusal.status, refusal.body(correlation_id), headers)
    return json_answer(429, simulation.limits.refusal_body(refusal, correlation_id), headers)


def _made_up(fault: Fault) -> Answer | None:
    match fault.name:
        case "html":
            return Answer(200, _HTML, _HTML_TYPE)
        case "empty":
            return Answer(200)
        case "list":
            return Answer(200, b"[]")
        case "null":
            return Answer(200, b"null")
        case "string":
            return Answer(200, b'"created"')
        case "invalid-utf8":
            return Answer(200, b'{"entity":"\xff\xfe\xc3\x28"}')
        case "deep":
            return Answer(200, b"[" * (fault.size or 100_000))
        case "long-number":
            return Answer(200, b'{"entity":' + b"9" * (fault.size or 5_000) + b"}")
    return None


def _of_status(simulation: Simulation, status: int) -> Answer:
    """HubSpot's answer for a status: documented or observed where there is one, else a plain error."""
    match status:
        case 204 | 304:
            return NO_CONTENT._replace(status=status)
        case 201 | 202:
            return Answer(status)
        case 207:
            return json_answer(207, _errors(simulation))
        case 401:
            return refused(simulation, unauthenticated())
        case 403:
            return refused(simulation, missing_scopes(_SCOPES))
        case 423:
            return refused(simulation, HubSpotError(423, "The resource is locked"))
        case 429:
            return refused(simulation, TEN_SECONDLY)
        case 477:
            answer = refused(simulation, HubSpotError(477, "Migration in progress"))
            return answer._replace(headers={**answer.headers, "Retry-After": "86400"})
        case 500:
            return refused(simulation, HubSpotError(500, "internal error"))
    if status > 500:
        return Answer(status, _HTML, _HTML_TYPE)
    if status >= 400:
        category = "OBJECT_NOT_FOUND" if status == 404 else "VALIDATION_ERROR"
        return refused(simulation, HubSpotError(status, "The request was refused", category))
    return Answer(status, b"{}" if status == 200 else b"")


def _errors(simulation: Simulation) -> Mapping[str, Json]:
    now = simulation.timestamp()
    error = HubSpotError(400, "One or more associations are invalid", "VALIDATION_ERROR").item({})
    return {
        "status": "COMPLETE",
        "results": [],
        "numErrors": 1,
        "errors": [error],
        "startedAt": now,
        "completedAt": now,
    }


def _with_status(body: bytes, status: str) -> bytes:
    """The body of a batch answer with another ``status``; any other body as it is."""
    answer = json.loads(body) if body else None
    if not isinstance(answer, dict) or "results" not in answer:
        return body
    return json.dumps(answer | {"status": status}).encode()


def _with_other_ids(body: bytes) -> bytes:
    return json.dumps(_shifted(json.loads(body))).encode() if body else body


def _shifted(value: object) -> object:
    if isinstance(value, list):
        return [_shifted(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _other(each) if name in _ID_FIELDS else _shifted(each) for name, each in value.items()}


def _other(record_id: object) -> object:
    if isinstance(record_id, int):
        return record_id + 1
    return str(int(record_id) + 1) if isinstance(record_id, str) and record_id.isdigit() else record_id


STAND_IN = Answer(200, b'{"status":"COMPLETE","results":[]}', JSON_TYPE)
"""The answer that a fault damages when the write is not applied."""
