"""A Parquet file's footer is read as pyarrow reads it, and damage in it is an error, never the end of the process."""

import io
import random
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.read.footer import column_sizes


def written(**options: object) -> io.BytesIO:
    """Return a file of numbers, texts, lists and gaps in three row groups."""
    buffer = io.BytesIO()
    table = pa.table(
        {
            "number": list(range(2500)),
            "text": [str(number) for number in range(2500)],
            "list": [[1, 2]] * 2500,
            "gap": [True, None] * 1250,
        }
    )
    pq.write_table(table, buffer, row_group_size=1000, **options)
    return buffer


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd"])
def test_the_sizes_are_those_that_pyarrow_tells(codec: str) -> None:
    """Of every column in every row group, packed and unpacked."""
    buffer = written(compression=codec)
    metadata = pq.ParquetFile(buffer).metadata
    columns = [metadata.row_group(group).column(place) for group in range(3) for place in range(4)]
    told = [(column.total_uncompressed_size, column.total_compressed_size) for column in columns]
    assert [tuple(sizes) for sizes in column_sizes(buffer)] == told


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"\xff\xff\xff\x7fPAR1", b"PAR1\0\0\0\0PARE", b"x" * 40])
def test_what_has_no_footer_is_an_error(content: bytes) -> None:
    """Too short, longer than the file, encrypted, something else."""
    with pytest.raises((struct.error, OSError)):
        list(column_sizes(io.BytesIO(content)))


def test_damage_in_a_footer_is_an_error_or_other_sizes() -> None:
    """A thousand flipped and cut footers: nothing but the errors that are turned into a sentence."""
    good = written(compression="snappy").getvalue()
    length = int.from_bytes(good[-8:-4], "little")
    dice = random.Random(5)
    for _ in range(1000):
        changed = bytearray(good)
        for _ in range(dice.choice((1, 3, 30))):
            changed[-9 - dice.randrange(length)] ^= 1 << dice.randrange(8)
        try:
            list(column_sizes(io.BytesIO(bytes(changed))))
        except (struct.error, RecursionError):
            continue
