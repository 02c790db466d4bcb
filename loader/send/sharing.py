"""How the loaders of one token on one machine share its limit: an equal part for each that is at work.

Each of them has a claim in a small file in the user's cache folder: how large a portion of the limit its requests of
the last window take up. It renews the claim several times a second; nothing is read or written for a single request.
All claims together are never more than the whole limit: a loader takes no more than what the others leave, and its
claim lasts until what it has sent is a window old, also when it has ended.
"""

import asyncio
import fcntl
import json
import math
import os
import secrets
import stat
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from loader.events import Note, Notify
from loader.send.limiter import ABANDONED_SECONDS, Limiter

FOLDER = "association-loader"

RENEWAL_SECONDS = 0.2

CLAIM_SECONDS = 1.0
"""A loader that could not renew its claim for so long sends nothing until it has: it counts as ended."""

LONGEST_CLAIM = 10.0
"""Seconds. A claim that lasts longer comes from another boot of the machine, or from no loader."""

STEPS = 10
"""What an ended loader has used comes free in this many parts of a window, bit by bit."""

LARGEST = 1 << 20

LOCK_SECONDS = 1.0
"""The lock is held for less than a thousandth of that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one loader holds: no more than `portion` of the limit is in its last window, nor will be.

    It sends nothing after `until`, unless it renews the claim before. Times are seconds of the machine's monotonic
    clock; `window` is the limit's, in seconds.
    """

    portion: float
    until: float
    window: float


Claims = Mapping[str, Claim]
"""Every loader's claim, by the loader's name."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a loader may use of the limit until a moment, and how many loaders are at work, itself included."""

    portion: float
    loaders: int
    until: float


def share(claims: Claims, name: str, held: float, window: float, now: float) -> tuple[Claims, Part]:
    """Return every claim that still holds once this loader has renewed its own, and what it may use.

    `held` is what it may have used so far of the limit within the last `window` seconds.
    """
    # A request of a loader that ended may still arrive for a moment, and then counts for a window.
    others = {
        other: claim
        for other, claim in claims.items()
        if other != name and now < claim.until + ABANDONED_SECONDS + claim.window
    }
    loaders = 1 + sum(claim.until > now for claim in others.values())
    free = max(0.0, 1.0 - sum(claim.portion for claim in others.values()))
    part = Part(min(free, 1 / loaders), loaders, now + CLAIM_SECONDS)
    return {**others, name: Claim(max(part.portion, held), part.until, window)}, part


class Sharing:
    """Keeps a limiter to its part of the limit for a block.

    Where the file cannot be used, the limiter goes on alone, with an equal part beside those that it knew of, and one
    note is shown. `run_blocking` runs work off the event loop, or in a test at once.
    """

    def __init__(
        self,
        limiter: Limiter,
        file: "ClaimsFile",
        *,
        clock: Callable[[], float],
        notify: Notify,
        run_blocking: Callable[[Callable[[], Part]], Awaitable[Part]] = asyncio.to_thread,
    ) -> None:
        self._limiter = limiter
        self._file = file
        self._clock = clock
        self._notify = notify
        self._run_blocking = run_blocking
        self._name = secrets.token_hex(8)
        self._loaders = 1
        self._is_noted = False
        self._alone = False
        self._renewals: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._limiter.share(0.0, 1, self._clock())
        await self._renew()
        self._renewals = asyncio.create_task(self._keep_renewing(), name="shared limit")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewals is not None:
            self._renewals.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewals
        if not self._alone:
            with suppress(OSError):  # Then the claim ends by itself.
                self._file.change(self._leave, self._clock)

    async def _keep_renewing(self) -> None:
        while not self._alone:
            await asyncio.sleep(RENEWAL_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        # Until the claim is renewed, requests may leave within the portion that it allowed so far.
        held = max(self._limiter.in_use(self._window), self._limiter.portion)
        try:
            part = await self._run_blocking(partial(self._renew_claim, held))
        except OSError as error:
            self._go_on_alone(error)
            return
        self._loaders = part.loaders
        self._limiter.share(part.portion, part.loaders, part.until)
        if part.loaders > 1 and not self._is_noted:
            self._is_noted = True
            self._notify(Note("Another load with the same token is running on this machine; they share the limit."))

    def _renew_claim(self, held: float) -> Part:
        parts: list[Part] = []

        def change(claims: Claims) -> Claims:
            claims, part = share(claims, self._name, held, self._window, self._clock())
            parts.append(part)
            return claims

        self._file.change(change, self._clock)
        return parts[0]

    def _leave(self, claims: Claims) -> Claims:
        """Leave the claims as they are: what this loader has sent goes to the others as it becomes a window old."""
        now, window = self._clock(), self._window
        left = {name: claim for name, claim in claims.items() if name != self._name}
        before = 0.0
        for step in range(STEPS):
            used = self._limiter.in_use(window * (step + 1) / STEPS)
            # A request that was given up may still arrive at HubSpot: it counts in the first step.
            until = now - window * step / STEPS - ABANDONED_SECONDS if step else now
            left[f"{self._name}-{step}"] = Claim(used - before, until, window)
            before = used
        return left

    @property
    def _window(self) -> float:
        return self._limiter.rate.seconds * 1.001

    def _go_on_alone(self, error: OSError) -> None:
        self._alone = True
        self._limiter.share(1 / self._loaders, self._loaders, math.inf)
        self._notify(
            Note(
                f"{self._file.path}: cannot be used ({error.strerror or error}), so this load knows of no other load "
                "with the same token on this machine, and together they may pass the limit: fix the folder, or set "
                "XDG_CACHE_HOME to another"
            )
        )


class ClaimsFile:
    """`<cache folder>/association-loader/<name>`: some JSON, readable by its owner only; no symbolic link is followed.

    It holds no token; nor does its name (see `auth.fingerprint`). What is not as this class writes it counts as
    nothing. Every call raises OSError when the folder is of no use: read-only, full, another user's, on a file system
    without locks.
    """

    def __init__(self, cache_folder: Path, name: str) -> None:
        self._folder = cache_folder / FOLDER
        self._name = name

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder / self._name

    def change(self, change: Callable[[Claims], Claims], clock: Callable[[], float]) -> None:
        """Replace the claims that are there by what `change` makes of them, while no other loader does."""
        with self._locked() as descriptor:
            found = os.pread(descriptor, LARGEST, 0)
            claims = change(_read(found, clock()))
            text = _written(claims)
            # Padded, not cut: whenever this is interrupted, the file is whole or garbage, and never half of each.
            text = text.ljust(len(found))
            if os.pwrite(descriptor, text, 0) != len(text):
                raise OSError("the disk is full")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        # Opened each time: a cache folder may be emptied at any moment, and a name is then another file.
        descriptor = self._open()
        try:
            # Never waited for without end: a process that was stopped while it held the lock would stop everybody.
            deadline = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.001)
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


def _written(claims: Claims) -> bytes:
    fields = {
        name: {"portion": claim.portion, "until": claim.until, "window": claim.window} for name, claim in claims.items()
    }
    return json.dumps(fields).encode("ascii")


def _read(found: bytes, now: float) -> Claims:
    """Return the claims that a file holds, none of one that this class cannot have written."""
    claims: dict[str, Claim] = {}
    try:
        for name, fields in json.loads(found).items():
            claim = Claim(float(fields["portion"]), float(fields["until"]), float(fields["window"]))
            if not (0 <= claim.portion <= 1 and claim.until <= now + LONGEST_CLAIM and 0 < claim.window < math.inf):
                return {}
            claims[str(name)] = claim
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return {}
    return claims
