"""How a command is shown, so that it can be pasted into a shell."""

import os
import shlex
from collections.abc import Iterable


def command_line(words: Iterable[str]) -> str:
    """Return a command for a POSIX shell; words after a `--` are inputs, and the `--` is left out.

    >>> command_line(["load", "--", "-a.csv", "my file.csv"])
    "load ./-a.csv 'my file.csv'"
    """
    before: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            break
        before.append(word)
    return " ".join(map(_quoted, [*before, *map(as_file, rest)]))


def as_file(name: str) -> str:
    """Return a file's name so that no command takes it for an option; `-` stays standard input.

    >>> as_file("-a.csv"), as_file("a.csv"), as_file("-")
    ('./-a.csv', 'a.csv', '-')
    """
    return os.path.join(".", name) if name.startswith("-") and name != "-" else name  # noqa: PTH118 - Path drops the ./


def _quoted(word: str) -> str:
    """Quote a word; bytes that a terminal cannot show, or that are not UTF-8, are written as numbers."""
    if word.isprintable():
        return shlex.quote(word)
    # In octal, because every printf knows it. Latin-1 bytes, for example, cannot be typed in another way. A dash at the
    # beginning would be an option of printf.
    plain = "".join(chr(byte) if _is_plain(byte) else f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"\"$(printf '{plain}')\""


def _is_plain(byte: int) -> bool:
    return byte < 128 and chr(byte).isprintable() and chr(byte) not in "'\\%-"
