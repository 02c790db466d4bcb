"""The loaders of one token on one machine share its limit: an equal part for each that is at work.

Each loader has a claim in a small file in the user's cache folder: the portion of the limit that its requests of the
last window take up. It renews the claim several times a second; single requests read or write nothing. All claims
together never exceed the limit: a loader takes only what the others leave. Its claim lasts until its requests are a
window old, even if it has ended.
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
"""Seconds. A loader that could not renew its claim for this long counts as ended, and sends nothing until it has."""

LONGEST_CLAIM = 10.0
"""Seconds. A claim that lasts longer is from before a restart of the machine, or not from a loader."""

STEPS = 10
"""The portion of an ended loader becomes free in this many steps of a window."""

LARGEST = 1 << 20

LOCK_SECONDS = 1.0
"""Seconds to wait for the lock, which is normally held for less than a thousandth of that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of one loader: its requests take up at most `portion` of the limit in any window.

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
    """The portion that a loader may use until a moment, and how many loaders are at work, including itself."""

    portion: float
    loaders: int
    until: float


def share(claims: Claims, name: str, held: float, window: float, now: float) -> tuple[Claims, Part]:
    """Renew a loader's claim; return all valid claims, and what this loader may use.

    `held` is the portion that it may have used within the last `window` seconds.
    """
    # A request of an ended loader may still arrive for a moment, and then counts for a window.
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

    If the file cannot be used, the limiter works alone, with an equal part by the last known number of loaders, and one
    note is shown. `run_blocking` runs work outside of the event loop, or, in a test, directly.
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
            with suppress(OSError):  # The claim ends by itself.
                self._file.change(self._leave, self._clock)

    async def _keep_renewing(self) -> None:
        while not self._alone:
            await asyncio.sleep(RENEWAL_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        # Until the claim is renewed, requests may leave within the old portion.
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
        """Keep the claim until its requests are a window old: its portion becomes free step by step."""
        now, window = self._clock(), self._window
        left = {name: claim for name, claim in claims.items() if name != self._name}
        before = 0.0
        for step in range(STEPS):
            used = self._limiter.in_use(window * (step + 1) / STEPS)
            # An abandoned request may still arrive at HubSpot: it counts in the first step.
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

    Neither the file nor its name has the token (see `auth.fingerprint`). Any content that this class cannot have
    written is ignored. Every call raises OSError if the folder cannot be used: read-only, full, another user's, on a
    file system without locks.
    """

    def __init__(self, cache_folder: Path, name: str) -> None:
        self._folder = cache_folder / FOLDER
        self._name = name

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder / self._name

    def change(self, change: Callable[[Claims], Claims], clock: Callable[[], float]) -> None:
        """Replace the claims by the result of `change`, under a lock."""
        with self._locked() as descriptor:
            found = os.pread(descriptor, LARGEST, 0)
            claims = change(_read(found, clock()))
            text = _written(claims)
            # Padded, not truncated: if this is interrupted, the file is complete or garbage, but never a wrong claim.
            text = text.ljust(len(found))
            if os.pwrite(descriptor, text, 0) != len(text):
                raise OSError("the disk is full")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        # Opened each time, because a cache folder may be emptied at any moment.
        descriptor = self._open()
        try:
            # Do not wait for ever: a process that was suspended with the lock would stop all others.
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
    """Return the claims of a file, none if this class cannot have written it."""
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
