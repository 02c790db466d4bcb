"""What options may say: rates, durations, budgets, columns."""

import re
from typing import Any

import click

from loader.model import FIELDS
from loader.settings import Budget, Rate

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}


class RateLimit(click.ParamType[Rate | None]):
    """`auto`, or `N/SECONDS`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Rate | None:
        """Return the rate, or None for auto."""
        if value is None or isinstance(value, Rate) or value == "auto":
            return value if isinstance(value, Rate) else None
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,6}(?:\.[0-9]+)?)s?", str(value), re.ASCII)
        if not match or int(match[1]) == 0 or float(match[2]) == 0:
            self.fail(f"{value!r} is no rate: write auto, or requests/seconds such as 190/10", param, ctx)
        return Rate(int(match[1]), float(match[2]))


class Many(click.ParamType[int | None]):
    """`auto`, or a number above 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number, or None for auto."""
        if value is None or value == "auto":
            return None
        if not re.fullmatch(r"[1-9][0-9]{0,3}", str(value), re.ASCII):
            self.fail(f"{value!r} is no number from 1 to 9999: write auto, or how many", param, ctx)
        return int(value)


class Budgeted(click.ParamType[Budget]):
    """A number, or a share such as `5%`."""

    name = "budget"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Budget:
        """Return the budget."""
        if isinstance(value, Budget):
            return value
        match = re.fullmatch(r"([0-9]{1,12})|([0-9]{1,3}(?:\.[0-9]+)?)%", str(value), re.ASCII)
        if not match or (match[2] and float(match[2]) > 100):
            self.fail(f"{value!r} is no budget: write a number such as 100, or a share such as 5%", param, ctx)
        return Budget(count=int(match[1])) if match[1] else Budget(share=float(match[2]) / 100)


class Duration(click.ParamType[float]):
    """Seconds, or a number with `s`, `m`, `h` or `d`; with `none`, no time at all is one, too."""

    name = "duration"

    def __init__(self, *, none: bool = False) -> None:
        self._none = none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*([smhd]?)", str(value), re.ASCII)
        if not match or (float(match[1]) == 0 and not self._none):
            self.fail(f"{value!r} is no duration: write 90m, 8h or a number of seconds", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


class FieldHeader(click.ParamType[tuple[str, str]]):
    """`FIELD=HEADER`; several in one environment variable are separated by `;`."""

    name = "column"
    envvar_list_splitter = ";"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the field and the header; a blank header says that no column holds the field."""
        if isinstance(value, tuple):
            return value
        field, equals, header = str(value).partition("=")
        field = field.strip()
        if not equals or field not in FIELDS:
            self.fail(f"{value!r} is no FIELD=HEADER: FIELD is one of {', '.join(FIELDS)}", param, ctx)
        return field, header if header.strip() else ""
