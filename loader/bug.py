"""An unexpected exception is reported: its traceback in a file, one line on the screen."""

import os
import re
import tempfile
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from loader.errors import LoaderError
from loader.fetch.address import secrets_in
from loader.settings import DATABASE_URL, Secret, database_secrets

EXIT_CODE = LoaderError.exit_code

SHORTEST_SECRET = 4
"""The sandbox takes any token, such as `any` or `x`: to hide these would hide half the traceback."""

_BEARER = re.compile(r"(Bearer\s+)[^\s'\",)]+", re.IGNORECASE)
_TOKEN = re.compile(r"\bpat-[a-z0-9]{2,4}-[A-Za-z0-9-]{4,}")
"""A private app's token, wherever it came from: a token file may hold it, too."""


def report(error: BaseException, secrets: Iterable[str], log_file: str | None) -> str:
    """Write the traceback, without any secret, to the log file or else to a new private one; return its path."""
    text = "".join(traceback.format_exception(error))
    for secret in sorted({*secrets, *Secret.known}, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    text = _TOKEN.sub("***", _BEARER.sub(r"\1***", text))
    if log_file is not None:
        # The bug may be in writing to the log file, so a new file is tried next.
        with suppress(OSError):
            _write(
                os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600), text
            )
            return log_file
    descriptor, path = tempfile.mkstemp(prefix="association-loader-", suffix=".log")
    _write(descriptor, text)
    return path


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as file:
        file.write(text)


def secrets_around(
    environment: Iterable[tuple[str, str]], token_file: str | None, arguments: Iterable[str]
) -> list[str]:
    """Return every secret that a command may have seen, even if it failed before it had settings."""
    environment = list(environment)
    found: list[str] = []
    for name, text in environment:
        if name.startswith("HUBSPOT_") and name not in _PUBLIC:
            found.append(text.strip())
        if name == DATABASE_URL:
            found += database_secrets(text.strip())
    if token_file is not None:
        with suppress(OSError):
            found.append(Path(token_file).read_text("utf-8", "replace").strip())
    words = [*arguments, *(text for name, text in environment if name.startswith("ASSOCIATION_LOADER_"))]
    found.extend(secret for word in words for secret in secrets_in(word))
    return [text for text in found if text]


_PUBLIC = ("HUBSPOT_BASE_URL", "HUBSPOT_CLIENT_ID")
