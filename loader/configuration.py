"""The configuration file: options by their names, and the inputs of a job, each with how it is read.

rate = "190/10"

[[input]]
path = "contacts_companies.csv"
from = "contacts"
to = "companies"

[input.column]
object_id = "Contact Key"
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from loader.errors import UsageError

INPUT = "input"

OF_AN_INPUT = frozenset(
    {
        "from",
        "to",
        "label",
        "type-id",
        "category",
        "column",
        "from-id-property",
        "to-id-property",
        "format",
        "sheet",
        "delimiter",
        "encoding",
    }
)
"""The options that an `[[input]]` may set for its own files, besides its `path`."""

JobInput = Mapping[str, Any]
"""What an `[[input]]` sets, by the names of the command's parameters: `inputs` is its path or paths."""

_TABLE = re.compile(r"\[\[\s*input\s*\]\]")
_NAMED = re.compile(r"[\"']?([\w-]+)[\"']?\s*=|\[\s*(?:input\s*\.\s*)?([\w-]+)\s*\]")


class _File(NamedTuple):
    """A configuration file as it was read."""

    path: str
    text: str
    content: dict[str, Any]

    def wrong(self, key: str, why: str, number: int = 0) -> UsageError:
        """Return the error that names the line and the key; `number` counts the `[[input]]`s from 1."""
        line = _line_of(self.text, key, number)
        where = f"{self.path}, line {line}" if line else self.path
        return UsageError(f"{where}: {f'[[input]] {number}: ' if number else ''}{key} {why}")


def read_configuration(ctx: click.Context, param: click.Parameter, path: str | None) -> tuple[JobInput, ...]:
    """Take defaults from a TOML file whose keys are the options' names, and return the inputs that it names.

    One file may serve several commands: a key that is another command's option is left alone. Raises UsageError with
    the line and the key of what is wrong.
    """
    if path is None:
        return ()
    file = _read(path)
    own = _options(ctx.command, but=param.name)
    others = {key for command in _siblings(ctx) for key in _options(command, but=param.name)}
    defaults: dict[str, Any] = {}
    for key, value in file.content.items():
        option = own.get(_key(key))
        if option is not None:
            defaults[str(option.name)] = _default(file, key, value, option)
        elif _key(key) not in others | {INPUT}:
            raise file.wrong(key, f"is no option of {ctx.info_name}: its options are {', '.join(sorted(own))}")
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    takes_inputs = any(isinstance(each, click.Argument) and each.name == "inputs" for each in ctx.command.params)
    return _job(file, own, ctx) if takes_inputs else ()


def _job(file: _File, own: Mapping[str, click.Option], ctx: click.Context) -> tuple[JobInput, ...]:
    tables = file.content.get(INPUT, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise file.wrong(INPUT, "must be a table of its own for each input: begin each with [[input]]")
    return tuple(_job_input(file, number, table, own, ctx) for number, table in enumerate(tables, 1))


def _job_input(
    file: _File, number: int, table: Mapping[str, Any], own: Mapping[str, click.Option], ctx: click.Context
) -> JobInput:
    found: dict[str, Any] = {"inputs": _paths(file, number, table)}
    for key, value in table.items():
        if key == "path":
            continue
        option = own.get(_key(key))
        if option is None or _key(key) not in OF_AN_INPUT:
            raise file.wrong(key, f"is no key of an input: they are path, {', '.join(sorted(OF_AN_INPUT))}", number)
        try:
            found[str(option.name)] = option.type_cast_value(ctx, _default(file, key, value, option, number))
        except click.BadParameter as error:
            raise file.wrong(key, f"cannot be meant: {error.message}", number) from error
    return found


def _paths(file: _File, number: int, table: Mapping[str, Any]) -> tuple[str, ...]:
    given = table.get("path")
    paths = given if isinstance(given, list) else [given]
    if not paths or not all(isinstance(path, str) and path for path in paths):
        why = "must name a file, a folder or a glob, or a list of them" if "path" in table else "is missing"
        raise file.wrong("path", why, number)
    return tuple(paths)


def _read(path: str) -> _File:
    try:
        text = Path(path).read_text("utf-8-sig")
        return _File(path, text, tomllib.loads(text))
    except OSError as error:
        raise UsageError(f"{path}: the configuration file cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path}: the configuration file is no TOML ({error})") from error


def _line_of(text: str, key: str, number: int) -> int | None:
    """Return the line in which a key is set: that of the `[[input]]` itself for one that is missing there."""
    tables, begin = 0, None
    for place, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if _TABLE.match(bare):
            tables += 1
            begin = place if tables == number else begin
        named = _NAMED.match(bare)
        if named and tables == number and (named[1] or named[2]) == key:
            return place
    return begin


def _options(command: click.Command, *, but: str | None) -> dict[str, click.Option]:
    """A command's options by their key; those that a file cannot hold are left out."""
    options = [each for each in command.params if isinstance(each, click.Option) and each.name != but]
    return {_key(name): option for option in options for name in option.opts if name.startswith("--")}


def _siblings(ctx: click.Context) -> list[click.Command]:
    group = ctx.parent.command if ctx.parent is not None else None
    return list(group.commands.values()) if isinstance(group, click.Group) else []


def _default(file: _File, key: str, value: Any, option: click.Option, number: int = 0) -> Any:
    """Return a value of the file as click takes it; UsageError for a form that the option cannot have."""
    if option.multiple:
        if isinstance(value, dict):
            return [f"{name}={text}" for name, text in value.items()]
        return value if isinstance(value, list) else [value]
    if option.is_flag != isinstance(value, bool) or isinstance(value, dict | list):
        raise file.wrong(key, f"must be {'true or false' if option.is_flag else 'a text or a number'}", number)
    return value if option.is_flag else str(value)


def _key(name: str) -> str:
    return name.lstrip("-").replace("_", "-")
