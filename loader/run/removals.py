"""How many associations may be taken off: held against the whole plan, before the first write."""

from collections.abc import Sequence

from loader.errors import TooManyRemovals
from loader.settings import Budget

FEWEST_OF_A_SHARE = 100
"""From this many associations on a share counts: of a few, a single one may be half."""


def check_removals(budget: Budget | None, removals: int, of: int, examples: Sequence[str]) -> None:
    """Raise TooManyRemovals when more would be taken off than the budget allows.

    `of` is how many associations in scope there are; `examples` are some of those that would go.
    """
    if budget is None:
        return
    some = f", such as {'; '.join(examples[:3])}" if examples else ""
    mend = "look at the file; if they are to go, raise it, or say --max-removals off"
    if budget.count is not None and removals > budget.count:
        raise TooManyRemovals(
            f"nothing was sent: {removals:,} associations would be taken off{some}, and --max-removals allows "
            f"{budget.count:,}: {mend}"
        )
    if budget.share is not None and of >= FEWEST_OF_A_SHARE and removals > budget.share * of:
        raise TooManyRemovals(
            f"nothing was sent: {removals:,} of {of:,} associations would be taken off{some}, and --max-removals "
            f"allows {budget.share * 100:g}%: {mend}"
        )
