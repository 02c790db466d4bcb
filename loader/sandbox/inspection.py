"""The pages for people, and the pairs of requests for the faults."""

import json
from collections.abc import Iterator
from typing import Protocol

from aiohttp import web

from loader.sandbox.portal import Portal
from loader.sandbox.routes import Match


class Inspected(Protocol):
    """What the pages show and reset."""

    portal: Portal

    def state(self) -> dict[str, object]:
        """The counts."""

    def reset(self) -> None:
        """Back to the start."""


def inspect(sandbox: Inspected, method: str, path: str) -> web.Response:
    """Answers ``GET /sandbox/state``, ``GET /sandbox/associations`` (JSON lines), ``POST /sandbox/reset``.

    They count for no limit and need no token.
    """
    if method == "POST" and path == "/sandbox/reset":
        sandbox.reset()
        return web.json_response({"status": "reset"})
    if method == "GET" and path == "/sandbox/state":
        return web.json_response(sandbox.state())
    if method == "GET" and path == "/sandbox/associations":
        return web.Response(text="".join(_lines(sandbox.portal)), content_type="application/jsonl")
    return web.json_response({"error": "there are state, associations and reset"}, status=404)


def touched_pairs(match: Match, body: bytes) -> frozenset[tuple[str, str]]:
    """The (from id, to id) pairs that a request is about, in its path or in its batch."""
    if len(match.parts) == 4:
        return frozenset({(match.parts[1], match.parts[3])})
    if not match.route.name.startswith("batch/"):
        return frozenset()
    try:
        return frozenset(_batch_pairs(body))
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _batch_pairs(body: bytes) -> Iterator[tuple[str, str]]:
    for each in json.loads(body)["inputs"]:
        targets = each["to"] if isinstance(each["to"], list) else [each["to"]]
        for target in targets:
            yield str(each["from"]["id"]), str(target["id"])


def _lines(portal: Portal) -> Iterator[str]:
    for (from_type, from_id), (to_type, to_id), types in portal.associations.items():
        line = {
            "from": {"type": from_type, "id": str(from_id)},
            "to": {"type": to_type, "id": str(to_id)},
            "types": [{"category": category, "typeId": type_id} for category, type_id in sorted(types)],
        }
        yield json.dumps(line) + "\n"
