"""CSV and its kin: columns, record borders and row numbers are exact, or the file is refused in words."""

from pathlib import Path

import pytest

from loader.errors import InputError
from tests.rows import links_of, records_of
from tests.stages.read_files import judged, written

HEAD = "object_id,to_object_id\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_yields_the_headers(tmp_path: Path, delimiter: str) -> None:
    """A comma in a title or a name does not win over the delimiter that separates the wanted headers."""
    name = "Doe" if delimiter == "," else "Doe, J"
    text = f"Report, made today\nobject_id{delimiter}to_object_id{delimiter}name\n1{delimiter}2{delimiter}{name}\n"
    source = written(tmp_path, text)
    assert source.understood.delimiter == delimiter
    assert judged(source) == ([(3, "1", "2")], [])


def test_words_for_nothing_are_text(tmp_path: Path) -> None:
    """`NA` is a label like any other, and no id."""
    source = written(tmp_path, "object_id,to_object_id,label\n1,2,NA\nnan,3,x\n#N/A,3,x\nNULL,3,x\n")
    assert judged(source) == (
        [(2, "1", "2")],
        [(3, "INVALID_RECORD_ID"), (4, "ERROR_CELL"), (5, "INVALID_RECORD_ID")],
    )
    assert links_of(source.chunks())[0].row_kind.label == "NA"


def test_a_last_row_at_a_spreadsheet_limit_is_said(tmp_path: Path) -> None:
    """Exactly 65,536 rows: the rest may be gone."""
    source = written(tmp_path, HEAD + "1,2\n" * 65_535)
    list(source.chunks())
    assert "65,536" in source.understood.notes[0]
    other = written(tmp_path, HEAD + "1,2\n" * 65_534)
    list(other.chunks())
    assert other.understood.notes == []


def test_repairs_are_counted_once(tmp_path: Path) -> None:
    """What was taken off stands in the notes, not doubled by a second reading."""
    source = written(tmp_path, HEAD + "'1,2.0\n\u200b3,\u00a04\n" + '"=""5""",6\n')
    assert judged(source) == ([(2, "1", "2"), (3, "3", "4"), (4, "5", "6")], [])
    assert judged(source)[1] == []
    assert sorted(source.understood.notes) == [
        "1 id ended in .0; read without it.",
        '1 id had ="…" around it; read without that.',
        "1 id had a leading apostrophe; read without it.",
        "2 ids had invisible characters or no-break spaces; read without them.",
    ]


def test_cells_are_kept_as_they_stood(tmp_path: Path) -> None:
    """The record's own text is what failed records are written back with."""
    source = written(tmp_path, "object_id,to_object_id,name\n '1 ,2;x, Ada \n1\n")
    chunk = next(source.chunks())
    assert chunk.rows == [2, 3]
    assert records_of(chunk) == [[" '1 ", "2;x", " Ada "], ["1", "", ""]]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short file is read in many pieces, as a long one is."""
    monkeypatch.setattr("loader.read.delimited._BLOCK", 1 << 13)
    monkeypatch.setattr("loader.read.delimited.BATCH", 500)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_beyond_one_chunk_keep_their_numbers(tmp_path: Path, end: str, small_blocks: None) -> None:
    """Chunks join without a gap, also around a bad row, a blank one, and one with a field too many."""
    lines = [f"{n},7" for n in range(1, 6_001)]
    lines[600], lines[601], lines[5_000] = "x,7", "", "1,7,7"
    source = written(tmp_path, HEAD + end.join(lines))
    links, rejects = judged(source)
    assert [row for row, _, _ in links] == [row for row in range(2, 6_002) if row not in (602, 603, 5_002)]
    assert all(int(one) == row - 1 for row, one, _ in links)
    assert rejects == [(602, "INVALID_RECORD_ID"), (5_002, "FIELD_COUNT")]
    assert sum(1 for _ in source.chunks()) > 2


def test_the_first_quote_may_stand_anywhere(tmp_path: Path, small_blocks: None) -> None:
    """Records before it and after it, also those of several lines, keep their numbers; so do lines in sentences."""
    lines = [f"{n},7,plain" for n in range(1, 4_001)]
    lines[3_000:] = [f'{n},"7","quoted,\r\n{n}"' for n in range(3_001, 4_001)]
    text = "object_id,to_object_id,note\r\n" + "\r\n".join(lines)
    links, rejects = judged(written(tmp_path, text))
    assert links == [(n + 1, str(n), "7") for n in range(1, 4_001)]
    assert rejects == []
    with pytest.raises(InputError, match=r"row 4002 \(line 5002\)"):
        judged(written(tmp_path, text + '\r\n8,9,"open'))
