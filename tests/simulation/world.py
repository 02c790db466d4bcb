"""One world: an input, a HubSpot, a line between, and the story of the runs that load the one into the other."""

import asyncio
import csv
import gc
import json
import random
import warnings
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loader.errors import Interrupted, LoaderError
from loader.events import Event
from loader.send.gateway import Surroundings
from loader.settings import Budget, ConnectionSettings, InputSettings, OAuthCredentials, Secret, Settings
from loader.stopping import Stop
from tests.simulation import folder
from tests.simulation.exchanges import Exchange
from tests.simulation.hubspot import CLIENT, DAY, STATIC_TOKEN, HubSpot
from tests.simulation.line import Line
from tests.simulation.loop import Hung, Killed, SimulatedLoop
from tests.simulation.portal import Kind, Pair, Record
from tests.simulation.setting import BEGINNING, BLOWS, Setting, drawn_kind, drawn_send
from tests.verbs import load, undo

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
LONGEST_RUN = 4 * 3600.0
MOST_RUNS = 30
PATIENCE = 13
"""Runs after which the weather clears up, so that every world comes to its end."""


@dataclass(slots=True)
class Blow:
    """What happens to a run once `after` more events have passed on the line; `then` is a number of its own."""

    kind: str
    after: int
    then: float


@dataclass(slots=True)
class Run:
    """One run and how it ended. `how` is done, raised, killed or hung; times are the world's."""

    number: int
    settings: Settings
    blow: Blow | None
    began: float
    before: dict[tuple[str, int, str, str], str]
    ended: float = 0.0
    how: str = ""
    exit_code: int | None = None
    said: str = ""
    stop_requested: float | None = None
    stopped_at_once: float | None = None
    struck_at: float | None = None
    """When the blow fell."""
    torn: list[str] = field(default_factory=list)
    after: dict[tuple[str, int, str, str], str] = field(default_factory=dict)
    summary: dict[str, Any] | None = None
    lines: list[dict[str, str]] | None = None
    complaints: list[str] = field(default_factory=list)
    turns: int = 0

    @property
    def orderly(self) -> bool:
        """True when it wrote its files and reported how it ended."""
        return self.how == "done"

    def line(self) -> str:
        """Return the run as one line of a trace."""
        blow = f"{self.blow.kind} at {self.struck_at}" if self.blow else "no blow"
        ended = f"{self.how} {self.exit_code} {self.said} {' '.join(self.torn)}"
        return f"run {self.number} {self.began:.6f}-{self.ended:.6f} {blow}: {ended}; {len(self.after)} outcomes"


class World:
    """The world of one seed. After `live`, everything that happened in it can be looked at."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.seed = setting.seed
        self.chance = random.Random(f"world {self.seed}")
        self.inputs = setting.inputs
        self.wanted = self.inputs.wanted()
        self.clock = BEGINNING
        self.hubspot = HubSpot(setting.rules, random.Random(f"hubspot {self.seed}"))
        self.line = Line(self.hubspot, setting.weather, random.Random(f"line {self.seed}"))
        self.runs: list[Run] = []
        self.trace: list[str] = []
        self._blows_left = setting.blows
        self._retry_failed = False
        self.refused = frozenset(setting.rules.refused) | setting.rules.poisoned
        """The pairs that HubSpot never takes, until it is mended."""
        self.before_images: dict[Pair, frozenset[Kind]] = {}
        """What the journal says in the end that pairs were before, where the loader looked."""
        for pair, kind in setting.there.items():
            self.hubspot.portal.add(pair, frozenset([kind]), self.clock)
        for pair, kinds in setting.foreign.items():
            self.hubspot.portal.add(pair, kinds, self.clock)
        self.at_first = dict(self.hubspot.portal.types)
        """What the portal has before the first run."""
        self.exempt: set[Record] = set()
        self.unread: set[Record] = set()
        """The records that a mirror took nothing off, and those that it could not read, as the journal says."""
        self.taken_back = False
        """Whether a removal was taken back in the end."""
        self.second_night: Sequence[Exchange] = []
        """What passed on the line when a mirror's inputs were loaded anew in the end."""

    # --- living

    def live(self) -> "World":
        """Run the load until every row has an outcome, whatever happens to it."""
        with folder.world_folder():
            self.inputs.write(Path())
            self._finish(MOST_RUNS)
            if self.chance.random() < 0.3:
                self._finish(MOST_RUNS)  # The same command once more: nothing is left to do.
            if self.chance.random() < 0.3:
                self._mend()
                self._finish(MOST_RUNS)
            if self.setting.existing == "merge":
                self.before_images = folder.before_images()
            if self.setting.existing == "mirror":
                self.exempt, self.unread = folder.exempt()
            if self.setting.removes and not any(run.torn for run in self.runs):
                self._take_back()
            if self.setting.existing == "mirror" and not self._changed_meanwhile():
                self._second_night()
            self.trace += [exchange.line() for exchange in self.line.exchanges]
        return self

    def _changed_meanwhile(self) -> bool:
        """Whether anybody changed anything since the first run, or anything failed or could not be read."""
        changes = [each for some in self.hubspot.portal.changes.values() for each in some]
        failed = any(line["status"] == "failed" for line in self.runs[-1].lines or [])
        return failed or bool(self.unread) or any(not each.by and each.when > self.runs[0].began for each in changes)

    def _finish(self, most: int) -> None:
        """Run the command again and again until it has nothing left to do."""
        for _ in range(most):
            self._next_run()
            run = self.runs[-1]
            done = run.summary and run.exit_code in (0, 1) and not run.summary["rows"]["pending"]
            if done and not (self.setting.existing == "mirror" and run.settings.send.limit):
                return
            self._between()

    def _mend(self) -> None:
        """What HubSpot refused it would take now: the failed rows are to be sent again."""
        self._retry_failed = True
        self.hubspot.heal()
        self._blows_left = self.chance.choice([0, 1, 2])
        self.setting.rules.refused.clear()
        self.setting.rules.stale.clear()
        self.setting.rules.poisoned.clear()
        self.setting.weather.clear()

    def _take_back(self) -> None:
        """Undo a removal, in fine weather."""
        report = self._in_fine_weather(undo)
        assert report.stopped is None, report.stopped
        self.taken_back = True

    def _second_night(self) -> None:
        """Load the same inputs anew, in fine weather."""
        number = len(self.line.exchanges)
        report = self._in_fine_weather(load, fresh=True)
        assert report.stopped is None, report.stopped
        self.second_night = self.line.exchanges[number:]

    def _in_fine_weather(self, command: Callable[..., Coroutine[Any, Any, Any]], **changes: Any) -> Any:
        """Run one more command on the next day, which nothing disturbs; return its report."""
        self._mend()
        self.hubspot.rules.limits = ((0.0, 1000),)
        self.hubspot.rules.others, self.hubspot.rules.daily, self.hubspot.rules.silent = (), None, 0.0
        settings = replace(self._settings(None), retry_failed=False, **changes)
        self.clock = (self.clock // DAY + 1) * DAY + 60
        self.line.settle(self.clock)
        self.line.run, self.line.dead = len(self.runs) + 1, False
        loop = SimulatedLoop(self.clock, self.clock + LONGEST_RUN, random.Random(0), self.setting.disk_seconds)
        around = Surroundings(
            loop.time, lambda: MIDNIGHT + timedelta(seconds=loop.time()), random.Random(0).uniform, self.line.open
        )
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(command(settings, notify=_hear, around=around))

    def exchanges_of(self, run: int) -> Sequence[Exchange]:
        """Return what passed on the line in one run."""
        return [exchange for exchange in self.line.exchanges if exchange.run == run]

    def _between(self) -> None:
        """Let time pass until somebody runs the command again, and mend what needs a person."""
        run, hubspot = self.runs[-1], self.hubspot
        hubspot.heal()
        self.clock += self.chance.choice([0.5, 5.0, 30.0, 900.0])
        if run.exit_code == 5 and "quota" in run.said:
            self.clock = (self.clock // DAY + 1) * DAY + 60
        self.line.settle(self.clock)
        if self.chance.random() < 0.3:
            self.clock += 1.0  # Past all that a dead run had on its way: nobody could tell which came first.
            self.line.settle(self.clock)
            for pair in self.chance.sample(list(self.wanted), k=min(3, len(self.wanted))):
                if hubspot.rules.merged.keys().isdisjoint(pair):
                    hubspot.portal.add(pair, frozenset([drawn_kind(self.chance, pair)]), self.clock)
        if len(self.runs) > PATIENCE:
            self.setting.weather.clear()

    def _blow(self) -> Blow | None:
        if self._blows_left <= 0:
            return None
        self._blows_left -= 1
        (kind,) = self.chance.choices(list(BLOWS), list(BLOWS.values()))
        events = 3 * (len(self.wanted) - len({key[:2] for key in self.runs[-1].after} if self.runs else ())) + 10
        after = 0 if self.chance.random() < 0.1 else self.chance.randrange(max(1, events))
        return Blow(kind, after, self.chance.random())

    def _settings(self, blow: Blow | None) -> Settings:
        oauth = OAuthCredentials(client_id=CLIENT[0], client_secret=Secret(CLIENT[1]), refresh_token=Secret(CLIENT[2]))
        send = replace(
            self.setting.send or drawn_send(self.chance),
            existing=self.setting.existing,
            unread=self.setting.existing == "replace",
            max_removals=Budget() if self.setting.existing == "mirror" else None,
            whole_pair=self.setting.whole_pair,
            mirror_all_labels=self.setting.all_labels,
        )
        if self.setting.removes:
            send = replace(send, method="archive")
        if blow and blow.kind == "max duration":
            send = replace(send, max_duration=1 + blow.then * 20)
        if blow and blow.kind == "limit":
            send = replace(send, limit=1 + int(blow.then * self.inputs.records()))
        return Settings(
            read=(
                InputSettings(
                    inputs=tuple(self.inputs.files),
                    needs_label=self.setting.removes and not self.setting.whole_pair,
                ),
            ),
            removes=self.setting.removes,
            connection=ConnectionSettings(
                credentials=Secret(STATIC_TOKEN) if self.setting.rules.token_life is None else oauth,
                timeout=self.setting.timeout or self.chance.choice([30.0, 30.0, 5.0]),
            ),
            send=send,
            results="a.results.csv",
            retry_failed=self._retry_failed,
            command=("association-loader", "remove" if self.setting.removes else "load", *self.inputs.files),
        )

    def _next_run(self) -> None:
        blow = self._blow()
        run = Run(len(self.runs) + 1, self._settings(blow), blow, self.clock, folder.outcomes())
        self.runs.append(run)
        self.line.run, self.line.dead = run.number, False
        loop = SimulatedLoop(
            self.clock,
            self.clock + LONGEST_RUN,
            random.Random(f"disk {self.seed} {run.number}"),
            self.setting.disk_seconds,
        )
        disk = folder.Disk()
        try:
            left = self._drive(run, loop, disk)
        finally:
            disk.empty()
            self.line.watch = lambda: None
        if left is not None:
            folder.restore(left)
        run.ended, run.turns, run.complaints = loop.time(), loop.turns, loop.complaints
        self.clock = max(self.clock, run.ended)
        run.after = folder.outcomes()
        self._look_at_files(run)
        self.trace.append(run.line())

    def _drive(self, run: Run, loop: SimulatedLoop, disk: folder.Disk) -> dict[str, bytes] | None:
        """Run the loop to the end of the run; return the folder as a death left it, None where there was none."""
        left = None
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                runner.run(self._load(run, loop, disk))
            except (Killed, Hung) as death:
                run.how = "killed" if isinstance(death, Killed) else "hung"
                run.said = str(death)
                run.ended = loop.time()
                self.line.dead = True
                self.line.watch = lambda: None
                left = folder.as_it_is()
                disk.empty()
        if left is not None:
            # Whatever the cancelled tasks did on their way out, the dead process did not.
            loop.complaints.clear()
            # It leaves files open, too. The garbage collector must not find one of them in a later test.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
            # A power cut takes nothing that reached the disk, and SQLite copies the log into the journal after that
            # alone. The full disk of this world, a limit to a file's size, can end such a copy in the middle.
            was_full = any(each.blow is not None and each.blow.kind == "disk full" for each in self.runs)
            if run.how == "killed" and not was_full and self.chance.random() < 0.4:
                run.torn = folder.torn(left, self.chance)
        return left

    async def _load(self, run: Run, loop: SimulatedLoop, disk: folder.Disk) -> None:
        stop = Stop()
        self._arm(run, loop, disk, stop)
        around = Surroundings(
            loop.time,
            lambda: MIDNIGHT + timedelta(seconds=loop.time()),
            random.Random(f"run {self.seed} {run.number}").uniform,
            self.line.open,
        )
        try:
            report = await load(run.settings, notify=_hear, stop=stop, around=around)
            ending = "done", report.exit_code, str(report.stopped or "")
        except LoaderError as error:
            ending = "raised", error.exit_code, f"{type(error).__name__}: {error}"
        if self.line.dead:
            return
        run.how, run.exit_code, run.said = ending
        loop.spare()
        assert len(asyncio.all_tasks()) == 1, "a task was left behind"

    def _look_at_files(self, run: Run) -> None:
        if not run.orderly:
            return
        text = Path("a.results.csv").read_text("utf-8")
        run.lines = list(csv.DictReader(text.splitlines()))
        summary = Path("a.summary.json").read_text("utf-8")
        run.summary = json.loads(summary)
        failures = Path("a.failures.csv")
        self.trace += [text, summary, failures.read_text("utf-8") if failures.exists() else "no failures"]

    # --- blows

    def _arm(self, run: Run, loop: SimulatedLoop, disk: folder.Disk, stop: Stop) -> None:
        blow = run.blow
        if blow is None or blow.kind in ("max duration", "limit"):
            return
        left = blow.after

        def event() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._strike(run, blow, loop, disk, stop)

        self.line.watch = event
        if left == 0:
            self._strike(run, blow, loop, disk, stop)

    def _strike(self, run: Run, blow: Blow, loop: SimulatedLoop, disk: folder.Disk, stop: Stop) -> None:
        run.struck_at = loop.time()
        if blow.kind == "kill":
            loop.kill_in(int(blow.then * (60 if blow.after == 0 else 8)))
        elif blow.kind in ("stop", "stop twice"):
            loop.call_later(blow.then, self._ask, run, loop, stop)
            if blow.kind == "stop twice":
                loop.call_later(blow.then + blow.then * 3 % 1, self._ask, run, loop, stop)
        elif blow.kind == "disk full":
            disk.fill(int(blow.then * (150_000 if blow.after == 0 else 8_000)))
        elif blow.kind == "day":
            self.hubspot.use_up_the_day()
        else:
            attribute = {"revoked": "token_revoked", "scope": "scope_missing", "migrating": "migrating"}[blow.kind]
            setattr(self.hubspot, attribute, True)

    @staticmethod
    def _ask(run: Run, loop: SimulatedLoop, stop: Stop) -> None:
        if run.stop_requested is None:
            run.stop_requested = loop.time()
        else:
            run.stopped_at_once = loop.time()
        stop.request(Interrupted(2))


def _hear(event: Event) -> None:
    del event
