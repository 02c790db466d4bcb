"""A fleet at work: every portal is given to a worker, and followed until it ends."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from loader.errors import RecordError
from loader.events import Note, Notify, Portal
from loader.fleets import engine
from loader.fleets.description import FleetPortal
from loader.fleets.lease import Work, read_work
from loader.fleets.shared import SharedFolder
from loader.fleets.state import state_of
from loader.fleets.work import Order, PortalEnd
from loader.show.fleet_table import group_of, in_words
from loader.stopping import Stop
from loader.text import counted, timestamp

SECONDS_BETWEEN_LOOKS = 1.0

AFTER_RESET = timedelta(minutes=1)
"""Added to the reset time: HubSpot may be late and a clock fast, and a request too early costs a day."""


@dataclass(slots=True, kw_only=True)
class Turn:
    """A portal in this command. `before` is its heartbeat before its order began; `end` is the order's result."""

    portal: FleetPortal
    folder: SharedFolder
    before: Work | None
    is_under_way: bool = False
    end: PortalEnd | None = None


class FleetRun:
    """A fleet at work, by the profiles of its portals; `notify` gets the state of each."""

    def __init__(
        self,
        turns: Mapping[str, Turn],
        readers: Executor,
        notify: Notify,
        *,
        wait_for_quota: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._turns = turns
        self._readers = readers
        self._notify = notify
        self._wait_for_quota = wait_for_quota
        self._now = now
        self._looked = -math.inf
        self._has_noted_stop = False

    def go(self, orders: Sequence[Order], submit: engine.Submit, *, at_once: int, stop: Stop) -> None:
        """Do all orders; return when they are done, or when the workers have ended because of `stop`."""

        def submitted(order: Order) -> "Future[PortalEnd]":
            turn = self._turns[order.profile]
            turn.is_under_way, turn.end = True, None
            return submit(order)

        for turn in self._turns.values():
            self._notify(state_of(turn.portal, None, self._now()))
        engine.run(orders, submitted, at_once=at_once, stop=stop, ended=self._ended, look=partial(self._look, stop))

    def _ended(self, order: Order, end: PortalEnd) -> float | None:
        """Note the result of an order, and return after how many seconds its portal is done again, if it is."""
        turn = self._turns[order.profile]
        turn.is_under_way, turn.end = False, end
        now = self._now()
        work = Work(number=0, ended=True, at=timestamp(now), state={"jobs": end.jobs})
        found = state_of(turn.portal, work, now)
        ended = replace(found, exit_code=end.exit_code, error=end.error or found.error)
        self._notify(ended)
        if group_of(ended) not in ("done", "interrupted"):
            self._notify(Note(f"{order.profile}: {in_words(ended)}", serious=True))
        if not self._wait_for_quota or found.state != "quota" or found.until is None:
            return None
        with suppress(RecordError):
            turn.before = read_work(turn.folder)
        return (datetime.fromisoformat(found.until) + AFTER_RESET - now).total_seconds()

    def _look(self, stop: Stop) -> None:
        """Report the states of the portals under way."""
        turns = [turn for turn in self._turns.values() if turn.is_under_way]
        if stop.asked() and turns and not self._has_noted_stop:
            self._has_noted_stop = True
            self._notify(Note(f"Stopping: {counted(len(turns), 'account')} under way; Ctrl-C again leaves at once."))
        if time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
            for portal in self._readers.map(self._at_work, turns):
                self._notify(portal)
            self._looked = time.monotonic()

    def _at_work(self, turn: Turn) -> Portal:
        work = None
        with suppress(RecordError):  # It is read again soon; if the fault lasts, the worker fails with it, too.
            work = read_work(turn.folder)
        if work is None or work.number <= (turn.before.number if turn.before else 0):
            state = "held" if work is not None and not work.ended else "starting"
            return replace(state_of(turn.portal, None, self._now()), state=state)
        return state_of(turn.portal, work, self._now())
