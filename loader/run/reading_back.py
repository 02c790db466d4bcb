"""The reading back of a verification: everything once, and what seems missing again, because reads may lag behind."""

import asyncio
from collections.abc import Sequence

from loader.errors import TooManyFailures
from loader.events import Note, Tell, Verifying
from loader.journal import Journal
from loader.model import Outcome
from loader.record.ledger import Ledger
from loader.record.results import TextResults
from loader.run.connection import workers
from loader.run.meter import Meter
from loader.run.type_names import TypeNames
from loader.run.working import run_pool
from loader.send.compare import Compare
from loader.send.gateway import Gateway, Surroundings
from loader.send.outgoing import Unread
from loader.send.pool import Pool
from loader.send.reading import CurrentAssociations
from loader.settings import Settings
from loader.stopping import Stop

MOST_READERS = 8
"""Each holds thousands of pairs and a large answer in memory."""

SHARES_OF_WAIT = (2 / 7, 5 / 7)
"""Most reads that lag have caught up after a moment; some take longer."""

ALIKE = 200
"""So many refusals of one kind, and nothing else, in one reading are a wrong command, not wrong records."""


class ReadingBack:
    """Reads pairs back until each is judged; `read` may be called once."""

    def __init__(  # noqa: PLR0917 - made in one place, by the verb
        self,
        settings: Settings,
        gateway: Gateway,
        journal: Journal,
        results: TextResults,
        tell: Tell,
        stop: Stop,
        around: Surroundings,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._journal = journal
        self._results = results
        self._tell = tell
        self._stop = stop
        self._now = around.now
        before = {"traffic": journal.fact("traffic"), "seconds": journal.fact("seconds")}
        self._meter = Meter(before, gateway, around, around.clock())
        counts = journal.counts()
        self._total, self._pending = counts.total, counts.pending
        self._there = counts.total - counts.pending - counts.rejected

    async def read(self, names: TypeNames) -> None:
        """Judge every pair; raises Fatal or Stopped when that cannot be brought to an end."""
        exact = self._settings.send.existing == "replace"
        wait = self._settings.verify.wait
        waits = [share * wait for share in SHARES_OF_WAIT if wait]
        for number, seconds in enumerate([0.0, *waits]):
            self._journal.claim_again()
            if not self._journal.has_work():
                return
            if seconds:
                self._tell(Note(f"What seems to be missing is read again in {seconds:.2g} seconds."))
                await self._stop.unless(asyncio.sleep(seconds))
            current = CurrentAssociations(self._gateway, version=self._settings.connection.api_version)
            final = number == len(waits)
            await self._pass(Compare(current, plain=names.plain, exact=exact, final=final, now=self._now))

    async def _pass(self, action: Compare) -> None:
        self._stop.check()
        ledger = Ledger(self._journal, self._results, facts=self._meter.facts, listeners=[self._watch])
        most = min(MOST_READERS, workers(self._settings))
        outgoing = [Unread(ledger, capacity=action.capacity, ahead=1)]
        pool = Pool(ledger, outgoing, action, self._gateway, workers=most)
        try:
            await run_pool(pool, self._stop, lambda: self._tell(self._standing()))
        finally:
            ledger.finish(views=not self._stop.at_once)

    def _watch(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of what was judged; raises TooManyFailures when HubSpot refuses it all."""
        self._there += sum(outcome.rows for outcome in outcomes if outcome.status == "same")
        self._pending -= sum(outcome.rows for outcome in outcomes)
        results = [outcome.result for outcome in outcomes]
        kinds = {(result.status, result.http_status, result.error_category) for result in results}
        pairs = sum(len(outcome.pair_ids) for outcome in outcomes)
        if pairs < ALIKE or len(kinds) > 1:
            return
        one = outcomes[0].result
        if one.status == "failed" and 400 <= (one.http_status or 0) < 500:
            raise TooManyFailures(
                f"HubSpot refuses to tell what any of {pairs} records is associated with ({one.http_status} "
                f"{one.error_category}: {one.error_message}): check the object types, then run the same command again"
            )

    def _standing(self) -> Verifying:
        return self._meter.verifying(self._total, self._there, self._pending)
