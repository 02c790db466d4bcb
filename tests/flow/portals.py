"""What a portal begins with, what it has in the end, and the settings of a fast command."""

from typing import Any

from loader.sandbox import Sandbox
from loader.settings import ConnectionSettings, InputSettings, Rate, Secret, SendSettings, Settings

TYPES = {"object_type": "contacts", "to_object_type": "companies"}

Pairs = dict[tuple[int, int], set[str]]
"""The labels of each pair."""


def linked(from_id: object, to_id: object, *labels: str, **ends: Any) -> dict[str, Any]:
    """Return an association that a portal begins with, contacts to companies unless `from_type`, `to_type` say more."""
    pair = {"from_type": "contacts", "from_id": str(from_id), "to_type": "companies", "to_id": str(to_id)}
    return {**pair, "labels": list(labels), **ends}


def labels_of(sandbox: Sandbox) -> Pairs:
    """Return every pair of a sandbox with its labels, as seen from the end that it is kept from."""
    found = {}
    for ((first, record), (_, other)), types in sandbox.portal.pairs().items():
        shown = sandbox.portal.types.describe(first, types)
        found[int(record), int(other)] = {each.label for each in shown if each.label is not None}
    return found


def settings(
    sandbox: Any,
    *inputs: str,
    read: dict[str, Any] | None = None,
    connection: dict[str, Any] | None = None,
    **given: Any,
) -> Settings:
    """Return the settings of a fast command: contacts to companies of `a.csv`, with results in `r.csv`.

    Of the other settings, those that `Settings` does not have itself are about sending.
    """
    whole = {name: given.pop(name) for name in tuple(given) if name in Settings.__dataclass_fields__}
    return Settings(
        read=(InputSettings(inputs=inputs or ("a.csv",), **{**TYPES, **(read or {})}),),
        connection=ConnectionSettings(**{"base_url": sandbox.url, "credentials": Secret("any"), **(connection or {})}),
        send=SendSettings(**{"rate": Rate(10_000, 1), **given}),
        **{"results": "r.csv", **whole},
    )
