"""What is shipped: the wheel that others install."""

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.slow.command import run

ROOT = Path(__file__).parents[2]


def built(folder: Path) -> Path:
    """Build the wheel in a folder."""
    done = run(*(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_types_tables_and_templates_and_no_test(tmp_path: Path) -> None:
    """Without `py.typed` a type checker believes nothing of what the signatures say."""
    wheel = built(tmp_path)
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "loader/py.typed" in names
    source = {
        path.relative_to(ROOT).as_posix()
        for kind in ("py", "csv", "html", "css")
        for path in (ROOT / "loader").rglob(f"*.{kind}")
    }
    # The command's entry lies beside the package.
    assert source - names == {"loader/association_loader.py"}
    assert "association_loader.py" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} <= {
        *("loader", "association_loader", "association_loader.py"),
    }
    with zipfile.ZipFile(wheel) as archive:
        (about,) = [archive.read(name).decode() for name in names if name.endswith("METADATA")]
    assert "Description-Content-Type: text/markdown" in about
    assert "Keywords: " in about
    assert "\nAuthor" not in about


@pytest.mark.parametrize("installed", ["as a wheel", "editable"])
@pytest.mark.parametrize("called", ["loader.py", "loader/__init__.py", "a package that is not ours"])
def test_a_module_called_loader_does_not_keep_the_command_from_working(
    tmp_path: Path, installed: str, called: str
) -> None:
    """It comes first on the path, and `loader` is what many a script of one's own is called."""
    site, shadow = tmp_path / "site", tmp_path / "shadow"
    editable = [ROOT] if installed == "editable" else []
    if installed == "as a wheel":
        zipfile.ZipFile(built(tmp_path)).extractall(site)
    else:
        site.mkdir()
        shutil.copy(ROOT / "loader" / "association_loader.py", site)
    theirs = shadow / (called if called.endswith(".py") else "loader/cli.py")
    theirs.parent.mkdir(parents=True)
    theirs.write_text("raise SystemExit('theirs')\n")
    path = os.pathsep.join(map(str, (shadow, site, *editable)))
    words = ("-c", "import association_loader; association_loader.main()", "explain", "CONFLICT")
    done = run(sys.executable, *words, cwd=shadow, env={**os.environ, "PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")
    assert "CONFLICT" in done.stdout


def test_the_package_says_its_version() -> None:
    """As `association-loader --version` does."""
    import loader  # noqa: PLC0415 - what a user types

    assert loader.__version__
    assert "__version__" in dir(loader)
