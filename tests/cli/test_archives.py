"""Packed files and archives: each table is read under its own header, or the file is refused in one sentence."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import Run, contents, lines
from tests.security.bombs import zipped

CSV = b"object_id,to_object_id\n101,201\n"
SWAPPED = b"to_object_id,object_id\n202,102\n"
JSON_LINES = b'{ "object_id": 103, "to_object_id": 203 }\n'


def tarred(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def workbook() -> bytes:
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    for row in (("object_id", "to_object_id"), (104, 204)):
        book.active.append(row)
    book.save(buffer)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"object_id": [105], "to_object_id": [205]}), buffer)
    return buffer.getvalue()


READ: dict[str, tuple[str, Callable[[], bytes], set[str]]] = {
    "bz2": ("a.csv.bz2", lambda: bz2.compress(CSV), {"101"}),
    "xz": ("a.csv.xz", lambda: lzma.compress(CSV), {"101"}),
    "xz by its bytes": ("a.csv", lambda: lzma.compress(CSV), {"101"}),
    "the older lzma": ("a.csv.lzma", lambda: lzma.compress(CSV, format=lzma.FORMAT_ALONE), {"101"}),
    "bz2 in pieces": ("a.bz2", lambda: bz2.compress(CSV) + bz2.compress(b"102,202\n"), {"101", "102"}),
    "xz in pieces, padded": (
        "a.xz",
        lambda: lzma.compress(CSV) + bytes(8) + lzma.compress(b"102,202\n"),
        {"101", "102"},
    ),
    "JSON lines in xz": ("a.ndjson.xz", lambda: lzma.compress(JSON_LINES), {"103"}),
    "workbook in bz2": ("a.xlsx.bz2", lambda: bz2.compress(workbook()), {"104"}),
    "zip of a workbook": ("a.zip", lambda: zipped({"a.xlsx": workbook()}), {"104"}),
    "zip of Parquet": ("a.zip", lambda: zipped({"a.parquet": parquet()}), {"105"}),
    "zip of all": (
        "a.zip",
        lambda: zipped(
            {
                "a.csv": CSV,
                "b/b.csv": SWAPPED,
                "c": b"-",
                "d.txt": JSON_LINES,
                "e.xlsx": workbook(),
                "f.pq": parquet(),
            }
        ),
        {"101", "102", "103", "104", "105"},
    ),
    "JSON with a blank": ("a.txt", lambda: JSON_LINES, {"103"}),
    "JSON with an empty object": ("a.csv", lambda: b"{}\n" + JSON_LINES, {"103"}),
    "JSON after a mark": ("a", lambda: b"\xef\xbb\xbf\n" + JSON_LINES, {"103"}),
}


def test_packed_files_and_zips_are_read_table_by_table(sandbox: Sandbox, load: Run) -> None:
    """Each table has its own header, rows and name; whatever is left out is named."""
    inputs = [f"{case}/{name}" for case, (name, _, _) in READ.items()]
    for path, (_, packed, _) in zip(inputs, READ.values(), strict=True):
        Path(path).parent.mkdir()
        Path(path).write_bytes(packed())
    done = load(*inputs, "--results", "r.csv")
    assert done.code == 0, done.err
    found = lines("r.csv")
    assert {line["row"] for line in found} <= {"2", "3"}
    for case, (_, _, ids) in READ.items():
        pairs = {(line["object_id"], line["to_object_id"]) for line in found if line["input"].split("/")[0] == case}
        assert pairs == {(each, str(int(each) + 100)) for each in ids}, case
    assert {line["input"] for line in found} >= {"zip of all/a.zip/a.csv", "zip of all/a.zip/b/b.csv"}
    assert 'Left out of zip of all/a.zip, not tables, by their names: "c".' in " ".join(done.err.split())


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "tar": (lambda: tarred(**{"a.csv": CSV, "b.csv": SWAPPED}), 'tar archive that holds "a.csv", "b.csv"'),
    "tar of one": (lambda: tarred(**{"a.csv": CSV}), '"a.csv"'),
    "tar.gz": (lambda: gzip.compress(tarred(**{"a.csv": CSV, "b.csv": SWAPPED})), '"a.csv", "b.csv"'),
    "tar.bz2": (lambda: bz2.compress(tarred(**{"a.csv": CSV, "b.csv": SWAPPED})), '"a.csv", "b.csv"'),
    "tar.xz": (lambda: lzma.compress(tarred(**{"a.csv": CSV, "b.csv": SWAPPED})), '"a.csv", "b.csv"'),
    "large tar": (lambda: tarred(**{"a.csv": CSV + b"1,2\n" * (1 << 19), "b.csv": SWAPPED}), '"a.csv", "…"'),
    "Zstandard": (lambda: b"\x28\xb5\x2f\xfd" + CSV, "Zstandard"),
    "LZ4": (lambda: b"\x04\x22\x4d\x18" + CSV, "LZ4"),
    "older LZ4": (lambda: b"\x02\x21\x4c\x18" + CSV, "LZ4"),
    "Zstandard behind a frame to skip": (lambda: b"\x50\x2a\x4d\x18\4\0\0\0abcd\x28\xb5\x2f\xfd" + CSV, "Zstandard"),
    "ar": (
        lambda: b"!<arch>\n" + b"a.csv/".ljust(48) + b"31        `\n" + CSV + b"b.csv/".ljust(58) + b"`\n3,4\n",
        "ar,",
    ),
    "cpio": (lambda: b"070701" + b"0" * 104 + b"a.csv\0\n" + CSV, "cpio"),
    "7-Zip": (lambda: b"7z\xbc\xaf\x27\x1c" + CSV, "7-Zip"),
    "Zstandard in gzip": (lambda: gzip.compress(b"\x28\xb5\x2f\xfd" + CSV), "Zstandard"),
    "xz in gzip": (lambda: gzip.compress(lzma.compress(CSV)), "packed twice"),
    "zip in bz2": (lambda: bz2.compress(zipped({"a": CSV})), "packed twice"),
    "tar in zip": (lambda: zipped({"a.tar": tarred(**{"a.csv": CSV})}), "tar archive"),
    "zip in zip": (lambda: zipped({"a.zip": zipped({"a.csv": CSV}), "b.csv": CSV}), "packed itself"),
    "a table of a zip without a header": (
        lambda: zipped({"a.csv": CSV, "b.csv": b"1,2\n"}),
        "a.zip/b.csv: I can't tell which columns hold the ids",
    ),
    "cut xz": (lambda: lzma.compress(CSV)[:-20], "damaged or cut short"),
    "cut bz2": (lambda: bz2.compress(CSV)[:-5], "damaged or cut short"),
    "rubbish after xz": (lambda: lzma.compress(CSV) + b"102,202\n", "damaged or cut short"),
    "xz that asks for gigabytes": (
        lambda: lzma.compress(CSV, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]),
        "emory usage limit",
    ),
    "JSON in one piece": (lambda: b'{\n "object_id": 1, "to_object_id": 2\n}\n', "JSON in one piece"),
}


@pytest.mark.slow_after(4)
@pytest.mark.parametrize("case", REFUSED)
def test_other_archives_are_refused_before_anything_is_sent(case: str, sandbox: Sandbox, load: Run) -> None:
    """One sentence says what the file is and what to do; no file is changed."""
    packed, words = REFUSED[case]
    Path("a.zip").write_bytes(packed())
    before = contents()
    done = load("a.zip")
    assert (done.code, contents()) == (2, before)
    assert words in done.err
    assert not sandbox.portal.types_of("contacts", 101, "companies", 201)


@pytest.mark.slow
def test_an_archive_of_several_tables_is_resumed_and_checked_as_one_file(sandbox: Sandbox, load: Run) -> None:
    """Its results are named after the archive; another content is another input."""
    Path("a.zip").write_bytes(zipped({"a.csv": CSV, "b.csv": SWAPPED}))
    assert load("a.zip", "--limit", "1").code == 0
    assert load("a.zip").code == 0
    assert {line["object_id"] for line in lines("a.results.csv")} == {"101", "102"}
    Path("a.zip").write_bytes(zipped({"a.csv": CSV, "b.csv": SWAPPED.replace(b"102", b"106")}))
    assert load("a.zip").code == 0
    assert {line["object_id"] for line in lines("a.results.csv")} == {"101", "106"}
