"""The action of a removal: pairs are taken off whole, or labels off pairs, as they were judged when they were read."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

import numpy as np

from loader.model import WHOLE_PAIR
from loader.send.archive import Archive
from loader.send.gateway import Gateway, Superseded
from loader.send.outcomes import Record, outcome
from loader.send.outgoing import Draft


class TakeOff:
    """Takes off what the pairs of a draft are judged to lose: `WHOLE_PAIR`, or labels."""

    capacity = 1000

    def __init__(self, gateway: Gateway, *, version: str, now: Callable[[], datetime]) -> None:
        self._archive = Archive(gateway, version=version, now=now)

    async def apply(self, draft: Draft, record: Record) -> None:
        """Record what becomes of pairs: `removed` or `failed`.

        Those that could not leave while their reading was young are looked up once more, and judged by that.
        """
        drafts = deque([draft])
        while drafts:
            some = drafts.popleft()
            try:
                while not some.may_leave():
                    await some.renew()
            except Superseded:
                some.done()
                continue
            pairs, read_at = list(some.pairs.each()), some.stretch.read_at
            whole = [pair for pair in pairs if WHOLE_PAIR in pair.types]
            labels = [(pair, frozenset(pair.types)) for pair in pairs if WHOLE_PAIR not in pair.types]
            found = await self._archive.whole(whole, read_at)
            record([outcome(pair, found[pair.pair_id]) for pair in whole if pair.pair_id in found])
            found |= await self._archive.labels(labels, read_at)
            record([outcome(pair, found[pair.pair_id]) for pair, _ in labels if pair.pair_id in found])
            late = [pair.pair_id for pair in pairs if pair.pair_id not in found]
            drafts.extend(some.split([np.array(late, np.int64)] if late else []))
