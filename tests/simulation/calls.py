"""Requests as HubSpot reads them: which endpoint, which records, which association types."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from loader.send.api import Request
from tests.simulation.portal import Kind, Pair, Record, pair_of, seen_from_first

_NAMES = {"contacts": "0-1", "companies": "0-2", "deals": "0-3"}

_PUT = re.compile(r"/crm/(?:v4/objects|objects/[0-9-]+)/([^/]+)/([0-9]+)/associations/([^/]+)/([0-9]+)")
_TYPES = re.compile(
    r"/crm/(?:v4/associations|associations/[0-9a-z-]+)/([^/]+)/([^/]+)/"
    r"(labels|batch/read|batch/create|batch/archive|batch/labels/archive)"
)
_ACCOUNT = re.compile(r"/account-info/[0-9a-z-]+/details")
_USAGE = re.compile(r"/account-info/[0-9a-z-]+/api-usage/daily/private-apps")
_TOKEN = re.compile(r"/oauth/[0-9a-z-]+/token")


@dataclass(slots=True)
class Call:
    """A request understood. `wanted` are its pairs with the types as they were sent, in the order of the request."""

    kind: str
    ends: tuple[str, str] = ("", "")
    wanted: dict[tuple[Record, Record], tuple[Kind, ...]] = field(default_factory=dict)
    records: list[int] = field(default_factory=list)
    form: dict[str, list[str]] = field(default_factory=dict)

    def pairs(self) -> dict[Pair, frozenset[Kind]]:
        """Return the pairs with their types as seen from the lesser record; a type of another direction is an error."""
        found: dict[Pair, frozenset[Kind]] = {}
        for (first, second), kinds in self.wanted.items():
            pair, backward = pair_of(first, second)
            assert pair not in found, f"{pair} stands in one request twice"
            found[pair] = seen_from_first(kinds, first[0], backward=backward)
        return found


def understood(request: Request) -> Call:
    """Read a request; `other` is what this HubSpot does not have."""
    path = request.path
    if request.method == "PUT" and (match := _PUT.fullmatch(path)):
        first, second = (_type(match[1]), int(match[2])), (_type(match[3]), int(match[4]))
        kinds = _kinds(json.loads(request.body or b""))
        return Call("put", (first[0], second[0]), {(first, second): kinds})
    if match := _TYPES.fullmatch(path):
        ends = _type(match[1]), _type(match[2])
        what = (request.method, match[3])
        if what == ("GET", "labels"):
            return Call("labels", ends)
        if what == ("POST", "batch/read"):
            return Call("read", ends, records=[int(each["id"]) for each in _inputs(request)])
        if what == ("POST", "batch/create"):
            return Call("create", ends, _wanted(ends, _inputs(request)))
        if what == ("POST", "batch/labels/archive"):
            return Call("archive labels", ends, _wanted(ends, _inputs(request)))
        if what == ("POST", "batch/archive"):
            pairs = ((each["from"], to) for each in _inputs(request) for to in each["to"])
            return Call("archive", ends, _wanted(ends, [{"from": one, "to": to, "types": []} for one, to in pairs]))
    if request.method == "GET" and _ACCOUNT.fullmatch(path):
        return Call("account")
    if request.method == "GET" and _USAGE.fullmatch(path):
        return Call("usage")
    if request.method == "POST" and _TOKEN.fullmatch(path):
        return Call("token", form=parse_qs((request.body or b"").decode()))
    return Call("other")


def _type(name: str) -> str:
    return _NAMES.get(name, name)


def _inputs(request: Request) -> list[Any]:
    inputs: list[Any] = json.loads(request.body or b"")["inputs"]
    return inputs


def _wanted(ends: tuple[str, str], inputs: list[Any]) -> dict[tuple[Record, Record], tuple[Kind, ...]]:
    found: dict[tuple[Record, Record], tuple[Kind, ...]] = {}
    for each in inputs:
        key = (ends[0], int(each["from"]["id"])), (ends[1], int(each["to"]["id"]))
        assert key not in found, f"{key} stands in one request twice"
        found[key] = _kinds(each["types"])
    return found


def _kinds(specs: list[Any]) -> tuple[Kind, ...]:
    return tuple((spec["associationCategory"], int(spec["associationTypeId"])) for spec in specs)
