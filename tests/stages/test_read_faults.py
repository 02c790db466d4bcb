"""Every error of a file, and of the libraries that read it, becomes one sentence; our own mistakes stay visible."""

import csv
import errno
import struct
import zipfile
import zlib
from pathlib import Path
from xml.parsers import expat

import pyarrow as pa
import pytest
import python_calamine

from loader.errors import InputError, UsageError
from loader.read import open_inputs
from loader.read.faults import reading
from loader.settings import InputSettings

FOREIGN = [
    FileNotFoundError(errno.ENOENT, "No such file"),
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.EIO, "Input/output error"),
    OSError("Not a gzipped file"),
    EOFError("ended before the end-of-stream marker"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    csv.Error("field larger than field limit"),
    zlib.error("Error -3"),
    zipfile.BadZipFile("Bad CRC-32"),
    zipfile.LargeZipFile("too large"),
    NotImplementedError("That compression method is not supported"),
    struct.error("unpack requires a buffer"),
    expat.ExpatError("no element found"),
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    pa.ArrowInvalid("Parquet magic bytes\nnot found"),
    pa.ArrowNotImplementedError("nested"),
    python_calamine.CalamineError("Cannot detect file format"),
    python_calamine.PasswordError("Workbook is password protected"),
    python_calamine.ZipError("invalid Zip archive"),
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda error: type(error).__name__)
def test_a_librarys_error_is_one_sentence_with_the_file_and_the_way_on(foreign: Exception) -> None:
    """Whatever is raised: the file's name first, one printable line, the cause kept for the log."""
    with pytest.raises(InputError, match=r"^a\.csv: .+[;,] .+\.$") as caught, reading("a.csv"):
        raise foreign
    assert str(caught.value).isprintable()
    assert caught.value.__cause__ is foreign


@pytest.mark.parametrize(
    "own", [KeyError("x"), TypeError("x"), AssertionError("x"), KeyboardInterrupt(), UsageError("x")]
)
def test_our_own_mistakes_and_a_persons_wish_pass_through(own: BaseException) -> None:
    """A bug is not called a damaged file, and Ctrl-C is not swallowed."""
    with pytest.raises(type(own)) as caught, reading("a.csv"):
        raise own
    assert caught.value is own


def test_a_librarys_own_stumble_is_a_damaged_file() -> None:
    """zipfile trips with an IndexError over a member that has no date."""
    with pytest.raises(InputError, match="damaged"), reading("a.xlsx"):
        zipfile.ZipInfo("x", ())  # type: ignore[arg-type] # on purpose


def test_control_characters_of_a_files_name_are_shown_escaped(tmp_path: Path) -> None:
    """A name cannot write to the terminal; the input keeps the name it was given."""
    path = tmp_path / "a\x1b[2J.csv"
    path.write_text("nothing\n")
    with pytest.raises(InputError) as caught:
        open_inputs(InputSettings(inputs=(str(path),)))
    assert str(caught.value).isprintable()
    path.write_text("object_id,to_object_id\n1,2\n")
    (source,) = open_inputs(InputSettings(inputs=(str(path),), object_type="0-1", to_object_type="0-2"))
    assert source.name == str(path)
