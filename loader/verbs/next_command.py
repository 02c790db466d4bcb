"""The exact command that comes next, for people to copy."""

import shlex
from collections.abc import Sequence

from loader.record.journal import Counts
from loader.record.outputs import Outputs

_PER_RUN = ("--fresh", "--retry-failed", "--dry-run")
_PER_RUN_WITH_VALUE = ("--results", "--failures", "--limit")


def next_command(command: Sequence[str], outputs: Outputs, counts: Counts, exit_code: int) -> str | None:
    """Return what to run next, or None when every row is created.

    Pending rows: the same command. Failed rows: the same with `--retry-failed`. Rejected rows: the failures file,
    once it is mended. `command` is what was typed, word by word; it never holds a token.
    """
    if exit_code not in (0, 1):
        return shlex.join(_without(command, ("--fresh",), ()))
    if counts.pending:
        return shlex.join(_without(command, ("--fresh", "--retry-failed"), ("--limit",)))
    if counts.failed:
        return shlex.join([*_without(command, ("--fresh", "--retry-failed"), ()), "--retry-failed"])
    if counts.rejected:
        options = _without(command, _PER_RUN, _PER_RUN_WITH_VALUE)
        return shlex.join([*options[:2], str(outputs.failures), *_options_only(options[2:])])
    return None


def _without(command: Sequence[str], flags: Sequence[str], with_value: Sequence[str]) -> list[str]:
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word in with_value:
            next(words, None)
        elif word not in flags and not word.startswith(tuple(f"{option}=" for option in with_value)):
            kept.append(word)
    return kept


def _options_only(words: Sequence[str]) -> list[str]:
    """Drop the inputs; every option of `load` that is left here takes a value, but for the flags below."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            continue
        kept.append(word)
        if "=" not in word and word not in ("--quiet", "--json"):
            kept.extend(value for value in [next(rest, None)] if value is not None)
    return kept
