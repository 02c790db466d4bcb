"""What options may say: rates, durations, budgets, columns, and the configuration file that holds them all."""

import re
import tomllib
from pathlib import Path
from typing import Any

import click

from loader.errors import UsageError
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
    """Seconds, or a number with `s`, `m`, `h` or `d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*([smhd]?)", str(value), re.ASCII)
        if not match or float(match[1]) == 0:
            self.fail(f"{value!r} is no duration: write 90m, 8h or a number of seconds", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


class FieldHeader(click.ParamType[tuple[str, str]]):
    """`FIELD=HEADER`; several in one environment variable are separated by `;`."""

    name = "column"
    envvar_list_splitter = ";"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the field and the header."""
        if isinstance(value, tuple):
            return value
        field, equals, header = str(value).partition("=")
        field = field.strip()
        if not equals or not header.strip() or field not in FIELDS:
            self.fail(f"{value!r} is no FIELD=HEADER: FIELD is one of {', '.join(FIELDS)}", param, ctx)
        return field, header


def read_configuration(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Take defaults from a TOML file whose keys are the options' names: `rate = "190/10"`, `[column]` a table.

    One file may serve several commands: a key that is another command's option is left alone.
    """
    if path is None:
        return
    own = _options(ctx.command, but=param.name)
    others = {key for command in _siblings(ctx) for key in _options(command, but=param.name)}
    defaults: dict[str, Any] = {}
    for key, value in _read_toml(path).items():
        option = own.get(_key(key))
        if option is not None:
            defaults[str(option.name)] = _default(path, key, value, option)
        elif _key(key) not in others:
            raise UsageError(f"{path}: {key} is no option of {ctx.info_name}: its options are {', '.join(sorted(own))}")
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: the configuration file cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path}: the configuration file is no TOML ({error})") from error


def _options(command: click.Command, *, but: str | None) -> dict[str, click.Option]:
    """A command's options by their key; those that a file cannot hold are left out."""
    options = [each for each in command.params if isinstance(each, click.Option) and each.name != but]
    return {_key(name): option for option in options for name in option.opts if name.startswith("--")}


def _siblings(ctx: click.Context) -> list[click.Command]:
    group = ctx.parent.command if ctx.parent is not None else None
    return list(group.commands.values()) if isinstance(group, click.Group) else []


def _default(path: str, key: str, value: Any, option: click.Option) -> Any:
    """Return a value of the file as click takes it; UsageError for a form that the option cannot have."""
    if option.multiple:
        if isinstance(value, dict):
            return [f"{name}={text}" for name, text in value.items()]
        return value if isinstance(value, list) else [value]
    if option.is_flag != isinstance(value, bool) or isinstance(value, dict | list):
        form = "true or false" if option.is_flag else "a text or a number"
        raise UsageError(f"{path}: {key} must be {form}")
    return value if option.is_flag else str(value)


def _key(name: str) -> str:
    return name.lstrip("-").replace("_", "-")
