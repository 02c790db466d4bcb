"""The lines of a verification, read back from its own journal: what each row asks for, compared with HubSpot.

In that journal the status of an outcome is `same`, `other`, `missing` or `failed`, for the whole pair, and its labels
are the association types that the portal has for it, each as `CATEGORY:id`. The line of a row is computed from these.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from loader.journal.journal import Journal
from loader.journal.lines import ROW_COLUMNS, Line, LineBlock, line_blocks, lines
from loader.journal.planned import type_of
from loader.model import WHOLE_PAIR

MARKS = {
    "load": {"=": "there", "*": "different", "+": "missing", "!": "unreadable"},
    "remove": {"=": "gone", "*": "still_there", "!": "unreadable"},
}
"""The marks of the lines and their meaning, by the verb of the run that is verified."""


SURPLUS = "surplus"
"""What a mirror would remove: these lines have the mark of a difference, and are not rows of the inputs."""

COLUMNS = (*ROW_COLUMNS, "labels", "error_category", "error_message")
"""The columns of the file, in their order: those of the results that say something of a verification."""


def comparisons(journal: Journal, view: str, after: int) -> Iterator[tuple[int, Line]]:
    """Yield the lines of a view (`outcomes` or `rejected`) that come after a number, each with its number.

    Their `status` says whether what the row asks for is there, their `labels` what is there.
    """
    if view == "rejected":
        for number, line in lines(journal, view, after):
            yield number, line._replace(status="!")
        return
    names = _Names(journal.facts.labels)
    for block in line_blocks(journal, after):
        for line, mark in zip(block.lines(), _marks(journal, block), strict=True):
            yield block.number, line._replace(status=mark, labels=names[line.labels])


def marks(journal: Journal) -> Counter[str]:
    """Return how many lines have each mark, and how many are about what no row asks for (`SURPLUS`)."""
    counted: Counter[str] = Counter()
    for block in line_blocks(journal):
        both = zip(_marks(journal, block), block.rows.inputs.tolist(), strict=True)
        counted.update(mark if input_ else SURPLUS for mark, input_ in both)
    counted["!"] += journal.counts().rejected
    return counted


def _marks(journal: Journal, block: LineBlock) -> list[str]:
    """Return the mark of each row."""
    found = np.array([_MARK_OF.get(each.status, "*") for each in block.shared])[block.which]
    for number, each in enumerate(block.shared):
        if each.status == "other" and not journal.facts.exact:
            rows = np.flatnonzero(block.which == number)
            held = frozenset(map(type_of, filter(None, each.labels.split(";"))))
            removed = journal.verb == "remove"
            if removed:
                held |= {WHOLE_PAIR}  # For a row that names the whole pair, something is still there.
            own = journal.own_among(held, block.rows.kinds[rows], block.rows.backward[rows])
            found[rows[own != removed]] = "="
    return list(map(str, found))


_MARK_OF = {"failed": "!", "missing": "+", "same": "="}
"""The mark of each status; a pair that has something else is looked at row by row."""


class _Names(dict[str, str]):
    """Types as the journal writes them -> their labels for people; a portal has few sets of them."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._labels = labels

    def __missing__(self, keys: str) -> str:
        names: Sequence[str] = [self._labels.get(each, each.replace(":", " ")) for each in keys.split(";") if each]
        self[keys] = ";".join(name for name in names if name)
        return self[keys]
