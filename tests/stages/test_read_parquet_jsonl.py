"""Parquet and JSONL: the first record is row 2, and numbers are the digits that were written."""

import datetime
import decimal
import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.errors import UsageError
from tests.rows import records_of
from tests.stages.read_files import judged, opened

HEAD = ("object_id", "to_object_id")


def parquet(tmp_path: Path, values: Any, kind: Any = None) -> Path:
    ids = pa.array(values, type=kind)
    pq.write_table(pa.table({"object_id": ids, "to_object_id": ["7"] * len(ids)}), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def jsonl(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "a.jsonl"


@pytest.mark.parametrize(
    ("values", "kind", "ids", "reasons"),
    [
        ([101, None, 2**63 - 1], pa.int64(), {2: "101", 4: str(2**63 - 1)}, {3: "MISSING_RECORD_ID"}),
        ([101, 2**64 - 1], pa.uint64(), {2: "101"}, {3: "ID_TOO_LARGE"}),
        ([101, None], pa.int8(), {2: "101"}, {3: "MISSING_RECORD_ID"}),
        ([101.0, None, 2.0**53 - 1], pa.float64(), {2: "101", 4: str(2**53 - 1)}, {3: "MISSING_RECORD_ID"}),
        ([2.0**53, 1.5, float("nan"), float("inf"), 1e300], pa.float64(), {},
         {2: "DIGITS_LOST", 3: "FRACTION", 4: "MISSING_RECORD_ID", 5: "DIGITS_LOST", 6: "DIGITS_LOST"}),
        (["101", "1e5", "\u00a0102"], pa.string(), {2: "101", 4: "102"}, {3: "SCIENTIFIC_NOTATION"}),
        (["101"], pa.large_string(), {2: "101"}, {}),
        (["101"], pa.string_view(), {2: "101"}, {}),
        (["101", None, "101"], pa.dictionary(pa.int32(), pa.string()), {2: "101", 4: "101"}, {3: "MISSING_RECORD_ID"}),
        ([b"101", b"\xff"], pa.binary(), {2: "101"}, {3: "UNREADABLE_CHARACTERS"}),
        ([decimal.Decimal("101.00"), decimal.Decimal("1.50")], pa.decimal128(20, 2), {2: "101"}, {3: "FRACTION"}),
        ([datetime.date(2024, 1, 2)], pa.date32(), {}, {2: "DATE"}),
        ([0, 1], pa.timestamp("us"), {}, {2: "DATE", 3: "DATE"}),
        ([1], pa.duration("ns"), {}, {2: "DATE"}),
        ([True], pa.bool_(), {}, {2: "BOOLEAN"}),
        ([None], pa.null(), {}, {2: "MISSING_RECORD_ID"}),
        ([[1], [1, 2], []], pa.list_(pa.int64()), {2: "1"}, {3: "SEVERAL_IDS", 4: "MISSING_RECORD_ID"}),
        ([{"a": 1}], pa.struct([("a", pa.int64())]), {}, {2: "INVALID_RECORD_ID"}),
    ],
)  # fmt: skip
def test_each_type_gives_exact_ids_or_a_reason(
    tmp_path: Path, values: Any, kind: Any, ids: dict[int, str], reasons: dict[int, str]
) -> None:
    """Whole numbers and texts are ids; what a float cannot hold, dates, booleans and nested values are not."""
    links, rejects = judged(opened(parquet(tmp_path, values, kind)))
    assert {row: record_id for row, record_id, _ in links} == ids
    assert dict(rejects) == reasons


def test_a_list_in_the_to_column_is_several_rows(tmp_path: Path) -> None:
    """A list's items are parts; a blank one asks for nothing."""
    table = pa.table({"Record ID": [1, 2], "Associated Company IDs": [[11, None, 12], []]})
    pq.write_table(table, tmp_path / "a.parquet")
    source = opened(tmp_path / "a.parquet")
    assert judged(source) == ([(2, "1", "11"), (2, "1", "12")], [])
    assert records_of(next(source.chunks())) == [["1", "11;;12"], ["2", ""]]
    assert next(source.chunks()).without == 1


def test_what_pandas_writes_is_read_back(tmp_path: Path) -> None:
    """A column with a gap became floats; the ids are still whole. The index is a column like any other."""
    frame = pd.DataFrame({"object_id": [101, None, 103], "to_object_id": ["201", "202", None]}, index=[5, 6, 7])
    frame.to_parquet(tmp_path / "a.parquet")
    assert judged(opened(tmp_path / "a.parquet")) == (
        [(2, "101", "201")],
        [(3, "MISSING_RECORD_ID"), (4, "MISSING_RECORD_ID")],
    )


def test_blank_parquet_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    """Row numbers go on where a record is blank throughout; so do marks of bad cells."""
    table = pa.table({"object_id": [None, 1.0, None, 1.5], "to_object_id": [None, "2", None, "3"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert judged(opened(tmp_path / "a.parquet")) == ([(3, "1", "2")], [(5, "FRACTION")])


def test_an_extension_type_is_read_as_what_it_is_stored_as(tmp_path: Path) -> None:
    """No code of an extension type is loaded from a file."""
    storage = pa.array([b"0" * 16], pa.binary(16))
    table = pa.table({"object_id": pa.ExtensionArray.from_storage(pa.uuid(), storage), "to_object_id": ["1"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert judged(opened(tmp_path / "a.parquet")) == ([], [(2, "LEADING_ZERO")])


def test_packed_parquet_is_read(tmp_path: Path) -> None:
    """`.parquet.gz` goes through a nameless private file."""
    packed = tmp_path / "b.parquet.gz"
    packed.write_bytes(gzip.compress(parquet(tmp_path, [1, 2]).read_bytes()))
    assert len(judged(opened(packed))[0]) == 2


def test_json_numbers_keep_every_digit(tmp_path: Path) -> None:
    """A number is the digits that stand in the file, whatever a float could hold."""
    path = jsonl(
        tmp_path,
        '{"object_id": 9223372036854775807, "to_object_id": "201"}',
        '{"object_id": 101.0, "to_object_id": 9007199254740993}',
        '{"object_id": 1e5, "to_object_id": 1}',
        '{"object_id": 9007199254740995.0, "to_object_id": 1}',
        '{"object_id": 1.5, "to_object_id": 1}',
        '{"object_id": true, "to_object_id": 1}',
        '{"object_id": null, "to_object_id": 1}',
        '{"object_id": NaN, "to_object_id": 1}',
    )
    assert judged(opened(path)) == (
        [(2, "9223372036854775807", "201"), (3, "101", "9007199254740993")],
        [
            (4, "SCIENTIFIC_NOTATION"), (5, "DIGITS_LOST"), (6, "FRACTION"), (7, "INVALID_RECORD_ID"),
            (8, "MISSING_RECORD_ID"), (9, "INVALID_RECORD_ID"),
        ],
    )  # fmt: skip


def test_keys_are_the_union_of_all_records(tmp_path: Path) -> None:
    """A key that first comes in the last record is a column; where it is missing the cell is blank."""
    path = jsonl(
        tmp_path, '{"objectId": 1, "toObjectId": [2, "3"]}', '{"label": "Boss", "toObjectId": 4, "objectId": 5}'
    )
    source = opened(path)
    assert source.header == ("objectId", "toObjectId", "label")
    assert judged(source) == ([(2, "1", "2"), (2, "1", "3"), (3, "5", "4")], [])
    assert records_of(next(source.chunks())) == [["1", "2;3", ""], ["5", "4", "Boss"]]


def test_two_keys_for_one_field_are_asked_for(tmp_path: Path) -> None:
    """`object_id` in one record and `objectId` in another are two columns."""
    path = jsonl(tmp_path, '{"object_id": 1, "to_id": 2}', '{"objectId": 1, "to_id": 2}')
    with pytest.raises(UsageError, match="--column object_id"):
        opened(path)


def test_broken_lines_are_rejected_each_with_its_row(tmp_path: Path) -> None:
    """A line that is no object, or has a key twice, or nests without end, is one reject; blank lines only count."""
    path = jsonl(
        tmp_path,
        '{"object_id": 1, "to_object_id": 2}',
        "",
        '{"object_id": 1, "to_object_id"',
        "[1, 2]",
        '{"object_id": 1, "object_id": 2, "to_object_id": 3}',
        '{"a":' * 100_000,
        "{}",
        '{"object_id": {"id": 1}, "to_object_id": 3}',
        '{"object_id": 3, "to_object_id": "\\ud800"}',
        '{"object_id": 3, "to_object_id": 4, "x": "\\u0000"}',
        '{"object_id": 3, "to_object_id": 4}',
    )
    links, rejects = judged(opened(path))
    assert links == [(2, "1", "2"), (12, "3", "4")]
    assert rejects == [
        (4, "MALFORMED_JSON"), (5, "MALFORMED_JSON"), (6, "MALFORMED_JSON"), (7, "MALFORMED_JSON"),
        (9, "INVALID_RECORD_ID"), (10, "UNREADABLE_CHARACTERS"), (11, "NUL_CHARACTER"),
    ]  # fmt: skip


def test_whole_numbers_that_are_no_ids_are_rejected(tmp_path: Path) -> None:
    """Numbers that are no ids, and a row of totals, are found in a column of integers; cells are kept as text."""
    table = pa.table(
        {"object_id": [1000001, 0, -5, 10**18, 1000002, 2], "to_object_id": [7000001] * 6, "note": [*"abcde", "Total"]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    source = opened(tmp_path / "a.parquet")
    links, rejects = judged(source)
    assert links == [(2, "1000001", "7000001"), (5, str(10**18), "7000001"), (6, "1000002", "7000001")]
    assert rejects == [(3, "INVALID_RECORD_ID"), (4, "INVALID_RECORD_ID"), (7, "TOTAL_ROW")]
    assert records_of(next(source.chunks()))[2] == ["-5", "7000001", "c"]
