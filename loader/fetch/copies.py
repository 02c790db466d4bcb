"""Finished files copied to another place: a bucket, a server, or a folder of this machine."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from loader.errors import UsageError
from loader.fetch.address import Address, address, is_address, without_secrets
from loader.fetch.fetched import Moved, Watch, patiently, private_copy, remove_copy
from loader.fetch.objects import AHEAD, BLOCK, check_backend, file_system, trying
from loader.files import replacing, writing
from loader.text import visible

_WITH_FOLDERS = frozenset({"sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs"})
"""Kinds of addresses where a folder must be made before its files, and a file can be renamed."""


def check_place(place: str, files: Sequence[Path], inputs: Mapping[str, Path]) -> None:
    """Raise UsageError if `files` cannot be copied, as far as that is known before anything is sent.

    `inputs` are the addresses or paths of the run's inputs: no copy may overwrite one.
    """
    folder = _folder(place)
    if folder is None:
        target = address(place)
        if target.is_web:
            raise UsageError(
                f"--copy-to {visible(target.name)}: nothing can be written to a web address; give another."
            )
        check_backend(target)
    elif any(file.parent.resolve() == folder.resolve() for file in files):
        raise UsageError(f"--copy-to {folder} is the folder of the files themselves: give another one, or leave it out")
    for file in files:
        for name, path in inputs.items():
            if _has_place_of(place, folder, file.name, name, path):
                raise UsageError(
                    f"--copy-to {visible(without_secrets(place))}: the copy of {file.name} would overwrite the input "
                    f"{visible(name)}: give another folder"
                )


def _has_place_of(place: str, folder: Path | None, file_name: str, name: str, path: Path) -> bool:
    """Return True if the copy of a file would overwrite an input, by its name or its path."""
    if folder is None:
        return f"{place.partition('?')[0].rstrip('/')}/{file_name}" == name.partition("?")[0]
    copy = folder / file_name
    return copy.exists() and path.exists() and copy.samefile(path)


def copy_to(place: str, files: Sequence[Path], watch: Watch) -> None:
    """Copy files into a folder, by its address or path; files of the same names are replaced.

    Raises InputError, UsageError or RecordError for the first that cannot be copied, and the error that stops the
    command.
    """
    folder = _folder(place)
    for file in files:
        if folder is None:
            there = address(place)
            what = f"Copying {file.name} to {visible(there.name)}"
            work = partial(patiently, what, partial(_write, there, file), watch)
            trying(there, "written", work, watch)
        else:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / file.name) as copy, file.open("rb") as source:
                shutil.copyfileobj(source, copy, BLOCK)


def keep_beside(place: str, name: str, names: Iterable[str], may_go: Callable[[Path], bool], watch: Watch) -> str:
    """Rename a file in a folder, by its address or path, if it is there and `may_go` is not true of its content.

    Returns its new name, the first free one of `names`, or blank if it was not renamed. Raises as `copy_to` does.
    """
    folder = _folder(place)
    if folder is not None:
        file = folder / name
        if not file.is_file() or may_go(file):
            return ""
        kept = next(each for each in names if not (folder / each).exists())
        with writing(folder):
            file.rename(folder / kept)
        return kept
    target = address(place)

    def work(moved: Moved) -> str:
        files, path = file_system(target)
        within = path.rstrip("/")
        there = f"{within}/{name}"
        if not files.exists(there):
            return ""
        with private_copy() as (copy, stream), files.open(there, "rb") as source:
            while block := source.read(BLOCK):
                moved.count(len(block))
                stream.write(block)
        try:
            if may_go(copy):
                return ""
        finally:
            remove_copy(copy)
        kept = next(each for each in names if not files.exists(f"{within}/{each}"))
        files.mv(there, f"{within}/{kept}")
        return kept

    what = f"Looking at {name} in {visible(target.name)}"
    return trying(target, "written", lambda: patiently(what, work, watch), watch)


def _folder(place: str) -> Path | None:
    """Return the path of a folder of this machine, None for an address of anything else."""
    scheme, _, rest = place.partition("://")
    if scheme.lower() in ("file", "local"):
        return Path(unquote(rest))
    return None if is_address(place) else Path(place)


def _write(place: Address, file: Path, moved: Moved) -> None:
    from fsspec.spec import AbstractBufferedFile  # noqa: PLC0415 - see `objects`

    files, folder = file_system(place)
    target = f"{folder.rstrip('/')}/{file.name}"
    written = target
    if place.scheme in _WITH_FOLDERS:
        files.makedirs(folder, exist_ok=True)
        written = f"{folder.rstrip('/')}/.{file.name}.part"
    moved.total = file.stat().st_size
    copy = files.open(written, "wb", block_size=AHEAD)
    try:
        with file.open("rb") as source:
            while block := source.read(BLOCK):
                moved.count(len(block))
                copy.write(block)
    except BaseException:
        if isinstance(copy, AbstractBufferedFile):
            # To close it would store a part of the file as if it were complete.
            copy.discard()
            copy.closed = True
        raise
    copy.close()
    if written != target:
        files.mv(written, target)
