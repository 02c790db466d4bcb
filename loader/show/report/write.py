"""The report's file: private, written whole or not at all, and never over anything that is no report."""

from pathlib import Path

from loader.errors import UsageError
from loader.files import remove_left_behind, replacing
from loader.show.report.page import MARK


def check_report(path: Path) -> None:
    """Raise UsageError for a path that cannot become the report: a link, a folder, a file that is none."""
    if path.is_symlink():
        raise UsageError(f"{path} is a symbolic link, which is never written through: give the file itself")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it with --output")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}: make it, or name another file with --output")
    if path.exists() and not _is_report(path):
        raise UsageError(f"{path} is there and is no report: name another file with --output")


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(len(MARK))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): name another file with --output") from error
    return head in (b"", MARK.encode())


def write_report(path: Path, page: str) -> None:
    """Write the page."""
    remove_left_behind([path])
    with replacing(path) as beside:
        beside.write(page.encode())
