"""Damaged files: an error in words, or judged rows; never another exception, never an id that is none.

`READ_DAMAGED_SEED` sets where to begin; ten thousand files are tried by `tests/long/test_read_damaged_for_long.py`.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import re
import zipfile
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlwt

from loader.errors import InputError, UsageError
from loader.model import Chunk
from loader.read import open_inputs
from loader.reasons import REASONS
from loader.settings import InputSettings
from tests.cli.test_archives import tarred
from tests.rows import links_of
from tests.security.bombs import zipped

FILES = 500
SEED = int(os.environ.get("READ_DAMAGED_SEED", "20260101"))
ROWS = [(str(10_000 + n * 7919), str(90_000 + n * 104_729), f'Böss "{n}", of\nall') for n in range(40)]
HEADER = ("object_id", "to_object_id", "label")
RECORD_ID = re.compile("[1-9][0-9]{0,18}", re.ASCII)
FRAME = pd.DataFrame(ROWS, columns=pd.Index(HEADER))


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (HEADER, *ROWS, (1, "#N/A", "=A1"), (2.5, 3, None)):
        book.active.append(row)
    book.active.merge_cells("A10:A12")
    book.active["D1"], book.active["E1"] = "d", "e"
    for place, number_format in enumerate(("[h]:mm", "yyyy-mm-dd", "h:mm", "[ss]", "0.00E+00"), start=2):
        book.active.cell(place, 4, 1e9 + place).number_format = number_format
        book.active.cell(place, 5, place % 2 == 0)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def old_workbook() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet")
    for row, cells in enumerate((HEADER, *ROWS)):
        for column, cell in enumerate(cells):
            sheet.write(row, column, int(cell) if cell.isdigit() else cell)
    sheet.write(0, 3, "d")
    sheet.write(0, 4, "e")
    for row, number_format in enumerate(("[h]:mm", "yyyy-mm-dd", "h:mm", "[ss]"), start=1):
        sheet.write(row, 3, 1e9 + row, xlwt.easyxf(num_format_str=number_format))
        sheet.write(row, 4, row % 2 == 0)
    sheet.row(5).set_cell_error(3, "#N/A!")
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def columns_of_all_kinds() -> bytes:
    """A Parquet file with a column of each kind that is not simply text."""
    floats = [float(place) for place in range(40)]
    table = pa.table(
        {
            "object_id": pa.array(floats, pa.float32()),
            "to_object_id": pa.array([[each, None] for each in floats], pa.list_(pa.float16())),
            "label": pa.array(["Boss"] * 40).dictionary_encode(),
            "decimal": pa.array([Decimal(place) for place in range(40)], pa.decimal128(20, 3)),
            "moment": pa.array(range(40), pa.timestamp("ns", "UTC")),
            "span": pa.array(range(40), pa.duration("us")),
            "nested": pa.array([{"a": [1], "b": {"c": None}}] * 40),
            "truth": pa.array([True, None] * 20),
            "bytes": pa.array([b"\xff"] * 40, pa.binary(1)),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def sources() -> dict[str, bytes]:
    text = FRAME.to_csv(index=False).encode()
    typed = FRAME.astype({"object_id": "int64", "to_object_id": "float64"})
    return {
        "a.csv": text,
        "b.csv": FRAME.to_csv(index=False, sep=";").encode("utf-16"),
        "c.tsv": FRAME.to_csv(index=False, sep="\t").encode("cp1252"),
        "d.csv.gz": gzip.compress(text),
        "e.zip": zipped({"0.csv": text}),
        "f.jsonl": "\n".join(json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS).encode(),
        "g.parquet": typed.to_parquet(index=False),
        "h.xlsx": workbook(),
        "i.xls": old_workbook(),
        "j.bz2": bz2.compress(text),
        "k.xz": lzma.compress(text),
        "l.zip": zipped({"0.csv": text, "1.csv": text, "2.csv": workbook()}),
        "m.tar": tarred(**{"a.csv": text}),
        "n.pq": columns_of_all_kinds(),
        "o.xlsx.xz": lzma.compress(workbook()),
    }


def cut(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content))]


def flip(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 3, 30))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def shuffle(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content)
    start = dice.randrange(len(changed))
    piece = list(changed[start : start + dice.choice((4, 64, 1024))])
    dice.shuffle(piece)
    changed[start : start + len(piece)] = bytes(piece)
    return bytes(changed)


def insert(content: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(content))
    odd = dice.choice(
        (b'"', b"\0", b"\xff\xfe", b"\n", b"\r", b",", b";" * 9, b"E+11", "\u00a0\u200b".encode(), b"9" * 30)
    )
    return content[:place] + odd + content[place:]


def repack(content: bytes, dice: random.Random) -> bytes:
    """Damage a part within an archive, so that its checksum is right and its content wrong."""
    if not content.startswith(b"PK"):
        return flip(content, dice)
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    name = dice.choice(sorted(parts))
    if parts[name]:
        parts[name] = dice.choice((cut, flip, shuffle, insert))(parts[name], dice)
    return zipped(parts)


def noise(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.choice((0, 4, 8, 600))] + dice.randbytes(dice.randrange(2000))


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut, flip, shuffle, insert, repack, noise)


def read(path: Path) -> int:
    """Read one file to its end; returns the number of links, after checking each."""
    count = 0
    for source in open_inputs(InputSettings(inputs=(str(path),), object_type="0-1", to_object_type="0-2")):
        with closing(source):
            count += sum(map(checked, source.chunks()))
    return count


def checked(chunk: Chunk) -> int:
    """Return the number of a chunk's links, after checking each."""
    assert all(len(chunk.rows) == len(column) for column in chunk.cells)
    assert chunk.rows == sorted(set(chunk.rows))
    links = links_of([chunk])
    judged = {link.row for link in links} | {reject.row for reject in chunk.rejects}
    assert judged == set(chunk.rows), "a record is lost in silence"
    for link in links:
        for record_id in (link.object_id, link.to_object_id):
            assert RECORD_ID.fullmatch(record_id)
            assert int(record_id) <= 2**63 - 1
    for reject in chunk.rejects:
        assert reject.reason in REASONS
        assert reject.message.isprintable()
        assert len(reject.message) < 500
    return len(links)


def damage_one(seed: int, good: dict[str, bytes], folder: Path) -> None:
    """Damage a file as the seed says and read it: an error in words, or rows; a failure notes the seed."""
    dice = random.Random(seed)
    name = dice.choice(sorted(good))
    content = dice.choice(DAMAGES)(good[name], dice)
    path = folder / (dice.choice(sorted(good)) if dice.random() < 0.2 else name)
    path.write_bytes(content)
    try:
        read(path)
        words = ""
    except (InputError, UsageError) as error:
        words = str(error)
    except BaseException as error:
        error.add_note(f"READ_DAMAGED_SEED={seed} {name}")
        raise
    assert not words or (words.startswith(str(path)) and words.isprintable()), (seed, name, words)
    path.unlink()


@pytest.mark.parametrize("part", range(10))
def test_damage_ends_in_words_or_judged_rows(part: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Cut, flipped, shuffled, wrongly named: an error in words, or rows; nothing is printed past us."""
    good = sources()
    for number in range(part, FILES, 10):
        damage_one(SEED + number, good, tmp_path)
    assert capfd.readouterr().err == ""


def test_the_undamaged_files_are_all_read(tmp_path: Path) -> None:
    """The files that are damaged above are good ones to begin with."""
    for name, content in sources().items():
        (tmp_path / name).write_bytes(content)
        if name.endswith(".tar"):  # refused, and damaged it must be refused or read as text, never fail
            continue
        assert read(tmp_path / name) >= len(ROWS) - 2, name
