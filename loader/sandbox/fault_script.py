"""How a script of faults is written.

A script is a comma separated list of ``NAME`` or ``NAME:SHARE``, such as
``429:0.02,500:0.01,reset:0.01,stall:0.001`` (SHARE of the requests, each drawn from the seeded randomness;
without one the fault always strikes), or the path of a JSON file, or in Python the list which such a file
holds: ``[RULE, ...]`` or ``{"rules": [RULE, ...]}``. A RULE is an object.

What happens:

- ``fault``: a status from 200 to 599, with the body that HubSpot gives or a plausible one, or one of the
  names in ``faults.NAMES``. Required.
- ``applied``: whether the write takes effect. Faults that are an answer of their own are not applied unless
  this says so; faults that spoil or delay the true answer are, unless this says not.
- ``status``, ``headers``, ``body`` (text as it is, anything else as JSON), ``body_base64``,
  ``content_type``, ``retry_after`` (any text), ``location``: parts of the answer.
- ``seconds``: for ``drip`` between two bytes (0.1), for ``late`` the delay (1), for ``stall`` how long until
  the connection is closed (never).
- ``size``: bytes of ``huge`` (1 GB) and of what ``gzip-bomb`` unpacks to (100 MB), characters of
  ``big-header`` (20,000), ``deep`` (100,000) and ``long-number`` (5,000).
- ``interim``: the statuses of ``interim`` ([103]); 100 and 102 too.

When it happens; all that are given must hold:

- ``method``, ``route`` (a name of the routes table, such as ``pair`` or ``batch/create``), ``path`` (its
  beginning), ``pair`` ([from id, to id], on ``pair`` routes and inside batches), ``reused`` (true: only on a
  connection that has answered before).
- Of the requests that pass those: ``nth`` (a number or a list, from 1), ``range`` ([first, last], last may be
  null), ``every`` (each k-th), ``after`` and ``for`` (seconds since the sandbox started), ``share`` (0 to 1).
- ``times``: how often at most.

Requests that the rate limit refuses do not reach the faults. The first rule that applies wins; the others count the
request, too.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loader.sandbox.faults import NAMES, SPOILED_ANSWERS, Fault, Rule

Script = str | Path | Iterable[Mapping[str, Any]] | Mapping[str, Any]


def read_script(script: Script) -> list[Rule]:
    """The rules of a script; raises ValueError, with one sentence, if it is not one."""
    if isinstance(script, Path) or (isinstance(script, str) and script.strip().endswith(".json")):
        return _read_file(Path(script))
    if isinstance(script, str):
        return [_listed(entry.strip()) for entry in script.split(",") if entry.strip()]
    if isinstance(script, Mapping):
        script = script.get("rules") or ()
    try:
        return [_rule(rule) for rule in script]
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a fault script is a list of rules, and each rule an object: {error}") from error


def _read_file(path: Path) -> list[Rule]:
    try:
        script = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a fault script: {error}") from error
    return read_script(script)


def _listed(entry: str) -> Rule:
    name, colon, share = entry.partition(":")
    try:
        return _rule({"fault": name, "share": float(share) if colon else 1})
    except ValueError as error:
        raise ValueError(f"the fault {entry!r} is not NAME:SHARE, such as 429:0.02: {error}") from error


_WHAT = frozenset(
    [
        "fault",
        "applied",
        "status",
        "headers",
        "body",
        "body_base64",
        "content_type",
        "retry_after",
        "location",
        "seconds",
        "size",
        "interim",
    ]
)
_WHEN = frozenset(
    [
        "method",
        "route",
        "path",
        "pair",
        "reused",
        "nth",
        "range",
        "every",
        "after",
        "for",
        "share",
        "times",
    ]
)


def _rule(given: Mapping[str, Any]) -> Rule:
    unknown = sorted(given.keys() - _WHAT - _WHEN)
    if unknown or "fault" not in given:
        raise ValueError(f"a fault rule has no {', '.join(unknown)}" if unknown else "a rule names no fault")
    first, last = given.get("range", (1, None))
    nth = given.get("nth")
    after, duration = given.get("after", 0), given.get("for")
    share = given.get("share", 1)
    if not 0 <= share <= 1:
        raise ValueError(f"the share {share} of a fault is not from 0 to 1")
    pair = given.get("pair")
    return Rule(
        fault=_fault(given),
        method=given.get("method"),
        route=given.get("route"),
        path=given.get("path"),
        pair=None if pair is None else (str(pair[0]), str(pair[1])),
        reused=given.get("reused", given["fault"] == "close-reused"),
        nth=None if nth is None else frozenset([nth] if isinstance(nth, int) else nth),
        first=first,
        last=last,
        every=given.get("every"),
        after=after,
        until=None if duration is None else after + duration,
        share=share,
        times=given.get("times"),
    )


def _fault(given: Mapping[str, Any]) -> Fault:
    name = str(given["fault"])
    is_status = name.isascii() and name.isdigit() and 200 <= int(name) <= 599
    if not is_status and name not in NAMES:
        raise ValueError(f"{name!r} is neither a status nor one of the faults {', '.join(NAMES)}")
    headers = {str(key): str(value) for key, value in given.get("headers", {}).items()}
    for key, header in (("retry_after", "Retry-After"), ("location", "Location")):
        if key in given:
            headers[header] = str(given[key])
    return Fault(
        name=name,
        applied=given.get("applied", name in SPOILED_ANSWERS),
        status=given.get("status", int(name) if is_status else None),
        headers=headers,
        body=_body(given),
        content_type=given.get("content_type"),
        seconds=given.get("seconds"),
        size=given.get("size"),
        interim=tuple(given.get("interim", (103,))),
    )


def _body(given: Mapping[str, Any]) -> bytes | None:
    if "body_base64" in given:
        return base64.b64decode(given["body_base64"])
    if "body" not in given:
        return None
    body = given["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
