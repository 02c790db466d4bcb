"""A real load on a bad night, to be reported of.

`python -m tests.browser.bad_night samples/report.png` loads for a minute and makes the README's picture.
"""

import asyncio
import csv
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from loader.cli import run
from loader.sandbox import SandboxThread
from tests.browser.chromium import Browser, Look, find

Fault = dict[str, Any]
Row = tuple[str, str, str]

CONTACT, COMPANY = 25_310_000_000, 18_250_000_000

PORTAL: dict[str, Any] = {
    "labels": [
        {"from": "contacts", "to": "companies", "name": "decision_maker", "label": "Decision maker"},
        {"from": "contacts", "to": "companies", "name": "champion", "label": "Champion"},
    ],
}

REFUSED: list[Fault] = [
    {"fault": "404", "body": {"category": "OBJECT_NOT_FOUND", "message": "Object not found.", "correlationId": "5d1e"}},
    {"fault": "409", "body": {"category": "CONFLICT", "message": "The record was changed meanwhile"}},
    {"fault": "418"},
    {"fault": "302", "location": "https://login.example/"},
    {"fault": "200-errors"},
    {"fault": "other-ids"},
    {"fault": "html"},
    {"fault": "500"},
    {"fault": "reset"},
    {"fault": "stall"},
]
"""What strikes one pair each, at every attempt."""

WRONG: list[Row] = [
    ("2.53101E+10", "18250000001", ""),
    ("0018250417", "18250000001", ""),
    ("", "18250000001", ""),
    ("#N/A", "18250000001", ""),
    ("25310000001", "18250000001", "Descision maker"),
    ("25310000001", "unknown", ""),
]


def bad_night(
    folder: Path,
    *,
    rows: int,
    rate: str,
    storms: Sequence[Fault],
    refused: Sequence[Fault] = REFUSED,
    wrong: Sequence[Row] = WRONG,
    missing: Sequence[int] = (12,),
) -> Path:
    """Load `rows` rows, and some wrong ones, into a sandbox that has a bad night; return the path of the report."""
    pairs = [(CONTACT + 61 * number, COMPANY + 7 * number) for number in range(rows)]
    struck = [{**fault, "pair": list(map(str, pair))} for fault, pair in zip(refused, pairs[20::9], strict=False)]
    with (folder / "contacts_companies.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["from_id", "to_id", "label"])
        labels = ("", "", "Decision maker", "Champion")
        writer.writerows([(*pair, labels[number % 4]) for number, pair in enumerate(pairs)])
        writer.writerows(wrong)
    portal = {**PORTAL, "missing": [{"type": "contacts", "id": pairs[number][0]} for number in missing]}
    words = "load contacts_companies.csv --from contacts --to companies --max-attempts 3 --timeout 2 --quiet"
    with SandboxThread(portal, rate=rate, latency="40ms-180ms", faults=[*struck, *storms], seed=4) as sandbox:
        os.environ |= {"HUBSPOT_BASE_URL": sandbox.url, "HUBSPOT_ACCESS_TOKEN": "any"}
        with chdir(folder):
            run(words.split())
            run(["report", "contacts_companies.results.csv"])
    return folder / "contacts_companies.report.html"


# --- the picture

MANGLED: list[Row] = [("2.53101E+10", str(COMPANY + number), "") for number in range(14)]

STORMS: list[Fault] = [
    {"fault": "429", "after": 16, "for": 3, "share": 0.5},
    {"fault": "503", "after": 36, "for": 4, "share": 0.4},
    {"fault": "late", "seconds": 0.7, "after": 46, "for": 8, "share": 0.5},
]


async def _picture(report: Path) -> bytes:
    program = find()
    assert program, "there is no Chromium: make test-browser installs it"
    async with Browser(program) as browser, browser.page() as page:
        return (await page.look(report.as_uri(), Look(1000, "light"), height=1620, scale=0.8)).picture


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        made = bad_night(
            Path(temporary), rows=1150, rate="190/10", storms=STORMS, refused=REFUSED[:1] * 6, wrong=MANGLED, missing=()
        )
        Path(sys.argv[1]).write_bytes(asyncio.run(_picture(made)))
