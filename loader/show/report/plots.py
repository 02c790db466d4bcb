"""Plots over time as inline SVG: steps and lines over a common axis, with a title and a description for those who hear.

Lengths are those of the drawing's own grid, which the page scales; colours are the style sheet's.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from loader.show.report.markup import Markup, element

WIDTH, HEIGHT = 420.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 14.0, 26.0

OFF_THE_SCALE = 2.5
"""A limit so many times as high as what was reached would press the rest flat: it is only named."""

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


class Series(NamedTuple):
    """Values of each stretch of time; None where there is none. `form` is `steps` (filled), `line` or `limit`."""

    name: str
    form: str
    colour: str
    values: Sequence[float | None]

    @property
    def peak(self) -> float:
        """The highest value."""
        return max((value for value in self.values if value is not None), default=0.0)


class Axis(NamedTuple):
    """Time: so many stretches of so many seconds, and the seconds at which a later command went on."""

    stretches: int
    seconds: float
    went_on_at: Sequence[float] = ()

    def x(self, second: float) -> float:
        """Return where a second lies in the drawing."""
        return LEFT + (WIDTH - LEFT - RIGHT) * second / (self.stretches * self.seconds)


def plot(name: str, title: str, described: str, axis: Axis, series: Sequence[Series]) -> Markup:
    """Return a figure; `name` is its id in the page, `described` says in a sentence what it shows."""
    peak = max([each.peak for each in series if each.form != "limit"], default=0.0)
    drawn = [each for each in series if each.form != "limit" or each.peak <= OFF_THE_SCALE * peak]
    top = _round_up(max([each.peak for each in drawn], default=0.0) or 1.0, (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return element(
        "figure",
        element("h3", title),
        element(
            "svg",
            element("title", title, id=f"{name}-title"),
            element("desc", described, id=f"{name}-desc"),
            *_grid(axis, top),
            *(_drawn(each, axis, _height(top)) for each in drawn),
            role="img",
            aria_labelledby=f"{name}-title {name}-desc",
            viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        ),
        element("ul", *(_legend(each, drawn) for each in series), class_="legend"),
    )


def _legend(each: Series, drawn: Sequence[Series]) -> Markup:
    more = "" if each in drawn else f" ({each.peak:,.4g}, above the scale)"
    return element("li", element("i", class_=f"swatch {each.form} {each.colour}"), f"{each.name}{more}")


Height = Callable[[float], float]


def _height(top: float) -> Height:
    return lambda value: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top


def _drawn(each: Series, axis: Axis, height: Height) -> Markup:
    if each.form == "line":
        path = _line(each.values, axis, height)
    else:
        path = _steps(each.values, axis, height, filled=each.form == "steps")
    return element("path", d=" ".join(path), class_=f"{each.form} {each.colour}")


def _steps(values: Sequence[float | None], axis: Axis, height: Height, *, filled: bool) -> Iterator[str]:
    first = 0.0 if filled else values[0] or 0.0
    yield f"M{axis.x(0):.1f} {height(first):.1f}"
    for place, value in enumerate(values):
        if place == 0 or value != values[place - 1]:
            yield f"V{height(value or 0):.1f}"
        yield f"H{axis.x((place + 1) * axis.seconds):.1f}"
    if filled:
        yield f"V{height(0):.1f}Z"


def _line(values: Sequence[float | None], axis: Axis, height: Height) -> Iterator[str]:
    """Yield a line through the middles of the stretches; it breaks where there is no value."""
    pen_up = True
    for place, value in enumerate(values):
        if value is None:
            pen_up = True
            continue
        x, y = axis.x((place + 0.5) * axis.seconds), height(value)
        # A point by itself is seen as a dot: lines have round ends.
        yield f"M{x:.1f} {y:.1f}h0" if pen_up else f"L{x:.1f} {y:.1f}"
        pen_up = False


def _grid(axis: Axis, top: float) -> Iterator[Markup]:
    height = _height(top)
    for share in (0.0, 0.5, 1.0):
        y = height(share * top)
        yield element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid")
        yield element("text", f"{share * top:,.4g}", x=LEFT - 6, y=f"{y + 4:.1f}", class_="end")
    for second in axis.went_on_at:
        x = f"{axis.x(second):.1f}"
        yield element(
            "line",
            element("title", "a later command went on"),
            x1=x,
            x2=x,
            y1=TOP,
            y2=HEIGHT - BOTTOM,
            class_="went-on",
        )
    yield from _times(axis)


def _times(axis: Axis) -> Iterator[Markup]:
    end = axis.stretches * axis.seconds
    unit, name = next((each for each in _UNITS if end >= 2 * each[0]), _UNITS[-1])
    step = _round_up(end / unit / 4, (1, 2, 5, 10))
    tick = 0.0
    while tick * unit <= end:
        anchor = "start" if tick == 0 else "middle"
        label = f"{tick:g} {name}" if tick else "0"
        x = min(axis.x(tick * unit), WIDTH - RIGHT - 12)
        yield element("text", label, x=f"{x:.1f}", y=HEIGHT - 8, class_=anchor)
        tick += step


def _round_up(value: float, steps: Sequence[float]) -> float:
    """Return the next of some steps times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in steps if step * power >= value * 0.999)


def bar(parts: Sequence[tuple[str, str, int]]) -> Markup:
    """Return a bar of parts, each a name, a colour and a count, in their shares of the whole."""
    whole = sum(count for _, _, count in parts) or 1
    pieces, at = [], 0.0
    for name, colour, count in parts:
        width = 1000.0 * count / whole
        if count:
            title = element("title", f"{name}: {count:,}")
            pieces.append(
                element("rect", title, x=f"{at:.1f}", y=0, width=f"{max(width, 2):.1f}", height=10, class_=colour)
            )
        at += width
    described = ", ".join(f"{count:,} {name}" for name, _, count in parts if count)
    return element(
        "svg", element("title", described), *pieces,
        role="img", viewBox="0 0 1000 10", preserveAspectRatio="none", class_="bar",
    )  # fmt: skip


def in_figures(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return the same as a table, folded away."""
    return element(
        "details",
        element("summary", "The same in figures"),
        element(
            "div",
            element(
                "table",
                element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
                element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows)),
            ),
            class_="scroll",
            tabindex=0,
        ),
    )


def nothing(title: str, said: str) -> Markup:
    """Return what stands in a plot's place when there is nothing to draw."""
    return element("figure", element("h3", title), element("p", said, class_="nothing"))
