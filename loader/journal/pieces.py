"""A journal in use is copied in pieces that are never changed: each has the pages that differ since the last.

Put together again they are the journal as it was when the last of them was taken, as after a crash at that moment. So
another machine can continue the run. Nothing here knows what the tables mean.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from loader.errors import JournalError
from loader.files import replacing
from loader.journal.schema import connect, create, guarded, how_to_read

PAGES_AT_ONCE = 1024
"""Of both copies, compared in memory: 4 MB each, as SQLite's pages have 4 kB."""

BYTES_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The beginning of a piece: SQLite's page size in bytes, the number of all pages, and which of them follow."""

    page_size: int
    pages: int
    changed: list[int]


class Copier:
    """Takes pieces of the journal at `path`; `folder` is private, and holds the copy that the next is compared with.

    It may be used beside the run that writes the journal, by one thread at a time.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._kept, self._taken = folder / "kept.copy", folder / "taken.copy"

    def take(self, piece: BinaryIO) -> bool:
        """Write what changed since the piece that was kept last; False where nothing did or there is no journal yet.

        The first piece has everything. Raises JournalError or RecordError where the journal cannot be read.
        """
        if not self._path.exists():
            return False
        self._taken.unlink(missing_ok=True)
        create(self._taken)
        how = how_to_read(self._path)
        with guarded(self._path), closing(sqlite3.connect(self._taken)) as copy:
            for pragma in ("journal_mode = OFF", "synchronous = OFF"):
                copy.execute(f"PRAGMA {pragma}")
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?{how}", uri=True)) as journal:
                journal.backup(copy)
            (page_size,) = copy.execute("PRAGMA page_size").fetchone()
        if "immutable" in how and how != how_to_read(self._path):
            return False  # A command has begun to write to it meanwhile.
        changed = self._changed_pages(page_size)
        if not changed:
            return False
        pages = self._taken.stat().st_size // page_size
        head = msgspec.json.encode(_Head(page_size=page_size, pages=pages, changed=changed))
        piece.write(len(head).to_bytes(8) + head)
        packer = zlib.compressobj(1)
        with self._taken.open("rb") as taken:
            for page in changed:
                taken.seek(page * page_size)
                piece.write(packer.compress(taken.read(page_size)))
        piece.write(packer.flush())
        return True

    def keep(self) -> None:
        """Note that the last piece was stored: the next one is compared with it."""
        self._taken.replace(self._kept)

    def _changed_pages(self, page_size: int) -> list[int]:
        """Return the numbers of the pages that differ between both copies, from 0."""
        changed: list[int] = []
        first, size = 0, PAGES_AT_ONCE * page_size
        kept_file = self._kept if self._kept.exists() else Path(os.devnull)
        with self._taken.open("rb") as taken, kept_file.open("rb") as kept:
            while new := taken.read(size):
                pages = np.frombuffer(new, np.uint8).reshape(-1, page_size)
                before = np.frombuffer(kept.read(size)[: len(new)], np.uint8).reshape(-1, page_size)
                differs = np.ones(len(pages), np.bool_)
                differs[: len(before)] = (pages[: len(before)] != before).any(axis=1)
                changed += (first + np.flatnonzero(differs)).tolist()
                first += len(pages)
        return changed


def restore(pieces: Iterable[Path], path: Path) -> None:
    """Make the journal `path` of its pieces, in their order. Raises JournalError for damaged ones, or RecordError."""
    try:
        with replacing(path) as file:
            for piece in pieces:
                with piece.open("rb") as packed:
                    _apply(packed, file)
        with guarded(path), closing(connect(path, read_only=True)):
            pass
    except (ValueError, EOFError, msgspec.DecodeError, zlib.error, JournalError) as error:
        path.unlink(missing_ok=True)
        raise JournalError(f"{path}: a copied piece of this journal is damaged ({error})") from error


def _apply(piece: BinaryIO, file: BufferedRandom) -> None:
    head = msgspec.json.decode(piece.read(int.from_bytes(piece.read(8))), type=_Head)
    unpacker, body = zlib.decompressobj(), bytearray()
    for page in head.changed:
        while len(body) < head.page_size:
            packed = unpacker.unconsumed_tail or piece.read(BYTES_AT_ONCE)
            if not packed:
                raise EOFError("it has fewer pages than it says")
            body += unpacker.decompress(packed, BYTES_AT_ONCE)
        file.seek(page * head.page_size)
        file.write(body[: head.page_size])
        del body[: head.page_size]
    file.truncate(head.pages * head.page_size)
