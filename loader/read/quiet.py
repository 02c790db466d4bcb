"""What a library in another language writes past Python to standard error, kept off the screen.

calamine is Rust: some damaged old workbooks make it panic, and a panic prints a page of stack before it becomes the
error that we turn into a sentence.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator

_STANDARD_ERROR = 2
_PANIC = b"panicked at"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what is written to standard error during a block, by whomever; all but a panic is written after it."""
    try:
        kept = os.dup(_STANDARD_ERROR)
    except OSError:
        yield  # It is closed: nobody would see anything.
        return
    with contextlib.closing(os.fdopen(kept, "wb", buffering=0)) as screen, tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(kept, _STANDARD_ERROR)
            held.seek(0)
            said = held.read()
            if said and _PANIC not in said:
                with contextlib.suppress(OSError):  # Its reader has gone.
                    screen.write(said)
