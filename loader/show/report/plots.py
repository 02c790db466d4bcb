"""Plots over time: the positions of their steps, lines and labels. run.html draws them as SVG.

Lengths are those of the drawing's own grid, which the page scales; colours are the style sheet's.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 420.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, WIDTH - 10, 14.0, HEIGHT - 26

OFF_THE_SCALE = 2.5
"""A limit above this many times the highest value is named, not drawn: otherwise all values would look like zero."""

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True)
class Series:
    """Values of each interval of time; None where there is none. `form` is `steps` (filled), `line` or `limit`."""

    name: str
    form: str
    colour: str
    values: Sequence[float | None]

    @property
    def peak(self) -> float:
        """The highest value."""
        return max((value for value in self.values if value is not None), default=0.0)


@dataclass(frozen=True)
class Axis:
    """Time: how many intervals of how many seconds, and the seconds at which a later command resumed the run."""

    intervals: int
    seconds: float
    went_on_at: Sequence[float] = ()

    def x(self, second: float) -> float:
        """Return the x coordinate of a second in the drawing."""
        return LEFT + (RIGHT - LEFT) * second / (self.intervals * self.seconds)

    def times(self) -> Iterator[tuple[float, str]]:
        """Yield the x coordinates and the texts of the labels of the axis."""
        end = self.intervals * self.seconds
        unit, name = next((each for each in _UNITS if end >= 2 * each[0]), _UNITS[-1])
        step = _round_up(end / unit / 4, (1, 2, 5, 10))
        tick = 0.0
        while tick * unit <= end:
            yield min(self.x(tick * unit), RIGHT - 12), f"{tick:g} {name}" if tick else "0"
            tick += step


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot; without `paths` it has nothing to draw, and `described` says why.

    `name` is its id in the page, `described` says in a sentence what it shows. `levels` and `times` are the labels of
    the axes with their coordinates, `paths` the shapes as SVG writes them and `legend` the series, each with its
    classes.
    """

    name: str
    title: str
    described: str
    levels: Sequence[tuple[float, str]] = ()
    times: Sequence[tuple[float, str]] = ()
    went_on_at: Sequence[float] = ()
    paths: Sequence[tuple[str, str]] = ()
    legend: Sequence[tuple[str, str]] = ()
    width: float = field(default=WIDTH, init=False)
    height: float = field(default=HEIGHT, init=False)
    left: float = field(default=LEFT, init=False)
    right: float = field(default=RIGHT, init=False)
    top: float = field(default=TOP, init=False)
    bottom: float = field(default=BOTTOM, init=False)


def plot(name: str, title: str, described: str, axis: Axis, series: Sequence[Series]) -> Plot:
    """Return the plot of some series over an axis that they share."""
    peak = max([each.peak for each in series if each.form != "limit"], default=0.0)
    drawn = [each for each in series if each.form != "limit" or each.peak <= OFF_THE_SCALE * peak]
    highest = _round_up(max([each.peak for each in drawn], default=0.0) or 1.0, (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    above = {each.name: f" ({each.peak:,.4g}, above the scale)" for each in series if each not in drawn}
    shapes = [_line(each, axis, highest) if each.form == "line" else _steps(each, axis, highest) for each in drawn]
    return Plot(
        name=name,
        title=title,
        described=described,
        levels=[(_y(share, 1), f"{share * highest:,.4g}") for share in (0.0, 0.5, 1.0)],
        times=list(axis.times()),
        went_on_at=list(map(axis.x, axis.went_on_at)),
        paths=[(" ".join(shape), f"{each.form} {each.colour}") for shape, each in zip(shapes, drawn, strict=True)],
        legend=[(f"{each.form} {each.colour}", each.name + above.get(each.name, "")) for each in series],
    )


def _y(value: float, highest: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * min(value, highest) / highest


def _steps(each: Series, axis: Axis, highest: float) -> Iterator[str]:
    first = each.values[0] or 0.0 if each.form == "limit" else 0.0
    yield f"M{axis.x(0):.1f} {_y(first, highest):.1f}"
    for place, value in enumerate(each.values):
        if place == 0 or value != each.values[place - 1]:
            yield f"V{_y(value or 0, highest):.1f}"
        yield f"H{axis.x((place + 1) * axis.seconds):.1f}"
    if each.form == "steps":
        yield f"V{_y(0, highest):.1f}Z"


def _line(each: Series, axis: Axis, highest: float) -> Iterator[str]:
    """Yield a line through the middles of the intervals; it breaks where there is no value."""
    pen_up = True
    for place, value in enumerate(each.values):
        if value is None:
            pen_up = True
            continue
        x, y = axis.x((place + 0.5) * axis.seconds), _y(value, highest)
        # A single point is seen as a dot, because lines have round ends.
        yield f"M{x:.1f} {y:.1f}h0" if pen_up else f"L{x:.1f} {y:.1f}"
        pen_up = False


def _round_up(value: float, steps: Sequence[float]) -> float:
    """Return the next of some steps times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in steps if step * power >= value * 0.999)
