"""The ledger of an undo: it writes down, before a request leaves, which pairs are about to be taken back."""

from collections.abc import Sequence
from functools import partial
from typing import cast

from loader.journal.taking_back import UndoJournal
from loader.record.ledger import Ledger


class UndoLedger(Ledger):
    """A ledger whose journal is an `UndoJournal`."""

    async def intend(self, pairs: Sequence[int]) -> None:
        """Commit that these pairs are about to be taken back, after everything that was recorded so far."""
        if pairs:
            await self._after_writing(partial(cast("UndoJournal", self._journal).intend, pairs))
