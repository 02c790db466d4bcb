"""The exact next command, for people to copy."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from loader.errors import JournalError, LoaderError, RecordError
from loader.journal import Counts, Journal
from loader.options.verbs import flags
from loader.record.outputs import Outputs, has_room, is_workbook
from loader.settings import Settings
from loader.shell import as_file, command_line

_OF_THIS_RUN = frozenset(
    {"--results", "--failures", "--journal", "--limit", "--again", "--fresh", "--retry-failed", "--dry-run"}
)

_OF_THE_FORMAT = frozenset({"--format", "--delimiter", "--encoding", "--sheet"})

_FOUND_BY_LOOKING = (",", ";", "\t", "|")
"""Delimiters that a load finds by itself."""

_QUERIES = frozenset({"--sql", "--sql-file"})

_OF_A_MIRROR = frozenset({"--existing", "--mirror-all-labels", "--max-removals"})


class _Part(NamedTuple):
    """An option with its value, or an input (`option` is blank); `words` are as they were typed."""

    option: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """A command as it was typed: the program with its verb, and the other words."""

    program: str
    verb: str
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the typed command of these settings."""
        program, verb, *words = settings.command
        return cls(program=program, verb=verb, parts=tuple(_parts(words)))

    def without(self, *options: str) -> Self:
        """Return the command without some options."""
        return replace(self, parts=tuple(part for part in self.parts if part.option not in options))

    def plus(self, option: str, *value: str) -> Self:
        """Return the command with another option, and its value, if any."""
        return replace(self, parts=(*self.parts, _Part(option, (option, *value))))

    def __str__(self) -> str:
        return command_line([self.program, self.verb, *(word for part in self.parts for word in part.words)])


def next_command(
    settings: Settings,
    outputs: Outputs,
    counts: Counts,
    exit_code: int,
    *,
    may_pass: bool,
    correctable: bool,
    to_remove: bool = False,
    too_much: bool = False,
) -> str | None:
    """Return the next command, or None if every row is created, or if no command was typed.

    Pending rows, or something that a mirror has still `to_remove`: the same command. `correctable` rows: load the
    corrected failures file, which has the other failed rows, too. Only failed rows, if it may help to send some again
    unchanged (`may_pass`), or what a mirror failed to remove: the same command with `--retry-failed`. If `too_much`
    would be removed: a plan of that, because the same command would be stopped again. Options from the environment and
    the configuration file are not repeated.
    """
    if not settings.command:
        return None
    typed = _Typed.of(settings)
    if too_much:
        return str(typed.without("--dry-run").plus("--dry-run"))
    if exit_code not in (0, 1):
        return same_command(settings)
    if counts.pending or to_remove:
        return str(typed.without("--fresh", "--retry-failed", "--limit"))
    removals_failed = exit_code == 1 and not counts.failed and not counts.rejected
    if (may_pass and not correctable) or removals_failed:
        return str(typed.without("--fresh", "--retry-failed").plus("--retry-failed"))
    if not counts.failed and not counts.rejected:
        return None
    if not is_reloadable(settings):
        # A job's failures may come from files that are read in different ways: they are corrected in these files.
        return str(typed.without("--fresh", "--retry-failed", "--limit"))
    return load_mended(settings, outputs, outputs.failures)


def is_reloadable(settings: Settings) -> bool:
    """Return True if the failures file can be loaded by the same command with other inputs.

    That of a job cannot: its inputs stand in the configuration file, each with how it is read.
    """
    if len(settings.read) > 1:
        return False
    if not settings.command:
        return True
    return any(not part.option or part.option in _QUERIES for part in _Typed.of(settings).parts)


def same_command(settings: Settings) -> str | None:
    """Return the command that resumes an unfinished run, or None if no command was typed."""
    if not settings.command:
        return None
    return str(_Typed.of(settings).without("--fresh", "--retry-failed"))


def load_what_is_missing(
    settings: Settings, outputs: Outputs, differing: int, stopped: LoaderError | None
) -> str | None:
    """Return the next command after a verification: itself if it was stopped, else the load again.

    Rows that the load could not load are corrected first. After an undo there is none: what it removed is not wanted.
    """
    if not settings.command:
        return None
    typed = _Typed.of(settings)
    if stopped is not None:
        return str(typed)
    if not differing:
        return None
    with suppress(JournalError, RecordError), Journal(outputs.journal, read_only=True) as journal:
        if journal.facts.undo is not None:
            return None
        counts = journal.counts()
        if not counts.pending and 0 < differing <= counts.failed:
            return journal.facts.next_command
    again = typed.without("--sample", "--seed", "--wait", "--removed")
    again = again.plus("--fresh") if outputs.journal.exists() else again
    return str(replace(again, verb="remove" if settings.removes else "load"))


def load_mended(settings: Settings, outputs: Outputs, failures: Path) -> str | None:
    """Return the command that loads a corrected failures file of this run.

    None when no command was typed, and for a job (see `is_reloadable`).
    """
    if not settings.command or not is_reloadable(settings):
        return None
    typed = _Typed.of(settings)
    given = {part.option for part in typed.parts}
    # The failures file replaces the inputs.
    options = [part for part in typed.without(*_OF_THIS_RUN, *_OF_THE_FORMAT, *_QUERIES).parts if part.option]
    mended = _Typed(
        program=typed.program,
        verb="remove" if settings.removes else "load",
        parts=(_Part("", (as_file(str(failures)),)), *options),
    )
    for option, value in _format_options(settings, outputs, failures, given):
        mended = mended.plus(option, value)
    if settings.send.existing == "mirror":
        # These are not all rows of their records.
        mended = mended.without(*_OF_A_MIRROR).plus("--existing", "merge")
    results = failures.with_suffix(".results.csv")
    if not has_room(results):
        mended = mended.plus("--results", str(failures.with_name("mended.results.csv")))
    elif settings.results and "--results" not in given:
        mended = mended.plus("--results", as_file(str(results)))
    if settings.journal is not None:
        mended = mended.plus("--journal", as_file(str(outputs.journal.with_name(f"{failures.stem}.journal"))))
    return str(mended)


def finish_undo(results: str, bound: Mapping[str, Any], journal: Path) -> str:
    """Return the command that finishes the undo of a run with the identity `bound`."""
    options = {"--profile": bound.get("profile")}
    if journal.parent.absolute() != (journal.parent / results).absolute().parent:
        options["--journal"] = as_file(str(journal))
    given = (word for option, value in options.items() if value is not None for word in (option, value))
    return command_line(["association-loader", "undo", as_file(results), *given])


def load_planned(settings: Settings) -> str | None:
    """Return the command that loads what was planned, or None if no command was typed."""
    if not settings.command:
        return None
    typed = _Typed.of(settings)
    is_plan = typed.verb == "plan"
    # The plan's outputs are not those of the load.
    load = typed.without("--report", "--failures" if is_plan else "--dry-run")
    return str(replace(load, verb="load") if is_plan else load)


def _format_options(
    settings: Settings, outputs: Outputs, failures: Path, typed: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield the options to read a failures file; the environment and the configuration file still apply."""
    read, form = settings.read[0], outputs.form
    if is_workbook(failures):
        found = {"--format": (read.format, "xlsx"), "--sheet": (read.sheet, form.sheet)}
    else:
        found = {
            "--format": (read.format, "csv"),
            "--delimiter": (read.delimiter, form.delimiter),
            "--encoding": (read.encoding, "utf-8"),
        }
    for option, (stated, value) in found.items():
        if (stated and option not in typed) or (option == "--delimiter" and value not in _FOUND_BY_LOOKING):
            yield option, value


def _parts(words: Collection[str]) -> Iterator[_Part]:
    """Parse words into options with their values, and inputs; everything after `--` is an input."""
    valueless = flags()
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from (_Part("", (as_file(name),)) for name in rest)
        elif not word.startswith("-") or word == "-":
            yield _Part("", (word,))
        elif "=" in word or word in valueless:
            yield _Part(word.partition("=")[0], (word,))
        else:
            yield _Part(word, (word, *[value for value in [next(rest, None)] if value is not None]))
