"""Which files the command's inputs are: files, folders and globs, without what an earlier run wrote there."""

import contextlib
import glob
import json
import os
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from loader.errors import InputError, UsageError
from loader.read.faults import reading
from loader.read.show import plain, show_all

_ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls", ".jsonl")
_PACKED = (*_ENDINGS, *(ending + ".gz" for ending in _ENDINGS), ".zip")
_MAGIC = frozenset("*?[")
# What a run calls its files beside `<stem>.journal`; see the contract, 1.3.
_OUTPUTS = (
    ".results.csv",
    ".results.jsonl",
    ".results.parquet",
    ".failures.csv",
    ".verify.csv",
    ".undo.csv",
)

_TABLES_WITHOUT_JOURNAL = (".verify.csv", ".undo.csv")
_THEIR_HEAD = b"input,row,status,"


class Found(NamedTuple):
    """One input file: what the user calls it, and what was left out beside it, as a sentence or blank."""

    name: str
    note: str = ""


def expand(inputs: Iterable[str]) -> list[Found]:
    """Return the input files in the order given, a folder's and a glob's sorted by name, each file once."""
    found: list[Found] = []
    seen: set[str] = set()
    for given in inputs:
        for file in [Found("-")] if given == "-" else _expanded(given):
            real = "-" if file.name == "-" else os.path.realpath(file.name)
            if real not in seen:
                seen.add(real)
                found.append(file)
    if not found:
        raise UsageError("there is no input; name a file, a folder, a glob, or - for standard input.")
    return found


def own_outputs(folder: Path) -> set[str]:
    """Return the names of the files in a folder that journals beside them name as a run's outputs.

    A `*.journal` that is no SQLite file, or has no facts, names nothing.
    """
    names: set[str] = set()
    for journal in sorted(folder.glob("*.journal")):
        if journal.is_file():
            names.update(_facts(journal))
    return names


def _facts(journal: Path) -> list[str]:
    # Without a log beside it, a plain read-only connection would make an empty one and leave it there.
    how = "mode=ro" if journal.with_name(journal.name + "-wal").exists() else "mode=ro&immutable=1"
    address = f"file:{quote(str(journal.resolve()))}?{how}"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            rows = connection.execute("SELECT value FROM facts WHERE key LIKE 'output.%'").fetchall()
    except sqlite3.DatabaseError:
        return []  # not a journal of ours
    values = []
    for (value,) in rows:
        with contextlib.suppress(ValueError, TypeError):  # a fact that is no JSON text names no file
            values.append(json.loads(value))
    return [value for value in values if isinstance(value, str)]


def _expanded(given: str) -> list[Found]:
    shown = plain(given)
    if not given:
        raise UsageError("an input's name is blank; name a file, a folder, a glob, or - for standard input.")
    with reading(shown):
        if "\0" in given:
            raise UsageError("an input's name holds a NUL character; name a file, a folder or a glob.")
        path = Path(given)
        if path.is_dir():
            return _chosen(given, list(map(str, path.iterdir())), "the folder holds no file")
        if _MAGIC & set(given) and not os.path.lexists(path):
            return _chosen(given, _matching(given), "no file matches it")
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise InputError(f"{shown}: is no regular file; name a file, or pipe it in and name it -.")
    return [Found(given)]


def _matching(pattern: str) -> list[str]:
    # Path.glob takes no absolute pattern, and would need the pattern cut in two.
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 - for the reason above


def _chosen(given: str, names: list[str], nothing: str) -> list[Found]:
    """Keep a folder's or glob's tables; what an earlier run wrote is left out and said."""
    files = sorted(name for name in names if name.lower().endswith(_PACKED) and Path(name).is_file())
    written = {folder: own_outputs(folder) for folder in {Path(name).parent for name in files}}
    left_out = [name for name in files if _is_own(Path(name), written[Path(name).parent])]
    kept = [name for name in files if name not in set(left_out)]
    shown = show_all([Path(name).name for name in left_out])
    if not kept:
        why = f"all that is there was written by earlier runs ({shown})" if left_out else nothing
        raise InputError(f"{plain(given)}: {why}; name the files to load ({', '.join(_ENDINGS)}, .gz, .zip).")
    note = ""
    if left_out:
        note = f"Left out of {plain(given)}, because an earlier run wrote them: {shown}."
    return [Found(name, note if place == 0 else "") for place, name in enumerate(kept)]


def _is_own(path: Path, written: set[str]) -> bool:
    name = path.name
    if name in written or ".journal" in name or name.endswith(".summary.json"):
        return True
    if name.endswith(_TABLES_WITHOUT_JOURNAL) and _begins_like_ours(path):
        return True
    return any(
        name.endswith(ending) and path.with_name(name.removesuffix(ending) + ".journal").is_file()
        for ending in _OUTPUTS
    )


def _begins_like_ours(path: Path) -> bool:
    with reading(plain(str(path))), path.open("rb") as file:
        return file.read(len(_THEIR_HEAD)) == _THEIR_HEAD
