"""Files of every kind whose author's meaning is known: what each row is meant to say, and whether its cells hold it.

Nothing here reads a file: what a row means was known before it was written.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HEADER = ("object_id", "to_object_id", "label")
LABELS = ("Decision maker", "Champion")
WRONG_IDS = ("", "x", "12.5", "1.23457E+11", "007", "1,5", "9223372036854775808")
NOT_A_LABEL = "Descision maker"


class Meant(NamedTuple):
    """One row as its author means it. `valid` says that both ids are record ids and the label is one of the portal."""

    object_id: str
    to_object_id: str
    label: str
    valid: bool


class Written(NamedTuple):
    """A file, or what Python is given instead of one; `held` are the rows whose cells still hold what they mean.

    `whole` is False for what may be refused as a whole, because its columns or records are in doubt.
    """

    name: str
    content: Any
    meant: Sequence[Meant]
    held: Sequence[Meant]
    whole: bool = True


def write(random: Random) -> Written:
    """Return a file of a kind that is drawn by chance."""
    return random.choice(KINDS)(random)


def _record_id(random: Random) -> str:
    """Return an id of any length, those around the edges of the float widths more often than by chance."""
    near = random.choice((2**11, 2**24, 2**53)) + random.randint(-3, 9)
    return str(
        random.choice((near, random.randint(1, 2048), random.randint(10**9, 4 * 10**10), random.getrandbits(62)))
    )


def _rows(random: Random, *, labels: bool = True, wrong: bool = True) -> list[Meant]:
    rows = []
    for _ in range(random.randint(1, 12)):
        ids = [_record_id(random), _record_id(random)]
        label = random.choice(("", *LABELS, NOT_A_LABEL)) if labels else ""
        valid = label != NOT_A_LABEL
        if wrong and random.random() < 0.1:
            ids[random.randrange(2)] = random.choice(WRONG_IDS)
            valid = False
        rows.append(Meant(ids[0], ids[1], label, valid))
    return rows


def _held(rows: Sequence[Meant], fits: Callable[[int], bool] = lambda _: True) -> list[Meant]:
    return [row for row in rows if row.valid and fits(int(row.object_id)) and fits(int(row.to_object_id))]


# --- text


def _text(rows: Sequence[Meant], header: Sequence[str] = HEADER, delimiter: str = ",") -> str:
    buffer = io.StringIO(newline="")
    lines = csv.writer(buffer, delimiter=delimiter)
    lines.writerow(header)
    lines.writerows([getattr(row, column) for column in header] for row in rows)
    return buffer.getvalue()


def _delimited(random: Random) -> Written:
    rows = _rows(random)
    header = random.sample(HEADER, 3)
    content = _text(rows, header, random.choice(",;\t|")).encode(random.choice(("utf-8", "utf-8-sig", "utf-16")))
    return Written("a.csv", content, rows, _held(rows))


def _packed(random: Random) -> Written:
    rows = _rows(random)
    ending, pack = random.choice(((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)))
    return Written(f"a.csv{ending}", pack(_text(rows).encode()), rows, _held(rows))


def _two_parts(random: Random) -> tuple[list[Meant], bytes, bytes]:
    """Return rows and the two files that they are written to, each with its columns in an order of its own."""
    first, second = _rows(random, wrong=False), _rows(random, wrong=False)
    parts = [_text(rows, random.sample(HEADER, 3)).encode() for rows in (first, second)]
    return [*first, *second], parts[0], parts[1]


def _put_together(random: Random) -> Written:
    """Two files, one after the other in one: the second header stands among the rows."""
    rows, *parts = _two_parts(random)
    packed = random.random() < 0.5
    content = b"".join(map(gzip.compress, parts)) if packed else b"".join(parts)
    return Written("a.csv.gz" if packed else "a.csv", content, rows, _held(rows), whole=False)


def _archive(random: Random) -> Written:
    """Two files in one archive, each with a header of its own."""
    rows, *parts = _two_parts(random)
    buffer = io.BytesIO()
    if random.random() < 0.5:
        with zipfile.ZipFile(buffer, "w") as packed:
            for number, part in enumerate(parts):
                packed.writestr(f"{number}.csv", part)
        return Written("a.zip", buffer.getvalue(), rows, _held(rows), whole=False)
    ending, mode = random.choice(((".tar", "w"), (".tar.gz", "w:gz"), (".csv", "w")))
    with tarfile.open(fileobj=buffer, mode=mode) as tape:  # type: ignore[call-overload]
        for number, part in enumerate(parts):
            member = tarfile.TarInfo(f"{number}.csv")
            member.size = len(part)
            tape.addfile(member, io.BytesIO(part))
    return Written(f"a{ending}", buffer.getvalue(), rows, _held(rows), whole=False)


def _json_lines(random: Random) -> Written:
    rows = _rows(random)
    typed = random.random() < 0.5
    dumped = []
    for row in rows:
        cells: dict[str, object] = dict(zip(HEADER, row[:3], strict=True))
        if typed and row.valid:
            cells |= {column: int(str(cells[column])) for column in HEADER[:2]}
        dumped.append(json.dumps(cells))
    return Written("a.jsonl", "\n".join(dumped).encode(), rows, _held(rows))


# --- typed columns


def _within(bits: int) -> Callable[[int], bool]:
    """Return whether a float of that many significand bits is certain to be the number that was written.

    2 to the power of `bits` is not: one more than that becomes the same float.
    """
    return lambda number: number < 2**bits


WIDTHS: dict[str, Callable[[int], bool]] = {
    "int64": lambda _: True,
    "float64": _within(53),
    "float32": _within(24),
    "float16": _within(11),
}


def _as(width: str, ids: Sequence[str]) -> "np.ndarray[Any, Any]":
    with np.errstate(over="ignore"):
        return np.array([int(each) for each in ids], dtype="int64").astype(width)


def _columns(random: Random) -> tuple[list[Meant], str, dict[str, Any]]:
    """Return rows and their columns, the ids as numbers of one width."""
    rows = _rows(random, wrong=False)
    width = random.choice(list(WIDTHS))
    columns: dict[str, Any] = {name: _as(width, [getattr(row, name) for row in rows]) for name in HEADER[:2]}
    return rows, width, columns | {"label": [row.label for row in rows]}


def _parquet(random: Random) -> Written:
    rows, width, columns = _columns(random)
    if random.random() < 0.3:
        columns["to_object_id"] = pa.array([[each] for each in columns["to_object_id"]], pa.list_(_arrow(width)))
    elif random.random() < 0.3:
        columns["object_id"] = pa.array(list(columns["object_id"]), _arrow(width)).dictionary_encode()
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return Written("a.parquet", buffer.getvalue(), rows, _held(rows, WIDTHS[width]))


def _arrow(width: str) -> Any:
    return {"int64": pa.int64(), "float64": pa.float64(), "float32": pa.float32(), "float16": pa.float16()}[width]


def _frame(random: Random) -> Written:
    rows, width, columns = _columns(random)
    frame = pd.DataFrame(columns)
    how = random.choice(("plain", "object", "nullable"))
    for name in HEADER[:2]:
        if how == "object":
            frame[name] = pd.Series(list(columns[name]), dtype=object)
        elif how == "nullable" and width in {"float32", "float64", "int64"}:
            frame[name] = frame[name].astype(width.capitalize())  # type: ignore[call-overload]
    return Written("", frame, rows, _held(rows, WIDTHS[width]))


def _python_rows(random: Random) -> Written:
    rows, width, columns = _columns(random)
    given = [dict(zip(HEADER, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return Written("", given, rows, _held(rows, WIDTHS[width]))


def _workbook(random: Random) -> Written:
    rows = _rows(random)
    numbers = random.random() < 0.5
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for row in rows:
        book.active.append([*(int(each) if numbers and row.valid else each for each in row[:2]), row.label])
    buffer = io.BytesIO()
    book.save(buffer)
    return Written(
        "a.xlsx", buffer.getvalue(), rows, _held(rows, (lambda n: n < 10**15) if numbers else lambda _: True)
    )


KINDS: tuple[Callable[[Random], Written], ...] = (
    _delimited,
    _packed,
    _put_together,
    _archive,
    _json_lines,
    _parquet,
    _frame,
    _python_rows,
    _workbook,
)
