"""Which endpoint answers which method and path, for v4 and for the date-versioned paths."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from loader.sandbox.answers import Answer
from loader.sandbox.call import Call, Simulation
from loader.sandbox.endpoints import account, batches, labels, pairs, records
from loader.sandbox.errors import HubSpotError

Endpoint = Callable[[Simulation, Call], Answer]

DATED = frozenset({"2025-09", "2026-03", "2026-09"})


@dataclass(frozen=True, slots=True)
class Route:
    """A named endpoint.

    ``counted`` requests count for the limits; ``exempt_in_specification`` ones have the mark
    ``x-hubspot-rate-limit-exemptions: ["ten-secondly"]`` in HubSpot's specification.
    """

    name: str
    endpoint: Endpoint
    counted: bool = True
    exempt_in_specification: bool = False


class Match(NamedTuple):
    """A route with the version and the variable parts of the path."""

    route: Route
    version: str
    parts: tuple[str, ...]


def _exempt(name: str, endpoint: Endpoint) -> Route:
    return Route(name, endpoint, exempt_in_specification=True)


def _not_found(simulation: Simulation, call: Call) -> Answer:
    del simulation, call
    raise HubSpotError(404, "resource not found")


_UNKNOWN = Match(Route("unknown", _not_found), "", ())

_TABLE: tuple[tuple[str, str, Route], ...] = (
    ("PUT", "objects/*/*/associations/default/*/*", Route("pair/default", pairs.put_default)),
    ("PUT", "objects/*/*/associations/*/*", Route("pair", pairs.put_labels)),
    ("DELETE", "objects/*/*/associations/*/*", Route("pair", pairs.delete_pair)),
    ("GET", "objects/*/*/associations/*", Route("list", pairs.list_associations)),
    ("GET", "objects/*", Route("objects", records.list_records)),
    ("POST", "objects/*/batch/read", Route("objects/batch/read", records.read_records)),
    ("POST", "associations/*/*/batch/create", _exempt("batch/create", batches.create)),
    (
        "POST",
        "associations/*/*/batch/associate/default",
        _exempt("batch/associate/default", batches.create_default),
    ),
    ("POST", "associations/*/*/batch/read", _exempt("batch/read", batches.read)),
    ("POST", "associations/*/*/batch/archive", _exempt("batch/archive", batches.archive)),
    (
        "POST",
        "associations/*/*/batch/labels/archive",
        _exempt("batch/labels/archive", batches.archive_labels),
    ),
    ("GET", "associations/definitions/configurations/all", _exempt("limits", labels.list_all_limits)),
    ("GET", "associations/definitions/configurations/*/*", _exempt("limits", labels.list_limits)),
    ("GET", "associations/*/*/labels", _exempt("labels", labels.list_labels)),
    ("POST", "associations/*/*/labels", _exempt("labels", labels.create_label)),
    ("PUT", "associations/*/*/labels", _exempt("labels", labels.rename_label)),
    ("DELETE", "associations/*/*/labels/*", _exempt("labels", labels.delete_label)),
    ("GET", "schemas", Route("schemas", records.list_schemas)),
    ("GET", "schemas/*", Route("schemas", records.get_schema)),
    ("GET", "details", Route("details", account.details)),
    ("GET", "api-usage/daily/private-apps", Route("daily-usage", account.daily_usage)),
    ("POST", "private-apps/get/access-token-info", Route("token-info", account.token_info)),
    ("POST", "token", Route("token", account.refresh_token, counted=False)),
)
"""Method, path after the version with ``*`` for a variable part, route. Exact words come before ``*``."""


class Routes:
    """The table above, by method and number of words."""

    def __init__(self) -> None:
        self._by_size: dict[tuple[str, str, int], list[tuple[tuple[str | None, ...], Route]]] = {}
        for method, path, route in _TABLE:
            pattern = tuple(None if word == "*" else word for word in path.split("/"))
            key = (method, str(pattern[0]), len(pattern))
            self._by_size.setdefault(key, []).append((pattern, route))

    def match(self, method: str, path: str) -> Match:
        """The route of a path of a request line, without its query; 404 if there is no endpoint."""
        words = path[1:].split("/")
        if "%" in path:
            words = [unquote(word) for word in words]
        found = _version(words)
        version, rest = found or ("", [""])
        for pattern, route in self._by_size.get((method, rest[0] if rest else "", len(rest)), ()):
            if all(word is None or word == given for word, given in zip(pattern, rest, strict=True)):
                parts = [given for word, given in zip(pattern, rest, strict=True) if word is None]
                return Match(route, version, tuple(parts))
        return _UNKNOWN


def _version(words: list[str]) -> tuple[str, list[str]] | None:
    """The version of a path and its words without the prefix, or None for a path of no known kind."""
    match words:
        case ["crm", "v4", ("objects" | "associations"), *_]:
            return "v4", words[2:]
        case ["crm", "v3", "objects", _] | ["crm", "v3", "objects", _, "batch", "read"] | ["crm", "v3", "schemas", *_]:
            return "v3", words[2:]
        case ["crm", "associations", "v4", _, _, "labels", *_] | ["crm", "associations", "v4", "definitions", *_]:
            return "v4", ["associations", *words[3:]]
        case ["crm", ("objects" | "associations") as api, version, *rest] if version in DATED:
            return version, [api, *rest]
        case ["crm-object-schemas", version, "schemas", *_] if version == "v3" or version in DATED:
            return version, words[2:]
        case ["account-info", version, *rest] if version == "v3" or version in DATED:
            return version, rest
        case ["oauth", "v2", "private-apps", *_]:
            return "v2", words[2:]
        case ["oauth", ("v1" | "v3" | "2026-03" | "2026-09") as version, "token"]:
            return version, ["token"]
    return None
