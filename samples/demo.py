"""Load the samples into a simulated HubSpot and show what comes out: make demo.

Starts the sandbox as a process of its own, loads each sample with the command that a user would type, shows results
and failures, and ends the sandbox. All files are in `demo/` in the working folder, which is emptied at each start.
Exit code 0 when every row ended as it should, else 1. `--quick` leaves out the latency and the faults, and all but
leaves out the rate limit.
"""
# ruff: noqa: INP001 - a folder of samples is no package

import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from python_calamine import CalamineWorkbook
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loader.show.fitting import Fitted

FOLDER = Path("demo")
SAMPLES = Path(os.path.relpath(Path(__file__).parent))

RATE = "190/5"
"""Twice HubSpot's 190 per 10 s, so that the limit is seen at work and the demo is over in half a minute."""

TROUBLE = ["--latency", "60ms", "--faults", "429:0.01,500:0.01,reset:0.01"]


class Sample(NamedTuple):
    """A file, the options that it is loaded with, and how its rows must end."""

    file: str
    about: str
    options: tuple[str, ...]
    created: int
    failed: int
    rejected: int
    removed: int = 0

    @property
    def results(self) -> Path:
        """Where its results go."""
        return FOLDER / f"{Path(self.file).stem}.results.csv"

    @property
    def failures(self) -> Path:
        """Where its failures go: a workbook's into a workbook."""
        path = Path(self.file)
        return FOLDER / f"{path.stem}.failures.{'xlsx' if path.suffix == '.xlsx' else 'csv'}"


DEALS_COLUMNS = ("object_id=Deal ID", "to_object_id=Contact ID", "label=Role")
LOADS = (
    Sample(
        "contacts_companies.csv",
        "A CSV as a German Excel saves it, with a label in each row.",
        ("--from", "contacts", "--to", "companies"),
        *(236, 1, 7),
    ),
    Sample(
        "deals_contacts.xlsx",
        "A sales team's workbook; --column says which columns hold the ids.",
        ("--from", "deals", "--to", "contacts", *(word for column in DEALS_COLUMNS for word in ("--column", column))),
        *(195, 1, 6),
    ),
    Sample(
        "tickets_companies.parquet",
        "A warehouse's table under the API's own names; it needs no options.",
        (),
        *(175, 1, 4),
    ),
    Sample(
        "hubspot_export.csv",
        "HubSpot's own export of contacts, with lists of companies in one cell.",
        ("--from", "contacts"),
        *(382, 2, 3),
    ),
    Sample(
        "second_night.csv",
        "The same export a night later, as a mirror: what is gone from it goes in HubSpot, too.",
        ("--from", "contacts", "--existing", "mirror"),
        *(0, 2, 3, 19),
    ),
)


def main(*, quick: bool) -> int:
    """Run the demo and return its exit code."""
    signal.signal(signal.SIGTERM, leave)
    began = time.monotonic()
    prepare(FOLDER)
    how = ["--rate", "1000/1"] if quick else ["--rate", RATE, *TROUBLE]
    with sandbox(FOLDER, "--portal", str(SAMPLES / "portal.json"), "--seed", "7", *how) as url:
        say(f"$ export HUBSPOT_BASE_URL={url} HUBSPOT_ACCESS_TOKEN=any")
        wrong = [each for sample in LOADS for each in _load(sample, url)]
    if wrong:
        heading("Not as expected")
        for each in wrong:
            say(each)
        return 1
    _show(LOADS[0])
    _close(time.monotonic() - began)
    return 0


def leave(number: int, _: object) -> NoReturn:
    """End as at an error, so that the sandbox ends, too."""
    raise SystemExit(128 + number)


def prepare(folder: Path) -> None:
    """Empty a demo's folder, but never one that something else has made."""
    mark = folder / ".made-by-the-demo"
    if folder.exists():
        if not mark.exists():
            raise SystemExit(f"{folder.absolute()} is not the demo's: move it away, or run the demo somewhere else.")
        shutil.rmtree(folder)
    folder.mkdir()
    mark.touch()


@contextmanager
def sandbox(folder: Path, *how: str) -> Iterator[str]:
    """Run a sandbox on a free port as long as the block lasts; gives its address."""
    words = ["sandbox", "--port", "0", *how]
    heading("A simulated HubSpot, started in the background")
    show_command(words, " &")
    with (folder / "sandbox.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            our_process(words), stdout=subprocess.PIPE, stderr=log, text=True, env=clean_environment()
        )
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = process.stdout.readline()
        url = next((word for word in line.split() if word.startswith("http://")), None)
        if url is None:
            raise SystemExit(f"The sandbox did not start; see {folder / 'sandbox.log'}.")
        say(line.strip())
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _load(sample: Sample, url: str) -> list[str]:
    """Load one sample, its output shown as it comes; returns what was not as expected."""
    words = ["load", str(SAMPLES / sample.file), *sample.options, "--results", str(sample.results)]
    heading(sample.about)
    show_command(words)
    # Of the versions of HubSpot's API only v4 was ever documented to answer with the created resource id shown below.
    version = {"ASSOCIATION_LOADER_API_VERSION": "v4"}
    environment = clean_environment({"HUBSPOT_BASE_URL": url, "HUBSPOT_ACCESS_TOKEN": "any", **version})
    done = subprocess.run(our_process(words), env=environment, check=False)  # noqa: S603 - our own command
    if done.returncode != 1:
        return [f"loading {sample.file} ended with exit code {done.returncode}, not with 1 (some rows failed)"]
    summary = json.loads((FOLDER / f"{Path(sample.file).stem}.summary.json").read_text("utf-8"))
    wanted = {"created": sample.created, "failed": sample.failed, "rejected": sample.rejected, "pending": 0}
    found = {status: summary["rows"][status] for status in wanted}
    wrong = [] if found == wanted else [f"{sample.file}: {found}, not {wanted}"]
    removed = summary.get("removals", {}).get("removed", 0)
    if removed != sample.removed:
        wrong.append(f"{sample.file}: {removed} associations removed, not {sample.removed}")
    if sample.created and not any(row["created_resource_id"] for row in _rows(sample.results)):
        wrong.append(f"{sample.results}: no row has the id that HubSpot created")
    return wrong


def _show(sample: Sample) -> None:
    """Show the first results and all failures of one sample."""
    heading(f"The first rows of {sample.results}")
    rows = sorted(_rows(sample.results), key=lambda row: int(row["row"]))
    created = [row for row in rows if row["status"] == "created"]
    shown = ("row", "status", "object_id", "to_object_id", "association_type_id", "label", "created_resource_id")
    _table(shown, created[:6])
    heading(f"All of {sample.failures}, some columns of it")
    _table(("_row", "_status", "_error_message"), _rows(sample.failures))


def _close(seconds: float) -> None:
    heading(f"Done in {seconds:.0f} seconds; the files are in {FOLDER}/")
    for sample in LOADS:
        removed = f", {sample.removed} removed" if sample.removed else ""
        failures = f"{sample.failures}: {sample.failed + sample.rejected} rows"
        say(f"{sample.results}: {sample.created} created{removed}; {failures}")
    say("Some rows of the samples are wrong on purpose. The column _error_message says what is wrong with each.")
    say("To go on by yourself, type: source .venv/bin/activate")
    say("and start a sandbox that stays: association-loader sandbox --portal samples/portal.json")


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the lines of a workbook, or of a CSV file with whatever delimiter."""
    if path.suffix == ".xlsx":
        header, *lines = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        return [dict(zip(map(str, header), map(str, line), strict=True)) for line in lines]
    with path.open(encoding="utf-8-sig", newline="") as file:
        dialect = csv.Sniffer().sniff(file.readline(), delimiters=",;\t|")
        file.seek(0)
        return list(csv.DictReader(file, delimiter=dialect.delimiter))


def _table(columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column.endswith("row") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[column]) for column in columns))
    width = None if sys.stdout.isatty() else 150
    Console(highlight=False, width=width).print(Fitted(table))
    sys.stdout.flush()


def our_process(words: Sequence[str]) -> list[str]:
    """Return the words that run a command with this Python."""
    return [sys.executable, "-m", "loader", *words]


def clean_environment(extra: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return this environment without anything that would steer the loader, a real token least of all."""
    ours = ("HUBSPOT_", "ASSOCIATION_LOADER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | dict(extra)


def heading(text: str) -> None:
    """Say what comes now."""
    say(f"\n=== {text}")


def show_command(words: Sequence[str], end: str = "") -> None:
    """Show a command as a user would type it."""
    say(f"$ association-loader {shlex.join(words)}{end}")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv[1:]))
