"""One line for a person on standard error, if it is open."""

import os
import sys
from typing import Any

from loader.text import visible

PROGRAM = "association-loader"


def complain(message: str) -> None:
    """Write a message as one line; control characters, which a file's name or a cell may hold, are shown escaped."""
    try:
        sys.stderr.write(f"{PROGRAM}: {visible(' '.join(message.split()))}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        give_up(sys.stderr)


def give_up(stream: Any) -> None:
    """Discard what is still written to a stream, so that Python reports no error at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass  # The stream is closed, or is not a file of the system.
