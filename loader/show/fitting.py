"""Tables that fit a terminal: no word is broken, and no line ends in blanks.

Rich narrows the widest column, if necessary in the middle of its words. Here no column is narrower than its longest
word; if that is not possible, the table becomes a list.
"""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import measure_renderables
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

_BETWEEN = 3
"""Characters between two columns, and the two at the edges."""


class Fitted:
    """A table (see `tables.table`) that is no wider than the console."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType | Segment]:
        """Yield the lines."""
        widths = self._widths(console, options)
        if widths is None:
            yield from self._listed()
            return
        for column, width in zip(self._table.columns, widths, strict=True):
            column.width = width
        for line in console.render_lines(self._table, options, pad=False):
            yield from _trimmed(line)
            yield Segment.line()

    def _widths(self, console: Console, options: ConsoleOptions) -> list[int] | None:
        """Return the width of each column, None if words would have to be broken."""
        found = [
            measure_renderables(console, options, [column.header, *column.cells]) for column in self._table.columns
        ]
        widths = [each.minimum for each in found]
        left = options.max_width - sum(widths) - _BETWEEN * (len(widths) - 1) - 2
        if left < 0:
            return None
        # The column that needs least gets its width first; the others share the rest.
        wanting = sorted(range(len(found)), key=lambda place: found[place].span)
        for number, place in enumerate(wanting):
            more = min(found[place].span, left // (len(wanting) - number))
            widths[place] += more
            left -= more
        return widths

    def _listed(self) -> Iterator[Text]:
        columns = [list(column.cells) for column in self._table.columns]
        names = [str(column.header) for column in self._table.columns]
        for cells in zip(*columns, strict=True):
            yield Text()
            for name, cell in zip(names, cells, strict=True):
                shown = cell if isinstance(cell, Text) else Text(str(cell))
                if shown:
                    yield Text.assemble((f"{name}: ", "bold"), shown)
        yield Text()


def _trimmed(line: Sequence[Segment]) -> list[Segment]:
    """Return a line without the blanks at its end."""
    kept = list(line)
    while kept:
        last = kept.pop()
        if text := last.text.rstrip(" "):
            return [*kept, last._replace(text=text)]
    return []
