"""Where a run's files are: beside its results, named after them."""

import codecs
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from loader.errors import JournalError, RecordError, UsageError
from loader.files import writing
from loader.journal import Journal
from loader.model import Understood
from loader.record.results import ENDINGS
from loader.settings import Settings

PACKINGS = (".gz", ".bz2", ".xz", ".zip")
STANDARD_INPUT = "-"

_WHILE_WRITTEN = "..1234567"
_LONGEST_ADDITION = ".20260101T000000Z-10.results.parquet"
_SET_ASIDE = re.compile(r"\.[0-9]{8}T[0-9]{6}Z(-[0-9]+)?\.journal$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresForm:
    """The form of a failures file, so that the program that opens the inputs can open it, too.

    A text has the `delimiter`, and begins with a byte order mark or not; a workbook has one `sheet` of this name.
    """

    delimiter: str = ","
    byte_order_mark: bool = False
    sheet: str = "Failures"

    @classmethod
    def like(cls, inputs: Sequence[Understood]) -> Self:
        """Return the form for a failures file of these inputs, by how each was understood."""
        texts = [each for each in inputs if each.delimiter]
        delimiters = {each.delimiter or "" for each in texts}
        sheets = {each.sheet or "" for each in inputs} - {""}
        return cls(
            delimiter=delimiters.pop() if len(delimiters) == 1 else ",",
            byte_order_mark=any(map(_needs_mark, texts)),
            sheet=sheets.pop() if len(sheets) == 1 else "Failures",
        )


def _needs_mark(understood: Understood) -> bool:
    """Return True if the input has a byte order mark, or an encoding that is not UTF-8 or ASCII.

    Failures are always UTF-8; a spreadsheet that opens the input as Windows text recognises that only by the mark.
    """
    encoding = codecs.lookup(understood.encoding or "utf-8").name
    return understood.byte_order_mark or encoding not in ("utf-8", "ascii")


def is_workbook(path: Path) -> bool:
    """Return True for the name of an Excel workbook, as an output."""
    return path.suffix.lower() == ".xlsx"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of one run. `stem` is the results file's name without its ending and without `.results`.

    `journal` has everything about the run; all other files can be made from it.
    """

    results: Path
    failures: Path
    stem: str
    journal: Path
    form: FailuresForm = FailuresForm()

    @property
    def staged(self) -> Path:
        """The journal while its run is still planned."""
        return self.journal.with_name(f"{self.journal.name}-staging")

    @property
    def summary(self) -> Path:
        """The run in figures, as JSON."""
        return self.beside("summary.json")

    def beside(self, ending: str) -> Path:
        """Return the path of another file of the same run."""
        return self.results.with_name(f"{self.stem}.{ending}")

    def all(self) -> list[Path]:
        """Return every file that a run of this name may have; the journal is the last one.

        An earlier run of another kind of input has its failures in another format.
        """
        by_default = [self.beside(f"failures.{ending}") for ending in ("csv", "xlsx")]
        failures = {file.absolute(): file for file in (*by_default, self.failures)}
        return [*failures.values(), *self.without_failures()]

    def without_failures(self) -> list[Path]:
        """Return the files that have a name of their own, whatever `--failures` says."""
        others = [self.beside(f"{kind}.{end}") for kind, end in _OTHER_COMMANDS]
        return [self.results, self.summary, *others, self.journal]

    def names(self) -> dict[str, str]:
        """Return the outputs' names by their kind, relative to the journal's folder, so that both can move.

        Where the journal is in another folder, they are absolute paths.
        """
        failures = self.failures.name if self.failures.parent == self.results.parent else str(self.failures.absolute())
        names = {
            "results": self.results.name,
            "failures": failures,
            "summary": self.summary.name,
            **{kind: f"{self.stem}.{kind}.{end}" for kind, end in _OTHER_COMMANDS},
        }
        if self.journal.parent.absolute() == self.results.parent.absolute():
            return names
        return {kind: str((self.results.parent / name).absolute()) for kind, name in names.items()}


_OTHER_COMMANDS = (("verify", "csv"), ("undo", "csv"), ("report", "html"))

OUTPUT_ENDINGS = (
    *(f".results{ending}" for ending in ENDINGS),
    *(".failures.csv", ".failures.xlsx", ".summary.json", ".journal", ".journal-wal", ".journal-shm"),
    *(f".{kind}.{ending}" for kind, ending in _OTHER_COMMANDS),
)
"""The endings of a run's files, which are named after its results or its inputs."""


def journal_of(results: Path, named: str | None = None) -> Path:
    """Return the journal's path for a results file: `named`, or beside it. A journal's path is returned unchanged."""
    if named is not None:
        return Path(named)
    if results.suffix == ".journal":
        return results
    return results.with_name(f"{_stem(results)}.journal")


def is_set_aside(journal: Path, stem: str | None = None) -> bool:
    """Return True for the journal of an earlier run that was renamed for a later run of its name (`stem`, if given)."""
    found = _SET_ASIDE.search(journal.name)
    return found is not None and stem in (None, journal.name[: found.start()])


def beside_results(results: Path, ending: str) -> Path:
    """Return another file of the run of a results file, or of a journal, which is beside it."""
    stem = results.name.removesuffix(".journal") if results.suffix == ".journal" else _stem(results)
    return results.with_name(f"{stem}.{ending}")


def is_of(results: Path, named: str) -> bool:
    """Return True if a journal with the results name `named` belongs to a results file, whatever its ending.

    A name without a folder is one in the folder of the journal, which may have been moved since.
    """
    theirs = Path(named) if Path(named).is_absolute() else results.absolute().with_name(named)
    return beside_results(theirs, "journal") == beside_results(results.absolute(), "journal")


def _stem(results: Path) -> str:
    return results.name.removesuffix(results.suffix).removesuffix(".results")


def name_outputs(settings: Settings, first_input: str, paths: list[Path], inputs: Sequence[Understood]) -> Outputs:
    """Return the run's files; UsageError for a results path that cannot be one.

    `paths` are those of the inputs, `inputs` how they were understood: the failures of a lone workbook are a workbook.
    """
    # To load a file and to remove it again are two runs.
    first_stem = f"{_stem_of_input(first_input)}{'.removed' if settings.removes else ''}"
    path = Path(settings.results or f"{first_stem}.results.csv")
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: results are written as .csv, .jsonl or .parquet: end --results with one of them")
    stem = _stem(path)
    ending = "xlsx" if len(inputs) == 1 and inputs[0].format in ("xlsx", "xls") else "csv"
    failures_path = Path(settings.failures) if settings.failures else path.with_name(f"{stem}.failures.{ending}")
    outputs = Outputs(path, failures_path, stem, journal_of(path, settings.journal), FailuresForm.like(inputs))
    if not has_room(outputs.results):
        raise UsageError(f"{path.name}: the name is too long for the files named after it: give a shorter --results")
    if len(os.fsencode(outputs.failures.name)) + len(_WHILE_WRITTEN) > _longest_name(outputs.failures.parent):
        raise UsageError(f"{outputs.failures.name}: the name is too long: give a shorter --failures")
    others = [outputs.results, outputs.failures, outputs.summary]
    for file in (*others, *([outputs.journal] if settings.journal else [])):
        _check(file, paths)
    if settings.journal and outputs.journal.absolute() in [file.absolute() for file in others]:
        raise UsageError(f"--journal {outputs.journal} is another file of this run: give a name that no other file has")
    if outputs.failures.absolute() in [file.absolute() for file in outputs.without_failures()]:
        raise UsageError(f"{outputs.failures} is needed for another file of this run: give another --failures")
    if outputs.journal.is_symlink():
        raise UsageError(
            f"{outputs.journal} is a symbolic link, which the loader never follows: give another --results"
        )
    return outputs


def has_room(results: Path) -> bool:
    """Return True if all names made from the name of a results file are short enough for its folder.

    The longest is that of results that were renamed for a later run.
    """
    return len(os.fsencode(_stem(results))) + len(_LONGEST_ADDITION) <= _longest_name(results.parent)


def _longest_name(folder: Path) -> int:
    """Return how many bytes a file's name may have; 255 on nearly every file system."""
    try:
        return os.statvfs(folder).f_namemax
    except (OSError, AttributeError):  # the folder is missing, or the system does not know this limit
        return 255


def _stem_of_input(name: str) -> str:
    if name == STANDARD_INPUT:
        return "stdin"
    path = Path(name)
    if path.suffix.lower() in PACKINGS:
        path = path.with_suffix("")
    return path.stem


def check_table(file: Path, inputs: list[Path], columns: Sequence[str]) -> None:
    """Check that a table of `verify` or `undo` may be written; UsageError if the file there is something else."""
    _check(file, inputs)
    if not file.exists() or not file.stat().st_size:
        return
    head = ",".join(columns).encode()
    with file.open("rb") as there:
        if there.read(len(head)) != head:
            raise UsageError(f"{file} exists and was not written by this command: move it away")


def _check(file: Path, inputs: list[Path]) -> None:
    if file.is_symlink():
        raise UsageError(f"{file} is a symbolic link, which the loader never writes through: give the file itself")
    if file.is_dir():
        raise UsageError(f"{file} is a folder: give a file in it")
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}: create it, or give another file")
    if not os.access(file.parent, os.W_OK | os.X_OK) or (file.exists() and not os.access(file, os.R_OK | os.W_OK)):
        raise UsageError(f"{file} cannot be written: give another file, or change its permissions")
    if file.exists() and any(file.samefile(path) for path in inputs if path.exists()):
        raise UsageError(f"{file} is an input and would be overwritten: give another --results")


def set_aside(outputs: Outputs, started_at: str | None) -> dict[Path, Path]:
    """Rename an earlier run's files to `<stem>.<started_at>.*` and return the new path of each."""
    # The journal is renamed last: until then the files that a killed command leaves have a known owner.
    there = [file for file in outputs.all() if file.exists() or file.is_symlink()]
    moved = dated_names(there, outputs.stem, started_at, journal=outputs.journal)
    with writing(outputs.journal):
        for file, path in moved.items():
            file.rename(path)
            for log in ("-wal", "-shm"):
                # Files that a killed process left beside its journal must have its new name, too.
                with suppress(FileNotFoundError):
                    file.with_name(file.name + log).rename(path.with_name(path.name + log))
    if outputs.journal in moved:
        # A damaged journal is renamed, too.
        with suppress(JournalError, RecordError), Journal(moved[outputs.journal]) as journal:
            names = {file.name: path.name for file, path in moved.items()}
            journal.rename_outputs(names | {str(file.absolute()): str(path.absolute()) for file, path in moved.items()})
    return moved


def dated_names(
    files: list[Path], stem: str, started_at: str | None, *, journal: Path | None = None
) -> dict[Path, Path]:
    """Return a free name of the form `<stem>.<started_at>.*` for each file, all with one date.

    That of the `journal` ends in `.journal`, whatever its name was. `started_at` is UTC, ISO 8601; None: when the first
    of them was written last.
    """
    if not files:
        return {}
    moment = started_at or datetime.fromtimestamp(files[0].stat().st_mtime, UTC).isoformat()
    plain = moment[:19].replace("-", "").replace(":", "") + "Z"
    stamp, count = plain, 1
    while True:
        kinds = {file: "journal" if file == journal else file.name.removeprefix(f"{stem}.") for file in files}
        names = {file: file.with_name(f"{stem}.{stamp}.{kind}") for file, kind in kinds.items()}
        if not any(path.exists() or path.is_symlink() for path in names.values()):
            return names
        count += 1
        stamp = f"{plain}-{count}"
