"""Rows one by one, as tests say and compare them; the loader has them in columns."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from loader.model import Chunk, RowKind, Rows


class Link(NamedTuple):
    """One row whose ids are in order."""

    row: int
    part: int
    object_id: str
    to_object_id: str
    row_kind: RowKind


def links_of(chunks: Iterable[Chunk]) -> list[Link]:
    """Return the sound rows of chunks, one by one."""
    found: list[Link] = []
    for links in (chunk.links for chunk in chunks):
        columns = links.rows, links.parts, links.object_ids, links.to_object_ids, links.kinds
        for row, part, object_id, to_object_id, kind in zip(*columns, strict=True):
            found.append(Link(int(row), int(part), str(object_id), str(to_object_id), links.row_kinds[kind]))
    return found


def records_of(chunk: Chunk) -> list[list[str]]:
    """Return the cells of a chunk's records, record by record."""
    return list(map(list, zip(*chunk.cells, strict=True)))


def in_columns(links: Sequence[Link]) -> Rows:
    """Return rows as the read stage hands them on; ids that are no record ids are values of an id property."""
    kinds = {row_kind: kind for kind, row_kind in enumerate(dict.fromkeys(link.row_kind for link in links))}
    object_ids, to_object_ids = [link.object_id for link in links], [link.to_object_id for link in links]
    return Rows(
        rows=np.array([link.row for link in links], np.int32),
        parts=np.array([link.part for link in links], np.int32),
        object_ids=_column(object_ids),
        to_object_ids=_column(to_object_ids),
        kinds=np.array([kinds[link.row_kind] for link in links], np.int32),
        row_kinds=tuple(kinds),
    )


def _column(ids: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.int64]] | list[str]":
    plain = all(each.isdigit() and each == str(int(each)) and int(each) < 2**63 for each in ids)
    return np.array(list(map(int, ids)), np.int64) if plain else ids
