"""When there are too many failures: a limit of the command, and one that always holds."""

from collections.abc import Sequence

from loader.errors import TRY_AGAIN, TooManyFailures
from loader.model import WRITTEN, Outcome
from loader.settings import Budget

SAME_IN_A_ROW = 200
"""After this many failures for the same reason, without a success between, the command is wrong, not the rows."""

FEWEST_ROWS_OF_A_SHARE = 100

UNCLEAR = frozenset({"UNREADABLE_ANSWER", "NOT_IN_ANSWER"})
"""Categories of answers that do not show that the command is wrong."""


class FailureGuard:
    """Counts the rows with an outcome of this command; rejected rows were never sent and do not count."""

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget or Budget()
        self._rows = 0
        self._failed = 0
        self._reason: tuple[int, str] | None = None
        self._in_a_row = 0

    def watch(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes that came together; raises TooManyFailures if the run must stop.

        If one pair of a batch was created, the failures of that batch are not consecutive, whatever their number.
        """
        written = False
        for outcome in outcomes:
            status = outcome.result.status
            written |= status in WRITTEN
            if outcome.beside:
                continue
            self._rows += outcome.rows + outcome.unchanged * len(outcome.pair_ids)
            self._failed += outcome.rows * (status == "failed")
        if written:
            self._in_a_row = 0
        else:
            for outcome in outcomes:
                self._note_reason(outcome)
        self._check_budget()

    def _note_reason(self, outcome: Outcome) -> None:
        if outcome.status != "failed":
            return
        status = outcome.result.http_status
        # A 2xx with a refusal counts like a 4xx; a temporary failure does not.
        passes = outcome.result.error_category in UNCLEAR
        if status is None or passes or status >= 500 or status in TRY_AGAIN:
            self._in_a_row = 0
            return
        reason = (status, outcome.result.error_category)
        self._in_a_row = len(outcome.pair_ids) + (self._in_a_row if reason == self._reason else 0)
        self._reason = reason
        if self._in_a_row >= SAME_IN_A_ROW:
            raise TooManyFailures(
                f"{SAME_IN_A_ROW} requests in a row failed for the same reason ({status} "
                f"{outcome.result.error_category}: {outcome.result.error_message}): correct the command or the file, "
                "then run it again with --retry-failed"
            )

    def _check_budget(self) -> None:
        count, share = self._budget.count, self._budget.share
        if count is not None and self._failed > count:
            raise TooManyFailures(f"{self._failed} rows failed, more than --max-failures {count} allows")
        if share is not None and self._rows >= FEWEST_ROWS_OF_A_SHARE and self._failed > share * self._rows:
            raise TooManyFailures(
                f"{self._failed} of {self._rows} rows failed, more than --max-failures {share * 100:g}% allows"
            )
