"""The demo and the samples' script, as processes of their own: what a newcomer types first works."""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_demo import ALL, LOADS, ROOT, SAMPLES, environment


def test_the_samples_are_those_that_the_script_writes(tmp_path: Path) -> None:
    """Running the script again gives the same files; a Parquet file also names the version that wrote it."""
    subprocess.run([sys.executable, str(SAMPLES / "make_samples.py"), str(tmp_path)], check=True)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {*ALL, "messy/broken_quote.csv", "second_night.csv", "fleet/acme/deals.csv"} <= made
    for name in made - {"tickets_companies.parquet"}:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name


def demo(tmp_path: Path, script: str, page: Path) -> None:
    """Run a demo, hold it to the lines that a page shows of it, and look that its sandbox is gone."""
    shutil.copytree(SAMPLES, tmp_path / "samples")
    done = subprocess.run(
        [sys.executable, f"samples/{script}", "--quick"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    printed = iter([steady(line) for line in done.stdout.splitlines()])
    for line in shown_by(page):
        assert any(steady(line) == other for other in printed), f"no longer prints: {line}\n\n{done.stdout}"
    port = re.search(r"listens on http://127\.0\.0\.1:(\d+)", done.stdout)
    assert port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port[1])), timeout=5).close()


def test_the_demo_ends_well_as_the_readme_shows_it_and_leaves_no_sandbox(tmp_path: Path) -> None:
    """The demo prints what the README's first page shows, its files are there, and its sandbox is gone."""
    demo(tmp_path, "demo.py", ROOT / "README.md")
    for name in LOADS:
        assert (tmp_path / "demo" / f"{Path(name).stem}.results.csv").is_file()
        assert (
            tmp_path / "demo" / f"{Path(name).stem}.failures.{'xlsx' if name.endswith('.xlsx') else 'csv'}"
        ).is_file()


def test_the_demo_of_a_fleet_ends_well_as_its_page_shows_it(tmp_path: Path) -> None:
    """Twelve accounts of the sandbox, four at a time; each has its files, and the fleet a page."""
    demo(tmp_path, "demo_fleet.py", SAMPLES / "fleet" / "README.md")
    runs = tmp_path / "demo-fleet" / "runs"
    assert (runs / "fleet.report.html").is_file()
    assert (runs / "acme" / "deals.results.csv").is_file()


def shown_by(page: Path) -> list[str]:
    """Return the lines of a demo that a page shows; `…` stands for lines left out."""
    block = page.read_text("utf-8").split("```text\n", 1)[1].split("```", 1)[0]
    return [line for line in block.splitlines() if line.strip() not in ("", "…")]


def steady(line: str) -> str:
    """Return a line without what differs from run to run: seconds, and the widths of tables."""
    return " ".join(re.sub(r"\d+ seconds", "~", re.sub("─+", "─", line)).split())
