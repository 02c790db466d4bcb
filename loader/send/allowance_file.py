"""The file in which the loaders of one token, on one machine, share its limit: opened, locked and read at each meeting.

It is some JSON in the user's cache folder, and holds no token; nor does its name (see `auth.fingerprint`).
"""

import fcntl
import json
import math
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loader.send.allowance import NOTHING, Allowance, Claim, Held

FOLDER = "association-loader"

LARGEST = 1 << 20
AHEAD_SECONDS = 10.0
"""Nothing lasts longer than a window and a few seconds: what does comes from another boot, or from nobody of ours."""

PATIENCE = 1.0
"""Seconds for the lock, which is held for less than a thousandth of one."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Change = Callable[[Allowance], Allowance]


class AllowanceFile:
    """`<cache folder>/association-loader/<name>`, readable by its owner only; no symbolic link is followed.

    What is not as this module writes it, or comes from another boot of the machine, counts as nothing. Every call
    raises OSError when the folder is of no use: read-only, full, somebody else's, on a file system without locks.
    """

    def __init__(self, cache_folder: Path, name: str) -> None:
        self._folder = cache_folder / FOLDER
        self._name = name
        self._boot = _boot()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder / self._name

    def change(self, change: Change, clock: Callable[[], float]) -> None:
        """Replace what is there by what `change` makes of it, while nobody else does."""
        with self._locked() as descriptor:
            found = os.pread(descriptor, LARGEST, 0)
            text = _written(change(_read(found, self._boot, clock())), self._boot)
            # Padded, not cut: whenever this is interrupted, the file is whole or garbage, and never half of each.
            text = text.ljust(len(found))
            if os.pwrite(descriptor, text, 0) != len(text):
                raise OSError("the disk is full")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        # Opened each time: a cache folder may be emptied at any moment, and a name is then another file.
        descriptor = self._open()
        try:
            _lock(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(self._name, flags, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            os.close(descriptor)
            raise OSError("it is not a file that only this user may read")
        return descriptor


def _lock(descriptor: int) -> None:
    # Never waited for without end: a process that was stopped while it held the lock would stop everybody.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)
        else:
            return


def _boot() -> str:
    """What tells this boot of the machine from others, where the system says it: monotonic clocks begin anew."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _written(allowance: Allowance, boot: str) -> bytes:
    return json.dumps({"boot": boot, "claims": allowance.claims, "held": allowance.held}).encode("ascii")


def _read(found: bytes, boot: str, now: float) -> Allowance:
    try:
        content = json.loads(found)
        if content["boot"] != boot:
            return NOTHING
        claims = {str(name): _claim(fields, now) for name, fields in content["claims"].items()}
        return Allowance(claims, [_held(fields, now) for fields in content["held"]])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return NOTHING


def _claim(fields: Any, now: float) -> Claim:
    portion, hungry, until, window = fields
    _check(portion, until, window, now)
    return Claim(float(portion), bool(hungry), float(until), float(window))


def _held(fields: Any, now: float) -> Held:
    portion, until, window = fields
    _check(portion, until - window, window, now)
    return Held(float(portion), float(until), float(window))


def _check(portion: float, until: float, window: float, now: float) -> None:
    if not (0 <= portion <= 1 and -math.inf < until <= now + AHEAD_SECONDS and 0 < window < math.inf):
        raise ValueError("no portion of ours")
