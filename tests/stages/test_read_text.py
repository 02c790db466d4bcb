"""Encodings are found out, and one bad byte never ends a run."""

from pathlib import Path

import pytest

from loader.errors import InputError, UsageError
from tests.rows import links_of
from tests.stages.read_files import written

TEXT = "object_id,to_object_id,label\n101,201,Chef équipe\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be with a mark", "utf-32", "cp1252"]
)
def test_every_usual_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    """With a mark or without, the label and the ids are what was written."""
    name, _, mark = encoding.partition(" ")
    source = written(tmp_path, (("\ufeff" if mark else "") + TEXT).encode(name))
    (chunk,) = source.chunks()
    assert source.header == ("object_id", "to_object_id", "label")
    assert [(link.row, link.object_id, link.to_object_id, link.row_kind.label) for link in links_of([chunk])] == [
        (2, "101", "201", "Chef équipe")
    ]


def test_one_bad_byte_among_good_ones_leaves_the_file_utf_8(tmp_path: Path) -> None:
    """The other names stay right, the bad byte is shown as one, and a note names its line."""
    rows = "".join(f"{n},7,Zoë\n" for n in range(1, 40_000)).encode()
    source = written(tmp_path, b"object_id,to_object_id,label\n" + rows + b"50000,7,Andr\xe9\n50001,7,x\n")
    links = links_of(source.chunks())
    assert links[0].row_kind.label == "Zoë"
    assert [link.row_kind.label for link in links[-2:]] == ["Andr\ufffd", "x"]
    assert source.understood.notes == [
        "Bytes that are not UTF-8: 1 (the first in line 40,001); each is read as \ufffd."
    ]


def test_the_option_overrides(tmp_path: Path) -> None:
    """A named encoding is taken at its word, and must fit."""
    source = written(tmp_path, TEXT.encode("latin-1"), encoding="latin-1")
    assert source.understood.encoding == "latin-1"
    assert links_of(source.chunks())[0].row_kind.label == "Chef équipe"
    with pytest.raises(InputError, match="not utf-8 throughout"):
        written(tmp_path, TEXT.encode("latin-1"), encoding="utf-8")


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "hex"])
def test_an_encoding_that_is_none_is_a_usage_error(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UsageError, match="no such text encoding"):
        written(tmp_path, TEXT.encode(), encoding=encoding)


def test_a_utf_16_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    """Half a character at the end means that the file is cut."""
    with pytest.raises(InputError, match="utf-16"):
        written(tmp_path, TEXT.encode("utf-16")[:-1])


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    """Twenty million characters without a line end are no table, and never fill the memory."""
    with pytest.raises(InputError, match="16 million"):
        written(tmp_path, TEXT.encode() + b"x" * 20_000_000)
