"""The configuration file: options by their names, and the inputs of a job, each with how it is read.

rate = "190/10"

[[input]]
path = "contacts_companies.csv"
from = "contacts"
to = "companies"

[input.column]
object_id = "Contact Key"
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loader.errors import UsageError
from loader.options import Option
from loader.options.verbs import all_options, options_of

INPUT = "input"

JobInput = Mapping[str, Any]
"""The options that an `[[input]]` sets, by keyword; `inputs` is its path or paths."""

_NAMED = re.compile(r"[\"']?([\w-]+)[\"']?\s*=|\[\s*(?:input\s*\.\s*)?([\w-]+)\s*\]")


def as_typed(option: Option, value: object) -> Any:
    """Return a value from TOML or Python as it is typed: a text, True or False, or a list of texts.

    Raises ValueError for a form that the option cannot have.
    """
    several = isinstance(value, Mapping | list | tuple)
    if option.is_flag != isinstance(value, bool) or isinstance(value, bytes) or (several and not option.several):
        raise ValueError(f"must be {'true or false' if option.is_flag else 'a text or a number'}")
    if isinstance(value, Mapping):
        return [f"{name}={text}" for name, text in value.items()]
    if option.several:
        return [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
    return value if option.is_flag else os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def parsed(option: Option, value: Any) -> Any:
    """Return the value of a typed text; ValueError if the option cannot have it."""
    if option.is_flag and isinstance(value, bool):
        return value
    return tuple(map(option.kind.read, value)) if option.several else option.kind.read(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationFile:
    """A configuration file as it was read: TOML whose keys are the options' names, with `-` or `_`.

    One file may serve several commands: a key that is another command's option is left alone.
    """

    path: str
    text: str
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: str) -> "ConfigurationFile":
        """Read a file; UsageError when that is not possible."""
        try:
            text = Path(path).read_text("utf-8-sig")
            return cls(path=path, text=text, content=tomllib.loads(text))
        except OSError as error:
            raise UsageError(f"{path}: the configuration file cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise UsageError(f"{path}: the configuration file is not valid TOML ({error})") from error

    def values(self, verb: str) -> dict[str, Any]:
        """Return a command's options from the file, as typed, by keyword; UsageError for unknown keys."""
        own = _by_key(verb)
        others = {option.key for option in all_options() if option.keyword != "config"}
        found: dict[str, Any] = {}
        for key, value in self.content.items():
            option = own.get(_plain(key))
            if option is not None:
                found[option.keyword] = self._as_typed(option, key, value)
            elif _plain(key) not in others | {INPUT}:
                near = difflib.get_close_matches(_plain(key), own, n=1)
                hint = f"did you mean {near[0]}?" if near else f"its options are {', '.join(sorted(own))}"
                raise self.wrong_key(key, f"is not an option of {verb}: {hint}")
        return found

    def inputs(self, verb: str) -> tuple[JobInput, ...]:
        """Return the inputs that the file names, for a command that reads inputs; UsageError for a wrong one."""
        own = {key: option for key, option in _by_key(verb).items() if option.per_input}
        tables = self.content.get(INPUT, []) if own else []
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.wrong_key(INPUT, "must be a table of its own for each input: begin each with [[input]]")
        return tuple(self._input(number, table, own) for number, table in enumerate(tables, 1))

    def wrong(self, option: Option, error: ValueError) -> UsageError:
        """Return the error for a value of the file that is wrong."""
        return self.wrong_key(next(key for key in self.content if _plain(key) == option.key), str(error))

    def _input(self, number: int, table: Mapping[str, Any], own: Mapping[str, Option]) -> JobInput:
        given = table.get("path")
        is_query = given is None and any(_plain(key) in ("sql", "sql-file") for key in table)
        paths = [] if is_query else given if isinstance(given, list) else [given]
        if (not paths and not is_query) or not all(isinstance(path, str) and path for path in paths):
            why = (
                "must be a file, a folder or a pattern such as exports/*.csv, or a list of them"
                if "path" in table
                else "is missing"
            )
            raise self.wrong_key("path", why, number)
        found: dict[str, Any] = {"inputs": tuple(paths)}
        for key, value in table.items():
            if key == "path":
                continue
            option = own.get(_plain(key))
            if option is None:
                why = f"is not a key of an input: the keys are path, {', '.join(sorted(own))}"
                raise self.wrong_key(key, why, number)
            typed = self._as_typed(option, key, value, number)
            try:
                found[option.keyword] = parsed(option, typed)
            except ValueError as error:
                raise self.wrong_key(key, str(error), number) from error
        return found

    def _as_typed(self, option: Option, key: str, value: object, number: int = 0) -> Any:
        try:
            return as_typed(option, value)
        except ValueError as error:
            raise self.wrong_key(key, str(error), number) from error

    def wrong_key(self, key: str, why: str, number: int = 0, table: str = INPUT) -> UsageError:
        """Return the error that names the line and the key; `number` counts the `[[input]]`s, or others, from 1."""
        line = self._line_of(key, number, table)
        where = f"{self.path}, line {line}" if line else self.path
        return UsageError(f"{where}: {f'[[{table}]] {number}: ' if number else ''}{key} {why}")

    def _line_of(self, key: str, number: int, table: str) -> int | None:
        """Return the line in which a key is set: that of the `[[input]]` itself for one that is missing there."""
        tables, begin = 0, None
        for place, line in enumerate(self.text.splitlines(), 1):
            bare = line.strip()
            if re.match(rf"\[\[\s*{table}\s*\]\]", bare):
                tables += 1
                begin = place if tables == number else begin
            named = _NAMED.match(bare)
            if named and tables == number and (named[1] or named[2]) == key:
                return place
        return begin


def _by_key(verb: str) -> dict[str, Option]:
    """Return a command's options by their key; those that a file cannot hold are left out."""
    options = options_of(verb).values()
    return {option.key: option for option in options if option.keyword != "config" and option.variable is not None}


def _plain(key: str) -> str:
    return key.lstrip("-").replace("_", "-")
