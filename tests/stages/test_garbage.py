"""The garbage collector runs seldom during a load, and as before it afterwards."""

import gc

from loader.garbage import GARBAGE_THRESHOLDS, rarely_collecting


def test_loads_side_by_side_leave_the_garbage_collector_as_it_was() -> None:
    """A worker that somebody else started does more than ours, and the first of two loads to end is not the last."""
    own = gc.get_threshold()
    first, second = rarely_collecting(), rarely_collecting()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == GARBAGE_THRESHOLDS
    second.__exit__(None, None, None)
    assert gc.get_threshold() == own
