"""The JSON Schema of `--json` and of the summary file, made from their types; nothing is read or sent."""

import json
import sys
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints

from loader.complain import give_up
from loader.events import Event, Exported, Finished, FleetFinished, Undone, Verified
from loader.record.summary import ExportSummary, FleetSummary, LoadSummary, UndoSummary, VerifySummary
from loader.run.call import Call, Done
from loader.show.stream import ENDINGS
from loader.version import version

_SUMMARIES: Mapping[type, type] = {
    Finished: LoadSummary,
    Verified: VerifySummary,
    Undone: UndoSummary,
    Exported: ExportSummary,
    FleetFinished: FleetSummary,
}

_FILES: Mapping[str, tuple[type, str]] = {
    "summary": (LoadSummary, "The summary file of a load or a removal"),
    "fleet": (FleetSummary, "The summary file of a fleet"),
}

_SIMPLE: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


def run(call: Call) -> Done[dict[str, Any]]:
    """Print the schema that the command names."""
    (what,) = call.command.arguments
    found = schema(what)
    if call.standard_output is not None:
        try:
            call.standard_output.write(json.dumps(found, indent=2).encode() + b"\n")
            call.standard_output.flush()
        except OSError:
            give_up(sys.stdout)  # Its reader has gone.
    return Done(result=found)


def schema(what: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of each object of `--json` (`events`), or of the summary file of a run
    (`summary`) or a fleet (`fleet`).

    Its version is the loader's, which each summary has as `version`. No object may have a key that is not named here.
    """
    parts: dict[str, Any] = {}
    if what in _FILES:
        whole = _of(_FILES[what][0], parts)
    else:
        whole = {"anyOf": [_event(kind, parts) for kind in get_args(Event)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:association-loader:{what}:{version()}",
        "title": _FILES[what][1] if what in _FILES else "One object of --json",
        "version": version(),
        **whole,
        "$defs": dict(sorted(parts.items())),
    }


def _event(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event (see `loader.show.stream.as_object`)."""
    found, name = _object(kind, parts), kind.__name__.lower()
    if kind in ENDINGS:
        beside = {name: found["properties"][name] for name in ENDINGS[kind]}
        found, name = _object(_SUMMARIES[kind], parts), "summary"
        found["properties"] = {**beside, **found["properties"]}
        found["required"] = list(dict.fromkeys([*beside, *found["required"]]))
    found["properties"] = {"event": {"const": name}, **found["properties"]}
    found["required"] = ["event", *found["required"]]
    parts[f"{kind.__name__}Event"] = found  # The same type may also be a part of another event.
    return {"$ref": f"#/$defs/{kind.__name__}Event"}


def _object(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a struct, a dataclass, a named tuple or a typed dictionary."""
    hints = get_type_hints(kind, include_extras=True)
    optional = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
    types = {name: get_args(hint)[0] if name in optional else hint for name, hint in hints.items()}
    return {
        "type": "object",
        "description": " ".join(str(kind.__doc__).split("\n\n")[0].split()),
        "properties": {name: _of(each, parts) for name, each in types.items()},
        "required": [name for name in hints if name not in optional],
        "additionalProperties": False,
    }


def _of(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; one with fields is put into `parts`, and referred to."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**_of(arguments[0], parts), **arguments[1].keywords}
    if origin is None and kind in _SIMPLE:
        return dict(_SIMPLE[kind])
    if origin in (Union, UnionType):
        return {"anyOf": [_of(each, parts) for each in arguments]}
    if origin is tuple and arguments[-1] is not Ellipsis:
        items = [_of(each, parts) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}
    if origin in (tuple, list, Sequence):
        return {"type": "array", "items": _of(arguments[0], parts)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _of(arguments[1], parts)}
    if kind.__name__ not in parts:
        parts[kind.__name__] = _object(kind, parts)
    return {"$ref": f"#/$defs/{kind.__name__}"}
