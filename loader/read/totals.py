"""Rows of totals: one column has a word for a total, and the column of ids has a count."""

import re
from collections.abc import Collection, Iterator

import numpy as np

from loader.read.cells import show, trim
from loader.read.table import Mark, RecordBatch

_WORDS = (
    "totals?|sum|count|average|avg|summe|gesamt|gesamtsumme|gesamtergebnis|zwischensumme|teilergebnis|ergebnis"
    "|insgesamt|anzahl|mittelwert|total g[ée]n[ée]ral|sous-total|somme|moyenne|totale|suma|soma|totaal"
    # What Excel writes below a pivot table, in several languages.
    r"|total geral|totale complessivo|eindtotaal|hovedtotal|totalsumma?|summa|somma|suma ko\u0144cowa|razem|celkem"
    r"|celkov\u00fd sou\u010det|(?:kaikki )?yhteens\u00e4|(?:genel )?toplam"
    r"|\u043e\u0431\u0449\u0438\u0439 \u0438\u0442\u043e\u0433|\ucd1d ?\ud569\uacc4|\ud569\uacc4"
    "|\u0438\u0442\u043e\u0433\u043e|\u0432\u0441\u0435\u0433\u043e|\u5408\u8ba1|\u603b\u8ba1|\u5408\u8a08|\u7dcf\u8a08"
)
# Every word for a total contains one of these: most files have none, which is found quickly.
_ROOTS = (
    *("tota", "sum", "count", "average", "avg", "gesamt", "ergebnis", "anzahl", "mittelwert", "somme", "moyenne"),
    *("soma", "\u0438\u0442\u043e\u0433", "\u0432\u0441\u0435\u0433\u043e", "\u5408", "\u603b", "\u7dcf"),
    *("razem", "celk", "yhteens\u00e4", "toplam", "\ud569\uacc4"),
)
_LONGEST_ID = 200
"""The most characters of an id that are counted; longer ids count as this long."""
# "Total", "Grand Total:", "Subtotal (12)", "Total for Acme", "Acme Total".
_TOTAL = re.compile(
    rf"(?:(?:grand|sub|overall|report|page)[\s-]*)?(?:{_WORDS})"
    r"(?:[\s:=.(-]*[0-9.,)]*|\s+(?:for|of|by|per|records|rows|count|contacts|companies|deals|f\u00fcr|de|pour)\b.*)"
    r"|(?:grand|sub)[\s-]*totals?\b.*"
    r"|.{1,80}\s(?:grand\s)?(?:total|summe|ergebnis)",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST = 120
_WHY = "ids far shorter than those of the other rows; delete the row of totals"


class Totals:
    """Finds the rows of totals in one table, whose ids are in the columns at `ids`.

    A row is one if a cell of an unread column has a word for a total and an id has at most half as many
    characters as most others have in its column. Both are needed, because a company may be called Total. In the columns
    at `read` the word is a value: Sum may be a label or a key.
    """

    def __init__(self, ids: Collection[int], read: Collection[int]) -> None:
        # For each column, how many cells have each length, up to the longest that is counted.
        self._lengths = {position: np.zeros(_LONGEST_ID + 1, np.int64) for position in ids}
        self._read = frozenset(read)

    def find(self, batch: RecordBatch) -> Iterator[tuple[int, Mark]]:
        """Yield the place of each row of totals in a batch, with what is wrong with it."""
        if len(self._read) == len(batch.columns):
            return  # A word for a total counts only in an unread column.
        cells = {position: batch.columns[position] for position in self._lengths}
        by_column = {
            position: np.minimum(np.fromiter(map(len, column), np.int64, len(column)), _LONGEST_ID)
            for position, column in cells.items()
        }
        short: set[int] = set()
        for position, lengths in by_column.items():
            seen = self._lengths[position]
            longest = max(lengths.max(initial=0), seen.nonzero()[0].max(initial=0))
            short.update(np.flatnonzero((lengths > 0) & (lengths <= longest // 2)).tolist())
        words = self._words(batch, short)
        others = np.ones(len(batch.rows), bool)
        others[list(words)] = False
        for position, lengths in by_column.items():
            self._lengths[position] += np.bincount(lengths[others], minlength=_LONGEST_ID + 1)
        for place in sorted(words):
            if any(0 < lengths[place] <= self._common(position) // 2 for position, lengths in by_column.items()):
                yield place, Mark("TOTAL_ROW", f"says {show(trim(words[place]))} beside {_WHY}")

    def _words(self, batch: RecordBatch, places: Collection[int]) -> dict[int, str]:
        """Return the cells with a word for a total, by the place of their record."""
        if not places:
            return {}
        unread = [column for index, column in enumerate(batch.columns) if index not in self._read]
        every = "\n".join([column[place] for column in unread for place in places]).lower()
        if not any(root in every for root in _ROOTS):
            return {}
        found: dict[int, str] = {}
        for place in places:
            cells = [column[place] for column in unread]
            totals = [cell for cell in cells if len(cell) <= _LONGEST and _TOTAL.fullmatch(trim(cell))]
            if totals:
                found[place] = totals[0]
        return found

    def _common(self, position: int) -> int:
        """Return the length of most cells of a column, without rows that have a word for a total."""
        lengths = self._lengths[position]
        return int(np.flatnonzero(lengths == lengths.max())[-1]) if lengths.any() else 0
