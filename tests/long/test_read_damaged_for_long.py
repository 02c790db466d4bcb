"""Ten thousand damaged files: an error in words, or judged rows; never another exception, never an id that is none."""

from pathlib import Path

import pytest

from tests.slow.test_read_damaged import SEED, damage_one, sources

FILES = 10_000
FIRST = SEED + 1_000_000
"""Other files than those of the slow test."""


def test_ten_thousand_damaged_files_end_in_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A failure notes the seed of its file; no panic of a library reaches the screen."""
    good = sources()
    for number in range(FILES):
        damage_one(FIRST + number, good, tmp_path)
    assert capfd.readouterr().err == ""
