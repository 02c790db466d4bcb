"""Settled rows as the results are put together from them: in columns, as a million rows have few kinds."""

from collections.abc import Sequence
from typing import NamedTuple


class Alike(NamedTuple):
    """Settled rows of one input and one kind of which the same is said, in columns and in their order.

    `number` is that of the last of them. `rows` are spreadsheet rows; `parts` tell those of one record apart.
    """

    number: int
    said: int
    input: int
    kind: int
    rows: Sequence[int]
    object_ids: Sequence[int]
    to_object_ids: Sequence[int]
    parts: Sequence[int]
