"""A portal for tests of planning: it knows some labels and custom objects, and keeps which requests were made."""

from collections.abc import Mapping, Sequence
from typing import Any

from loader.model import Direction, RowKind
from loader.send.portal import GatewayPortal


class FakePortal(GatewayPortal):
    """Answers from what it was made with; a direction that is missing, or schemas None, stand for a refusal."""

    def __init__(
        self,
        labels: Mapping[Direction, Sequence[tuple[str, int, str | None]]] | None = None,
        schemas: list[dict[str, Any]] | None = None,
    ) -> None:
        self._labels = labels or {}
        self._schemas = schemas
        self.requests: list[Direction] = []
        self.schema_requests = 0

    async def labels(self, direction: Direction) -> list[dict[str, Any]] | None:
        """Return the association types of one direction."""
        self.requests.append(direction)
        found = self._labels.get(direction)
        if found is None:
            return None
        return [{"category": category, "typeId": type_id, "label": label} for category, type_id, label in found]

    async def schemas(self) -> list[dict[str, Any]] | None:
        """Return the portal's custom objects."""
        self.schema_requests += 1
        return self._schemas


def row_kind(
    object_type: str = "contacts",
    to_object_type: str = "companies",
    *,
    category: str = "",
    type_id: str = "",
    label: str = "",
    primary: bool = False,
    to_column: str = "to_object_id",
) -> RowKind:
    """Return what a row asks for, contacts to companies unless the arguments say otherwise."""
    return RowKind(object_type, to_object_type, category, type_id, label, primary, to_column)
