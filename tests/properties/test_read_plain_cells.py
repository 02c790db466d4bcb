"""Cells that are read as whole columns give exactly what they give when each is judged by itself."""

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.model import Reject
from loader.read import ids as judged_ids
from loader.read import open_inputs
from loader.read.delimited import Delimited
from loader.settings import InputSettings
from tests.rows import Link, links_of

IDS = st.sampled_from(["101", "102", "9" * 18, "9" * 19, "0", "07", "x", "", " 103 ", "1\n2", "'104", "1e5", "7.0"])
LISTS = st.lists(st.sampled_from(["11", "12", " 13", "", "y", "9" * 19]), max_size=4).map(";".join)
LABELS = st.sampled_from(["", "Boss", " Boss", "Boss; Champion", '["A;B"]', "Total"])
TYPES = st.sampled_from(["contacts", "contacts", "contacts", ""])
RECORDS = st.lists(st.tuples(IDS, LISTS | IDS, LABELS, TYPES, LISTS), min_size=1, max_size=12)
HEADERS = {
    "own": ["object_id", "to_object_id", "label", "object_type", "note"],
    "export": ["Record ID", "Associated Company IDs", "note", "object_type", "Associated Company IDs (Primary)"],
}


def read(path: Path) -> tuple[list[Link], list[Reject], int]:
    (source,) = open_inputs(InputSettings(inputs=(str(path),), to_object_type="companies"))
    chunks = list(source.chunks())
    rejects = [reject for chunk in chunks for reject in chunk.rejects]
    return links_of(chunks), rejects, sum(chunk.without for chunk in chunks)


def none_plain(column: Sequence[str], *, lists: bool) -> Any:
    del lists
    return np.empty(0, np.int64), np.full(len(column), -1)


@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    records=RECORDS,
    header=st.sampled_from(sorted(HEADERS)),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_columns_give_what_cells_give(records: list[tuple[str, ...]], header: str, quoting: Any) -> None:
    """The same rows, parts, labels, rejects and blanks, in the same order."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting).writerows([HEADERS[header], *records])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.getvalue().encode())
        by_columns = read(path)
        with patch.object(judged_ids, "plain_ids", none_plain):
            assert by_columns == read(path)
        with patch.object(Delimited, "_cut", return_value=None):
            assert by_columns == read(path)
