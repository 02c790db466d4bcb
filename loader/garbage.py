"""How often Python looks for garbage while a load is at work."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GARBAGE_THRESHOLDS = (10_000, 2, 2_000)
"""Looking for garbage costs by what is alive, up to 150,000 pairs: with Python's own thresholds (700, 10, 10) a load
spent a quarter of its CPU on that, a third of a second at a time, its imports a tenth. Little is cyclic: what faults
leave behind. The more may gather before a look, the longer it takes: up to 67 ms of a merging load were seen with
(25,000, 3), more than the event loop may be held up; those that live are looked at as often either way."""


_lock = threading.Lock()
_before: list[tuple[int, int, int]] = []
"""The thresholds that each block found which is not over yet; the first are the process's own."""


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Look for garbage less often in a block; of blocks in several threads, the last to end leaves it as it was."""
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
