"""The faults that the loader must survive, and the tests that hold it to that.

Each range is a dictionary of its own, so that several people can fill theirs. A test is named by its file and function:
`test_limits::test_a_burst_pauses_everyone` is that function of `test_limits.py`, in whatever folder under `tests/`.
"""

from typing import NamedTuple


class Covered(NamedTuple):
    """One fault, the tests that inject it, and, where there is none, why it cannot happen here."""

    fault: str
    tests: tuple[str, ...] = ()
    cannot: str = ""


ANSWERS: dict[int, Covered] = {}
"""Items 1 to 29, 37 to 39 and 70: answers, limits, authentication."""

CONNECTIONS: dict[int, Covered] = {}
"""Items 30 to 36 and 40 to 46: connections, names, certificates, load."""

MACHINE: dict[int, Covered] = {}
"""Items 47 to 69: kills, signals, disks, clocks, files, memory."""

TABLE = {**ANSWERS, **CONNECTIONS, **MACHINE}
