"""What is shipped: the wheel that others install."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_says_that_it_is_typed_and_holds_the_tables(tmp_path: Path) -> None:
    """Without `py.typed` a type checker believes nothing of what the signatures say."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "loader/py.typed" in names
    source = {
        path.relative_to(ROOT).as_posix() for kind in ("py", "csv") for path in (ROOT / "loader").rglob(f"*.{kind}")
    }
    assert source <= names
