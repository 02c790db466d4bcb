"""How often Python's garbage collector runs during a load."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GARBAGE_THRESHOLDS = (10_000, 2, 2_000)
"""The collector's cost depends on the live objects, up to 150,000 pairs. With Python's own thresholds (700, 10, 10)
a load spent a quarter of its CPU on it, in pauses of a third of a second, and imports spent a tenth. There is little
cyclic garbage: only errors leave some. Higher thresholds mean longer pauses: with (25,000, 3) up to 67 ms were seen in
a merging load, which is too long for the event loop."""


_lock = threading.Lock()
_before: list[tuple[int, int, int]] = []
"""The thresholds that each open block found; the first are the process's own."""


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Collect less often in a block; of blocks in several threads, the last to end restores the thresholds."""
    with _lock:
        _before.append(gc.get_threshold())
        gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        with _lock:
            own = _before[0]
            _before.pop()
            if not _before:
                gc.set_threshold(*own)
