"""The samples and the demo: what a newcomer sees first works, and every row ends as it should."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.cli.conftest import Run, lines, refused, summary

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"

LOADS: dict[str, tuple[list[str], dict[str, int], dict[str, int]]] = {
    "contacts_companies.csv": (
        ["--from", "contacts", "--to", "companies"],
        {"created": 236, "failed": 1, "rejected": 7},
        {
            "SCIENTIFIC_NOTATION": 33,
            "LEADING_ZERO": 49,
            "MISSING_RECORD_ID": 79,
            "ASSOCIATION_LABEL_NOT_FOUND": 94,
            "VALIDATION_ERROR": 112,
            "INVALID_RECORD_ID": 152,
            "ERROR_CELL": 207,
        },
    ),
    "deals_contacts.xlsx": (
        ["--from", "deals", "--to", "contacts", "--column", "object_id=Deal ID", "--column", "to_object_id=Contact ID",
         "--column", "label=Role"],
        {"created": 195, "failed": 1, "rejected": 6},
        {
            "SCIENTIFIC_NOTATION": 16,
            "LEADING_ZERO": 37,
            "MISSING_RECORD_ID": 62,
            "VALIDATION_ERROR": 125,
            "DIGITS_LOST": 144,
            "DATE": 169,
            "INVALID_RECORD_ID": 204,
        },
    ),
    "tickets_companies.parquet": (
        [],
        {"created": 175, "failed": 1, "rejected": 4},
        {"INVALID_RECORD_ID": 17, "MISSING_RECORD_ID": 42, "VALIDATION_ERROR": 90, "FRACTION": 122},
    ),
    "hubspot_export.csv": (
        ["--from", "contacts"],
        {"created": 382, "failed": 2, "rejected": 3},
        {"VALIDATION_ERROR": 27, "MISSING_RECORD_ID": 62, "INVALID_RECORD_ID": 63},
    ),
}  # fmt: skip
"""Each sample's options, how its rows end, and for each reason the first row that has it."""


MESSY: dict[str, tuple[list[str], dict[str, int], dict[str, int]]] = {
    "unicode_text.txt": (
        ["--from", "contacts", "--to", "companies", "--column", "object_id=Contact ID", "--column",
         "to_object_id=Company ID"],
        {"created": 7, "rejected": 8},
        {"SCIENTIFIC_NOTATION": 9, "SEPARATOR": 10, "LEADING_ZERO": 11, "REPEATED_HEADER": 13, "DATE": 14,
         "ERROR_CELL": 15, "FIELD_COUNT": 16, "INVALID_RECORD_ID": 18},
    ),
    "people_by_email.csv": (
        ["--from", "contacts", "--to", "companies", "--column", "object_id=Email", "--column", "to_object_id=Domain",
         "--column", "label=Role", "--from-id-property", "email", "--to-id-property", "domain"],
        {"created": 5, "rejected": 3},
        {"RECORD_NOT_FOUND": 6, "PLACEHOLDER": 8},
    ),
    "contacts_export.csv": ([], {"created": 10, "rejected": 1}, {"INVALID_RECORD_ID": 5}),
    "sheets.xlsx": (
        ["--from", "contacts", "--to", "companies"],
        {"created": 4, "rejected": 6},
        {"DIGITS_LOST": 4, "DATE": 5, "BOOLEAN": 6, "FORMULA_WITHOUT_VALUE": 7, "ERROR_CELL": 8, "MERGED_CELL": 10},
    ),
}  # fmt: skip
"""The nastiest files: the same of each."""

ALL = {**LOADS, **{f"messy/{name}": facts for name, facts in MESSY.items()}}


def environment(**extra: str) -> dict[str, str]:
    """Return this environment without anything that would steer the loader."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUBSPOT_", "ASSOCIATION_"))}
    return kept | {"PYTHONPATH": str(ROOT), "ASSOCIATION_LOADER_API_VERSION": "v4"} | extra


@pytest.fixture(scope="module")
def portal() -> Iterator[Sandbox]:
    """A portal as the samples need it."""
    with SandboxThread(SAMPLES / "portal.json", rate="off", answers="wrapped") as sandbox:
        yield sandbox


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ALL)
def test_each_sample_has_its_counts(name: str, portal: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistakes in a sample are found, each in its row, and every other row is created."""
    portal.reset()
    monkeypatch.setenv("HUBSPOT_BASE_URL", portal.url)
    monkeypatch.setenv("ASSOCIATION_LOADER_API_VERSION", "v4")
    options, rows, first_rows = ALL[name]
    assert run("load", str(SAMPLES / name), *options, "--rate", "1000/1").code == 1
    stem = Path(name).stem
    counts = summary(f"{stem}.summary.json")["rows"]
    assert {status: count for status, count in counts.items() if count} == {"total": sum(rows.values()), **rows}
    results = lines(f"{stem}.results.csv")
    assert Counter(row["status"] for row in results) == rows
    assert all(row["created_resource_id"] for row in results if row["status"] == "created")
    found: dict[str, int] = {}
    for row in sorted(results, key=lambda row: int(row["row"])):
        if row["error_category"]:
            found.setdefault(row["error_category"], int(row["row"]))
    assert found == first_rows


@pytest.mark.slow
def test_the_second_night_removes_what_has_gone(portal: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Companies that have gone from a cell, and those of a contact that has none any more; wrong rows are exempt."""
    portal.reset()
    monkeypatch.setenv("HUBSPOT_BASE_URL", portal.url)
    options = ("--from", "contacts", "--rate", "1000/1")
    assert run("load", str(SAMPLES / "hubspot_export.csv"), *options).code == 1
    assert run("load", str(SAMPLES / "second_night.csv"), *options, "--existing", "mirror").code == 1
    assert summary("second_night.summary.json")["removals"] == {"removed": 14, "failed": 0, "exempt_records": 2}
    assert Counter(row["status"] for row in lines("second_night.results.csv"))["removed"] == 14


def test_a_sample_whose_borders_are_in_doubt_is_refused(run: Run) -> None:
    """Nothing of it is read as a record; the row of the quote is named."""
    refused(
        run("plan", str(SAMPLES / "messy" / "broken_quote.csv"), "--from", "0-1", "--to", "0-2"),
        "the quote that opens in row 3 (line 3)",
    )


def test_the_demo_leaves_a_folder_alone_that_it_has_not_made(tmp_path: Path) -> None:
    """Somebody else's folder named demo is never emptied."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine.txt").touch()
    done = subprocess.run(
        [sys.executable, str(SAMPLES / "demo.py")], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"is not the demo's" in done.stderr
    assert (tmp_path / "demo" / "mine.txt").exists()
