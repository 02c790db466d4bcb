"""Undo: take back exactly what a run added; or resume an undo where it stopped."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from loader.errors import LoaderError, UsageError, WrongPortal
from loader.events import Note, Undoable, Undone, UndoPlanned
from loader.files import remove_left_behind
from loader.journal import AsyncJournal, Facts, Lock, Undo, is_journal
from loader.journal.taking_back import COLUMNS, UndoJournal, taken_back
from loader.model import Outcome
from loader.planning.object_types import shown
from loader.record.outputs import beside_results, check_table, is_of, journal_of
from loader.record.results import open_table
from loader.record.summary import UndoFigures, summarize
from loader.run.call import Call, Done, reported
from loader.run.connection import batch_workers
from loader.run.labels import TypeNames, type_names
from loader.run.meter import Meter
from loader.run.report import UndoReport
from loader.run.session import Session, at_work, check_disk
from loader.send.gateway import Gateway
from loader.send.give_back import FAILED, GIVEN, LEFT, GiveBack
from loader.send.outgoing import Unread
from loader.send.pool import Pool
from loader.send.portal import GatewayPortal
from loader.send.take_back import TakeBack
from loader.shell import command_line

CATCH_UP_SECONDS = 10.0
"""Seconds. HubSpot's reads may lag behind its writes: after this time they should show the run's last change."""


async def run(call: Call) -> Done[UndoReport]:
    """Take back what the run of a results file added, and return the report.

    What was there before the run stays, and what was changed since is left. Raises UsageError or JournalError when
    nothing was removed, Fatal when the portal refuses the token or is another one than the run's; whatever else ends it
    early is in the report.
    """
    settings = call.settings
    results = Path(settings.results or "")
    path = journal_of(results, settings.journal)
    if not is_journal(path):
        raise UsageError(f"{settings.results}: there is no journal {path}, so what that run added is not known")
    check_disk(path, call.notify)
    file = beside_results(results, "undo.csv")
    check_table(file, [], COLUMNS)
    with Lock(path):
        async with at_work(call) as session, AsyncJournal(UndoJournal(path, assume_new=settings.assume_new)) as journal:
            if results != path and not is_of(results, journal.facts.outputs["results"]):
                raise UsageError(f"{path} is the journal of {journal.facts.outputs['results']}, not of {results}")
            names = [*journal.facts.outputs.values(), *journal.facts.kept_failures]
            remove_left_behind([path.parent / name for name in names], journal=path)
            report = await _Undo(session, journal, file).run()
    return reported(report, Undone(report.summary, str(report.path)))


class _Undo:
    """One command at work on one undo."""

    def __init__(self, session: Session, journal: AsyncJournal[UndoJournal], file: Path) -> None:
        self.session = session
        self.settings = session.settings
        self.journal = journal
        self.file = file

    async def run(self) -> UndoReport:
        """Look at the run, ask, and take back."""
        stop = self.session.stop
        stop.check()
        self._check_run()
        shown_at = self.session.around.clock() + await self.journal.call(self._unseen_seconds)
        async with self.session.connected() as portal:
            await self._check_portal(portal)
            names = await stop.unless(type_names(portal, self.journal.held.directions()))
            plan = await self.journal.call(self._plan, names)
            self.session.notify(plan)
            if plan.pairs:
                await self.session.agree(plan)
            await self.journal.call(UndoJournal.begin_undo)
            before = self.journal.facts.undo or Undo(started_at=self.session.moment())
            await self.journal.call(UndoJournal.remember, undo=replace(before, finished_at=None))
            counts = await self.journal.call(UndoJournal.states)

            def count(outcomes: Sequence[Outcome]) -> None:
                for outcome in outcomes:
                    counts[outcome.status] += len(outcome.pair_ids)
                    counts["pending"] -= len(outcome.pair_ids)

            await self.journal.follow(
                lambda journal: open_table(self.file, journal, COLUMNS, taken_back, name="undo"),
                listeners=[count],
            )
            work = self._take_back(portal.gateway, names, counts, shown_at)
            stopped = await self.session.work(self.journal, work, _is_left)
            return await self._report(portal.gateway, plan, stopped)

    def _check_run(self) -> None:
        identity, path = self.journal.facts.identity, self.journal.held.path
        if not self.journal.facts.planned:
            raise UsageError(f"{path}: that run sent nothing, so there is nothing to undo")
        if identity.get("unread") and not self.settings.assume_new:
            raise UsageError(
                f"{path}: that run had --unread and did not check what was there before, so what "
                "it added is not known: to remove every association that it created, also those that were there "
                "before, add --assume-new"
            )
        if (url := identity.get("base_url")) != self.settings.connection.base_url:
            owner = identity.get("profile")
            way = f"give --profile {owner}, with which it was made" if owner else "give it with --base-url"
            raise UsageError(f"that run was sent to {url}: {way}")

    async def _check_portal(self, portal: GatewayPortal) -> None:
        named, bound = self.settings.connection.portal_id, self.journal.facts.portal_id
        account = await self.session.recognize(portal, named=named or bound)
        if bound and account.portal_id != bound:
            raise WrongPortal(
                f"that run was made in HubSpot account {bound}, and the token belongs to account "
                f"{account.portal_id}: use that account's token",
                category="WRONG_PORTAL",
            )

    def _plan(self, journal: UndoJournal, names: TypeNames) -> UndoPlanned:
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
            for group in journal.undoable()
        )
        results = str(journal.path.parent / journal.facts.outputs["results"])
        pairs = sum(group.pairs for group in groups)
        return UndoPlanned(results, journal.facts.portal_id, journal.facts.started_at or "", pairs, groups)

    # --- taking back

    def _unseen_seconds(self, journal: UndoJournal) -> float:
        """Return for how many seconds from now readings may lag behind the run's changes."""
        if (last := journal.last_active_at()) is None:
            return 0.0
        age = (self.session.around.now() - datetime.fromisoformat(last)).total_seconds()
        return min(CATCH_UP_SECONDS, max(0.0, CATCH_UP_SECONDS - age))  # The clock may have been set back.

    async def _take_back(self, gateway: Gateway, names: TypeNames, counts: Mapping[str, int], shown_at: float) -> None:
        self.session.stop.check()
        meter = Meter(Facts(), gateway, self.session.around, self.session.began)

        async def intend(pairs: Sequence[int]) -> None:
            if pairs:
                await self.journal.call(UndoJournal.intend, pairs)

        noted = False

        async def catch_up() -> bool:
            nonlocal noted
            seconds = shown_at - self.session.around.clock()
            if seconds <= 0:
                return False
            if not noted:
                noted = True
                what = "HubSpot does not show yet all that the run changed, or somebody changed it since"
                self.session.notify(Note(f"{what}: it is read again in {ceil(seconds)} s."))
            await asyncio.sleep(seconds)
            return True

        action = TakeBack(
            gateway,
            labels=names.labels,
            intend=intend,
            intended=await self.journal.call(UndoJournal.intended),
            catch_up=catch_up,
            replaced=self.journal.held.replaced,
            singles=names.singles,
        )
        for turn in sorted({0, *self.journal.held.lots.turns.tolist()}, reverse=True):
            await self.journal.call(UndoJournal.claim_turn, turn)
            outgoing = [Unread(self.journal, capacity=TakeBack.capacity, ahead=1)]
            pool = Pool(self.journal, outgoing, action, gateway, workers=batch_workers(self.settings))
            await self.session.run_pool(pool, lambda: meter.undoing(counts))
        await self.session.stop.unless(self._give_back(gateway))

    async def _give_back(self, gateway: Gateway) -> None:
        """Give other pairs the types back that they lost by the run; the next command does what is left."""
        action = GiveBack(gateway)
        demoted = list((await self.journal.call(UndoJournal.demotions)).items())
        for start in range(0, len(demoted), GiveBack.capacity):
            statuses = await action.apply(dict(demoted[start : start + GiveBack.capacity]))
            await self.journal.call(UndoJournal.give_back, statuses)

    # --- the end

    async def _report(self, gateway: Gateway, plan: UndoPlanned, stopped: LoaderError | None) -> UndoReport:
        counts = await self.journal.call(UndoJournal.states)
        given_back = await self.journal.call(UndoJournal.given_back)
        before = self.journal.facts.undo or Undo(started_at=self.session.moment())
        undo = replace(
            before,
            finished_at=None if await self.journal.call(_is_left) else self.session.moment(),
            pairs=counts,
            given_back=given_back.get(GIVEN, 0),
            not_given_back=given_back.get(FAILED, 0),
            primaries=given_back.get(LEFT, 0) + given_back.get(FAILED, 0),
        )
        await self.journal.call(UndoJournal.remember, undo=undo)
        summary = self._summary(gateway, plan, undo, stopped)
        self.session.notify(Undone(summary, str(self.file), str(stopped) if stopped else ""))
        return UndoReport.of(summary, self.file, stopped)

    def _summary(self, gateway: Gateway, plan: UndoPlanned, undo: Undo, stopped: LoaderError | None) -> dict[str, Any]:
        """Return the figures of the undo; `pairs` counts associations, over all commands that worked on it."""
        failed = undo.pairs["failed"] + undo.not_given_back
        traffic = gateway.traffic
        figures: UndoFigures = {
            "pairs": {"total": sum(undo.pairs.values()), **undo.pairs},
            "given_back": undo.given_back,
            "primaries": undo.primaries,
            "requests": {"sent": traffic.sent, "retried": traffic.retried, "rate_limited": traffic.rate_limited},
        }
        return summarize(
            self.settings.command,
            {"results": plan.results},
            figures,
            portal_id=plan.portal_id,
            started_at=undo.started_at,
            finished_at=undo.finished_at,
            seconds=self.session.around.clock() - self.session.began,
            exit_code=stopped.exit_code if stopped else int(undo.pairs["left"] + failed > 0),
            next_command=command_line(self.settings.command) or None if stopped or failed else None,
        )


def _is_left(journal: UndoJournal) -> bool:
    """Return True while something must still be taken back, or given back to another pair."""
    return bool(journal.states()["pending"] or journal.to_give_back())
