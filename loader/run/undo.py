"""Undo: take back exactly what a run added; or go on with an undo where it stopped."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from loader.errors import Fatal, Interrupted, LoaderError, Stopped, UsageError, WrongPortal
from loader.events import Tell, Undoable, Undone, UndoPlanned
from loader.files import remove_left_behind
from loader.journal import Lock, is_journal
from loader.journal.taking_back import UNDO, TakenBack, UndoJournal, taken_back
from loader.model import Outcome
from loader.plan.object_types import shown
from loader.record.outputs import check_table, journal_of
from loader.record.results import open_table
from loader.record.undo_ledger import UndoLedger
from loader.run.api_version import speaking
from loader.run.connection import connected, surroundings, workers
from loader.run.meter import Meter
from loader.run.portal import recognize
from loader.run.type_names import TypeNames, type_names
from loader.run.undo_report import UndoReport, summarize_undo, undo_report
from loader.run.working import run_pool
from loader.send.gateway import Gateway, Surroundings
from loader.send.give_back import FAILED, GIVEN, LEFT, GiveBack
from loader.send.outgoing import Unread
from loader.send.pool import Pool
from loader.send.portal import GatewayPortal
from loader.send.put import timestamp
from loader.send.take_back import TakeBack
from loader.settings import Settings
from loader.stopping import Stop

MOST_TAKERS = 8
"""Each holds a thousand pairs and the answer about them in memory."""

Agree = Callable[[UndoPlanned], Coroutine[Any, Any, None]]
"""Asks whoever is responsible; raises when the answer is no."""


async def undo(
    settings: Settings,
    *,
    tell: Tell,
    stop: Stop | None = None,
    around: Surroundings | None = None,
    agree: Agree | None = None,
) -> UndoReport:
    """Take back what the run of `settings.results` added, and return how that went.

    What was there before the run stays, and what somebody changed since is left. `agree` is asked before anything is
    removed. Raises UsageError or JournalError when nothing was removed, Fatal when the portal refuses the token or is
    another one than the run's; whatever else ends it early is in the report.
    """
    journal = journal_of(Path(settings.results or ""))
    if not is_journal(journal):
        raise UsageError(f"{settings.results}: there is no journal {journal}, so what that run added is not known")
    file = journal.with_name(f"{journal.name.removesuffix('.journal')}.undo.csv")
    check_table(file, [], TakenBack._fields)
    with Lock(journal), UndoJournal(journal, assume_new=settings.assume_new) as opened:
        outputs = [journal.with_name(str(name)) for name in opened.facts("output.").values()]
        remove_left_behind(outputs, journal=journal)
        run = _Run(settings, opened, file, tell, stop or Stop(), around or surroundings())
        return await run.run(agree)


class _Run:
    """One command at work on one undo."""

    def __init__(  # noqa: PLR0917 - made in one place, above
        self,
        settings: Settings,
        journal: UndoJournal,
        file: Path,
        tell: Tell,
        stop: Stop,
        around: Surroundings,
    ) -> None:
        self.settings = speaking(settings, around.now())
        self.journal = journal
        self.file = file
        self.tell = tell
        self.stop = stop
        self.around = around
        self.began = around.clock()

    async def run(self, agree: Agree | None) -> UndoReport:
        """Look at the run, ask, and take back."""
        self.stop.check()
        self._check_run()
        async with connected(self.settings, self.around) as gateway:
            portal = GatewayPortal(gateway, version=self.settings.connection.api_version)
            await self.stop.unless(self._check_portal(portal))
            names = await self.stop.unless(type_names(portal, self.journal.directions()))
            plan = self._plan(names)
            self.tell(plan)
            if agree is not None and plan.pairs:
                await self.stop.unless(agree(plan))
            return await self._take_back(gateway, names, plan)

    def _check_run(self) -> None:
        identity: Mapping[str, Any] = self.journal.fact("identity") or {}
        if not self.journal.fact("planned"):
            raise UsageError(f"{self.journal.path}: that run sent nothing, so there is nothing to take back")
        if identity.get("unread") and not self.settings.assume_new:
            raise UsageError(
                f"{self.journal.path}: that run had --unread and looked at nothing before it wrote, so what "
                "it added is not known: to remove every association that it created, also those that were there "
                "before, add --assume-new"
            )
        if (url := identity.get("base_url")) != self.settings.connection.base_url:
            raise UsageError(f"that run was sent to {url}: name it by --base-url")

    async def _check_portal(self, portal: GatewayPortal) -> None:
        named, bound = self.settings.connection.portal_id, self.journal.fact("portal_id")
        account = await recognize(portal, named or bound)
        if bound and account.portal_id != bound:
            raise WrongPortal(
                f"that run was made in portal {bound}, and the token belongs to portal {account.portal_id}: use that "
                "portal's token",
                category="WRONG_PORTAL",
            )

    def _plan(self, names: TypeNames) -> UndoPlanned:
        groups = tuple(
            Undoable(
                shown(group.direction[0]),
                shown(group.direction[1]),
                group.whole,
                tuple((each.key, names.labels.get(each.key, "")) for each in group.types),
                tuple((each.key, names.labels.get(each.key, "")) for each in group.back),
                group.pairs,
                group.unsure,
                group.primary,
            )
            for group in self.journal.undoable()
        )
        results = str(self.journal.path.with_name(self.journal.fact("output.results")))
        pairs = sum(group.pairs for group in groups)
        return UndoPlanned(results, self.journal.fact("portal_id"), self.journal.fact("started_at"), pairs, groups)

    # --- taking back

    async def _take_back(self, gateway: Gateway, names: TypeNames, plan: UndoPlanned) -> UndoReport:
        self.journal.begin_undo()
        before: Mapping[str, Any] = self.journal.fact(UNDO) or {}
        began_at = before.get("started_at") or timestamp(self.around.now())
        self.journal.remember({UNDO: {**before, "started_at": began_at, "finished_at": None}})
        meter = Meter({}, gateway, self.around, self.began)
        stopped: LoaderError | None = None
        with open_table(self.file, self.journal, TakenBack._fields, taken_back, name=UNDO) as results:
            counts = self.journal.standing()
            listeners = [partial(_count, counts)]
            ledger = UndoLedger(self.journal, results, facts=dict, listeners=listeners)
            try:
                await self._work(gateway, ledger, names, lambda: self.tell(meter.undoing(counts)))
                await self.stop.unless(self._give_back(gateway))
            except (Fatal, Stopped) as error:
                stopped = error
            finally:
                ledger.finish(views=not self.stop.at_once)
        if stopped is not None and self.stop.at_once:
            raise stopped
        return self._report(gateway, plan, stopped)

    async def _work(self, gateway: Gateway, ledger: UndoLedger, names: TypeNames, progress: Callable[[], None]) -> None:
        self.stop.check()
        action = TakeBack(
            gateway,
            version=self.settings.connection.api_version,
            labels=names.labels,
            intend=ledger.intend,
            intended=self.journal.intended(),
            now=self.around.now,
            replaced=self.journal.replaced,
            max_attempts=self.settings.send.max_attempts,
        )
        pool = Pool(
            ledger,
            [Unread(ledger, capacity=TakeBack.capacity, ahead=1)],
            action,
            gateway,
            workers=min(MOST_TAKERS, workers(self.settings)),
        )
        await run_pool(pool, self.stop, progress)

    async def _give_back(self, gateway: Gateway) -> None:
        """Give other pairs the types back that they lost by the run; what is cut short is done by the next command."""
        action = GiveBack(
            gateway,
            version=self.settings.connection.api_version,
            max_attempts=self.settings.send.max_attempts,
            now=self.around.now,
        )
        demoted = list(self.journal.demotions().items())
        for start in range(0, len(demoted), GiveBack.capacity):
            self.journal.give_back(await action.apply(dict(demoted[start : start + GiveBack.capacity])))

    def _report(self, gateway: Gateway, plan: UndoPlanned, stopped: LoaderError | None) -> UndoReport:
        counts = self.journal.standing()
        pending = counts["pending"] or self.journal.to_give_back()
        if isinstance(stopped, Interrupted) and not pending:
            stopped = None  # What was in flight was all that was left.
        fact: dict[str, Any] = {**self.journal.fact(UNDO), **counts}
        given_back = self.journal.given_back()
        fact["given_back"], fact["not_given_back"] = given_back.get(GIVEN, 0), given_back.get(FAILED, 0)
        fact["primaries"] = given_back.get(LEFT, 0) + given_back.get(FAILED, 0)
        if not pending:
            fact["finished_at"] = timestamp(self.around.now())
        self.journal.remember({UNDO: fact})
        seconds = self.around.clock() - self.began
        summary = summarize_undo(self.settings, fact, plan, gateway.traffic, seconds, stopped)
        self.tell(Undone(summary, str(self.file), str(stopped) if stopped else ""))
        return undo_report(summary, self.file, stopped)


def _count(counts: dict[str, int], outcomes: Sequence[Outcome]) -> None:
    """Keep count of pairs by status as they get their outcomes."""
    for outcome in outcomes:
        counts[outcome.status] += len(outcome.pair_ids)
        counts["pending"] -= len(outcome.pair_ids)
