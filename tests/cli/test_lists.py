"""Several ids or several labels in one cell: each is a row of its own, in every format."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import loader
from loader.sandbox import Sandbox
from tests.cli.conftest import Run, lines, summary

PORTAL = {
    "labels": [
        {"from": "contacts", "to": "companies", "label": label, "name": name}
        for label, name in (("Boss", "boss"), ("Champion", "champion"), ("Old; retired", "old"))
    ]
}


@pytest.fixture
def labels(hubspot: Run) -> Any:
    """A sandbox with three labels, one of which holds a semicolon."""
    with hubspot(portal=PORTAL) as running:
        yield running


def _csv(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


LISTS_OF_LABELS = [
    ("Boss;Champion", ["Boss", "Champion"]),
    (" Boss ;; champion; ", ["Boss", "Champion"]),
    ('["Boss", "Champion"]', ["Boss", "Champion"]),
    ("['Boss', 'Champion']", ["Boss", "Champion"]),
    ('["Old; retired", "Boss"]', ["Boss", "Old; retired"]),
    ("[]", [""]),
    ("Boss", ["Boss"]),
]


def test_each_label_of_a_cell_is_a_row(labels: Sandbox, load: Run) -> None:
    """All with the record's row number, and one request for the pair."""
    rows = "".join(f"{n},201,{_csv(cell)}\n" for n, (cell, _) in enumerate(LISTS_OF_LABELS, start=2))
    assert load("a.csv", text=f"from_id,to_id,label\n{rows}").code == 0
    assert sorted((int(line["row"]), line["label"]) for line in lines("a.results.csv")) == [
        (n, label) for n, (_, named) in enumerate(LISTS_OF_LABELS, start=2) for label in named
    ]
    assert labels.count("PUT") == len(LISTS_OF_LABELS)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "frame", "rows"])
def test_lists_of_labels_in_other_formats_are_rows_too(kind: str, labels: Sandbox, load: Run) -> None:
    """Also where a label holds the semicolon that separates labels elsewhere."""
    row = {"from_id": "101", "to_id": "201", "labels": ["Boss", "Old; retired"]}
    if kind == "parquet":
        pq.write_table(pa.table({name: [value] for name, value in row.items()}), Path("a.parquet"))
    elif kind == "jsonl":
        Path("a.jsonl").write_text(json.dumps(row) + "\n")
    if kind in ("parquet", "jsonl"):
        assert load(f"a.{kind}").code == 0
    else:
        source: Any = pd.DataFrame([row]) if kind == "frame" else [row]
        options: Any = {"object_type": "contacts", "to_object_type": "companies", "results": "a.results.csv"}
        assert loader.load_sync(source, **options).exit_code == 0
    assert sorted(line["label"] for line in lines("a.results.csv")) == ["Boss", "Old; retired"]


def test_a_list_of_ids_in_a_cell_is_read(sandbox: Sandbox, load: Run) -> None:
    """As JSON or as Python writes it, digit for digit."""
    cells = ['["201","202"]', "[201, 202]", "['201', '202']", '[201.0, "202"]', '["201", null, "202"]', "201;202"]
    rows = "".join(f"{101 + n},{_csv(cell)}\n" for n, cell in enumerate(cells))
    assert load("a.csv", text=f"from_id,to_id\n{rows}").code == 0
    assert sorted((int(first[1]), int(second[1])) for first, second in sandbox.portal.pairs()) == [
        (101 + n, company) for n in range(len(cells)) for company in (201, 202)
    ]


def test_what_is_no_list_of_ids_is_rejected(sandbox: Sandbox, load: Run) -> None:
    """Never guessed at: nothing is sent."""
    cells = ["[201 202]", "[201, [202]]", '{"id": 201}', "[201", "[true]", "[1e3]"]
    assert load("a.csv", text="from_id,to_id\n" + "".join(f"101,{_csv(cell)}\n" for cell in cells)).code == 1
    assert summary("a.summary.json")["rows"]["rejected"] >= len(cells)
    assert sandbox.count("PUT") == 0


def test_a_failed_label_or_id_of_a_list_is_alone_in_the_failures_file(labels: Sandbox, load: Run) -> None:
    """Mended and loaded, the file sends that one and no other; ids and labels of one record are all combined."""
    records = [("201;x", "Boss;Bos"), ("[202, 203]", '["Bo;s", "Champion"]')]
    content = "".join(f"101,{_csv(ids)},{_csv(named)}\n" for ids, named in records)
    assert load("a.csv", text="from_id,to_id,label\n" + content).code == 1
    found = sorted((line["status"], line["to_object_id"], line["label"]) for line in lines("a.results.csv"))
    assert found == [
        ("created", "201", "Boss"), ("created", "202", "Champion"), ("created", "203", "Champion"),
        ("rejected", "201", "Bos"), ("rejected", "202", "Bo;s"), ("rejected", "203", "Bo;s"),
        ("rejected", "x", "Bos"), ("rejected", "x", "Boss"),
    ]  # fmt: skip
    failed = sorted((line["to_id"], line["label"]) for line in lines("a.failures.csv"))
    assert failed == [("201", "Bos"), ("202", '["Bo;s"]'), ("203", '["Bo;s"]'), ("x", "Bos"), ("x", "Boss")]
    text = Path("a.failures.csv").read_text().replace("Bo;s", "Old; retired").replace("Bos,", "Boss,")
    assert load("mended.csv", text=text.replace(",x,", ",204,")).code == 0
