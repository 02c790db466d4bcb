"""The exact command that comes next, for people to copy."""

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
    """A command as it was typed: the program with its verb, and what follows them."""

    program: str
    verb: str
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the command of these settings, one that was typed."""
        program, verb, *words = settings.command
        return cls(program=program, verb=verb, parts=tuple(_parts(words)))

    def without(self, *options: str) -> Self:
        """Return the command without some options."""
        return replace(self, parts=tuple(part for part in self.parts if part.option not in options))

    def plus(self, option: str, *value: str) -> Self:
        """Return the command with an option more, and with its value, if it has one."""
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
    """Return what to run next, or None when every row is created, or when no command was typed.

    Pending rows, or something that a mirror is `to_remove` still: the same command. Rows that are `correctable`: the
    failures file, once it is corrected; it holds the other failed rows, too. Failed rows alone of which `may_pass` says
    that sending some again as they are may help, or what a mirror failed to remove: the same command with
    `--retry-failed`. Where `too_much` would be removed: a look at what that is, because the same command would be
    stopped again. What the environment and the configuration file say is not repeated.
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
        # A job's failures may come from files that are read in different ways: they are corrected where they come from.
        return str(typed.without("--fresh", "--retry-failed", "--limit"))
    return load_mended(settings, outputs, outputs.failures)


def is_reloadable(settings: Settings) -> bool:
    """Return True where the failures file can be loaded by the same command with other inputs.

    That of a job cannot: its inputs stand in the configuration file, each with how it is read.
    """
    if len(settings.read) > 1:
        return False
    if not settings.command:
        return True
    return any(not part.option or part.option in _QUERIES for part in _Typed.of(settings).parts)


def same_command(settings: Settings) -> str | None:
    """Return the command that resumes a run that ended in its middle, or None when no command was typed."""
    if not settings.command:
        return None
    return str(_Typed.of(settings).without("--fresh", "--retry-failed"))


def load_what_is_missing(
    settings: Settings, outputs: Outputs, differing: int, stopped: LoaderError | None
) -> str | None:
    """Return what to run after a verification: itself when it was stopped, else what was not done yet, once more.

    Rows that the load itself could not load are corrected first. After an undo nothing: what it removed is not wanted.
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
    """Return the command that loads a failures file of this run once it is mended.

    None when no command was typed, and for a job (see `is_reloadable`).
    """
    if not settings.command or not is_reloadable(settings):
        return None
    typed = _Typed.of(settings)
    given = {part.option for part in typed.parts}
    # The failures file takes the place of the inputs.
    options = [part for part in typed.without(*_OF_THIS_RUN, *_OF_THE_FORMAT, *_QUERIES).parts if part.option]
    mended = _Typed(
        program=typed.program,
        verb="remove" if settings.removes else "load",
        parts=(_Part("", (as_file(str(failures)),)), *options),
    )
    for option, value in _format_options(settings, outputs, failures, given):
        mended = mended.plus(option, value)
    if settings.send.existing == "mirror":
        # These rows are not all that their records are to have.
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
    """Return the command that finishes the undo of a run that is bound to `bound`."""
    options = {"--profile": bound.get("profile")}
    if journal.parent.absolute() != (journal.parent / results).absolute().parent:
        options["--journal"] = as_file(str(journal))
    given = (word for option, value in options.items() if value is not None for word in (option, value))
    return command_line(["association-loader", "undo", as_file(results), *given])


def load_planned(settings: Settings) -> str | None:
    """Return the command that loads what a plan has shown, or None when no command was typed."""
    if not settings.command:
        return None
    typed = _Typed.of(settings)
    is_plan = typed.verb == "plan"
    # What a plan wrote is not what the load is to write.
    load = typed.without("--report", "--failures" if is_plan else "--dry-run")
    return str(replace(load, verb="load") if is_plan else load)


def _format_options(
    settings: Settings, outputs: Outputs, failures: Path, typed: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield the options by which a failures file is read: what the environment or a configuration file says goes on."""
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
    """Tell options, their values and inputs apart; everything after `--` is an input."""
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
