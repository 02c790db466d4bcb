"""How far a run is, on a terminal of any width and in a log."""

import io

import pytest
from rich.console import Console

from loader.events import Progress, Verifying
from loader.settings import Rate
from loader.show.progress import progress_block, progress_line

HALF = Progress(
    total=1_000_000, created=480_000, replaced=0, unchanged=12_000, failed=42, rejected=7, pending=507_951,
    requests=481_000, retried=900, rate_limited=3, daily_left=248_911, rate=Rate(190, 10),
    achieved=18.72, paused=4, seconds_left=3723,
)  # fmt: skip

FIGURES = (
    "created 480,000",
    "unchanged 12,000",
    "failed 42",
    "rejected 7",
    "18.7 requests/s (limit 19)",
    "429s 3",
    "quota left 248,911",
    "paused 4 s",
)
"""What a person is shown while a load runs."""


def shown(what: object, width: int) -> list[str]:
    """Return the lines that a terminal of this width shows."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_bar_and_every_figure_fit_the_terminal(width: int) -> None:
    """No line is wider, and no figure is broken in its middle."""
    lines = shown(progress_block(HALF), width)
    assert max(map(len, lines)) <= width
    assert "492,049/1,000,000 rows, 49%, time left 1:02:03" in lines[0]
    for figure in FIGURES:
        assert any(figure in line for line in lines[1:]), figure
    assert len(lines) <= {60: 4, 80: 3, 140: 2}[width]


def test_a_line_of_a_log_says_the_same() -> None:
    line = progress_line(HALF)
    assert "\n" not in line
    for figure in (*FIGURES, "492,049/1,000,000 rows 49%", "time left 1:02:03"):
        assert figure in line


def test_a_verification_has_a_bar_too() -> None:
    """A bar, and what was found to be there."""
    event = Verifying(total=10, there=4, pending=5, requests=2, rate=Rate(100, 10), achieved=1.5)
    lines = shown(progress_block(event), 80)
    assert lines[0].endswith("5/10 rows, 50%")
    assert lines[1] == "there 4 · 2 requests, 1.5/s (limit 10)"
    assert progress_line(event) == "5/10 rows 50% | there 4 | 2 requests, 1.5/s (limit 10)"


def test_a_run_of_nothing_has_a_bar_too() -> None:
    assert shown(progress_block(Verifying(0, 0, 0, 0, Rate(100, 10), 0.0)), 80)
