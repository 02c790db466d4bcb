"""The input files of a command, from files, folders and globs, without the outputs of earlier runs."""

import glob
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from loader.errors import InputError, UsageError
from loader.fetch import Watch, address, is_address, listed
from loader.journal import output_names
from loader.read.cells import show_all
from loader.read.faults import reading
from loader.read.names import ENDINGS, folder_columns, is_clutter, is_column, is_table
from loader.text import visible

_LONGEST_NAME = 255
_OPEN_WAY = ("It came without encryption (http), so it may have been changed on its way.",)
_MAGIC = frozenset("*?[")
# The names of a run's files beside `<stem>.journal`.
_OUTPUTS = (
    ".results.csv",
    ".results.jsonl",
    ".results.parquet",
    ".failures.csv",
    ".failures.xlsx",
    ".verify.csv",
    ".undo.csv",
)

_BY_NAME = (".summary.json", ".export.json", ".export-unread.csv")
_TABLES_WITHOUT_JOURNAL = (".verify.csv", ".undo.csv")
_THEIR_HEAD = b"input,row,status,"


class Found(NamedTuple):
    """One input file: its path or its address, and sentences on what was left out beside it."""

    name: str
    notes: tuple[str, ...] = ()


def expand(inputs: Iterable[str], watch: Watch) -> list[Found]:
    """Return the input files in the given order, each once; those of a folder or a glob are sorted by name.

    Remote folders and patterns are listed with `watch`.
    """
    found: list[Found] = []
    seen: set[tuple[str, str]] = set()
    for given in inputs:
        for file in [Found("-")] if given == "-" else _expanded(given, watch):
            real = file.name if file.name == "-" or is_address(file.name) else os.path.realpath(file.name)
            # A file that is in two folders (by a link) has different rows if the folders' names give columns.
            once = real, str(folder_columns(file.name))
            if once not in seen:
                seen.add(once)
                found.append(file)
    if not found:
        raise UsageError(
            'there is no input; give a file, a folder, a pattern such as "exports/*.csv", or - for standard input.'
        )
    return found


def own_outputs(folder: Path) -> set[str]:
    """Return the names of the files in a folder that journals beside them name as a run's outputs.

    A `*.journal` that is no SQLite file, or has no facts, names nothing.
    """
    names: set[str] = set()
    for journal in sorted(folder.glob("*.journal")):
        if journal.is_file():
            names.update(output_names(journal))
    return names


def _expanded(given: str, watch: Watch) -> list[Found]:
    if is_address(given):
        return _away(given, watch)
    shown = visible(given)
    if not given:
        raise UsageError(
            'an input\'s name is blank; give a file, a folder, a pattern such as "exports/*.csv", or - for '
            "standard input."
        )
    with reading(shown):
        if "\0" in given:
            raise UsageError(
                'an input\'s name contains a NUL character; give a file, a folder or a pattern such as "exports/*.csv".'
            )
        path = Path(given)
        if path.is_dir():
            return _chosen(given, _judged(_listed(path)), _base(given), "the folder holds no file")
        if _MAGIC & set(given) and not os.path.lexists(path):
            return _chosen(given, _judged(_matching(given)), _base(given), "no file matches it")
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise InputError(f"{shown}: is not a regular file; give a file, or pipe it in and write - in its place.")
    return [Found(given)]


def _away(given: str, watch: Watch) -> list[Found]:
    """Return the inputs of an address: one object, or those of a folder or a pattern."""
    place = address(given)
    if place.is_web or not (place.is_pattern or place.url.endswith("/")):
        return [Found(given, _OPEN_WAY if place.scheme == "http" else ())]
    found: dict[str, str] = {}
    for url in listed(place, watch):
        name = address(url).file_name.rpartition("/")[2]
        if name.endswith((*_OUTPUTS, *_BY_NAME, ".report.html")):  # No journal says which files a run has copied there.
            found[url] = "results of earlier runs, by their names"
        elif is_clutter(name):
            found[url] = "hidden or temporary files"
        else:
            found[url] = "" if is_table(name) else "not tables, by their names"
    folder = place.url[: -len(place.url.rpartition("/")[2])] if place.is_pattern else place.url
    return _chosen(place.name, found, folder, "there is no file")


def _listed(folder: Path) -> list[str]:
    """Return the files of a folder, and of the folders in it whose names give a column."""
    names: list[str] = []
    for path in folder.iterdir():
        names.extend(_listed(path) if path.is_dir() and is_column(path.name) else [str(path)])
    return names


def _matching(pattern: str) -> list[str]:
    # Path.glob takes no absolute pattern, and would need the pattern cut in two.
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - for the reason above
    if "**" in pattern:
        return [name for name in names if not Path(name).is_dir()]  # It has listed the folders itself.
    found = [_listed(Path(name)) if Path(name).is_dir() and is_column(Path(name).name) else [name] for name in names]
    return [name for some in found for name in some]


def _judged(names: Iterable[str]) -> dict[str, str]:
    """Return why each file of a folder or a glob is not an input, blank if it is one."""
    paths = {name: Path(name) for name in names}
    written = {folder: own_outputs(folder) for folder in {path.parent for path in paths.values()}}
    return {name: _why_left_out(path, written[path.parent]) for name, path in paths.items()}


def _chosen(given: str, judged: Mapping[str, str], base: str, nothing: str) -> list[Found]:
    """Keep the input files; the others get a note with the reason and their names relative to `base`."""
    kept = sorted(name for name, why in judged.items() if not why)
    left_out: dict[str, list[str]] = {}
    for name, why in sorted(judged.items()):
        if why:
            left_out.setdefault(why, []).append(name.removeprefix(base).lstrip("/"))
    if not kept:
        others = "; ".join(f"{show_all(shown, width=_LONGEST_NAME)} ({why})" for why, shown in left_out.items())
        why = f"no file in it is an input: {others}" if left_out else nothing
        raise InputError(f"{visible(given)}: {why}; name the files to load ({', '.join(ENDINGS)}, .gz, .zip).")
    notes = tuple(
        f"Left out of {visible(given)}, {why}: {show_all(shown, width=_LONGEST_NAME)}."
        for why, shown in left_out.items()
    )
    return [Found(name, notes if place == 0 else ()) for place, name in enumerate(kept)]


def _why_left_out(path: Path, written: set[str]) -> str:
    """Return why a file of a folder is not an input, blank if it is one."""
    if path.is_dir():
        return "folders below it"
    if _is_own(path, written):
        return "written by earlier runs"
    if is_clutter(path.name):
        return "hidden or temporary files"
    if not is_table(path.name) or not path.is_file():
        return "not tables, by their names"
    return ""


def _base(given: str) -> str:
    """Return the folder that was given, or the one that a glob begins in."""
    path = Path(given)
    while _MAGIC & set(str(path)) and not path.is_dir():
        path = path.parent
    return str(path)


def _is_own(path: Path, written: set[str]) -> bool:
    name = path.name
    if name in written or ".journal" in name or name.endswith(_BY_NAME):
        return True
    if name.endswith(_TABLES_WITHOUT_JOURNAL) and _begins_like_ours(path):
        return True
    return any(
        name.endswith(ending) and path.with_name(name.removesuffix(ending) + ".journal").is_file()
        for ending in _OUTPUTS
    )


def _begins_like_ours(path: Path) -> bool:
    with reading(visible(str(path))), path.open("rb") as file:
        return file.read(len(_THEIR_HEAD)) == _THEIR_HEAD
