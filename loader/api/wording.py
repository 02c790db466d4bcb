"""Texts for callers from Python: errors with Python's keywords, `help()`, and a hint for a missing `await`."""

import functools
import inspect
import keyword
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, ParamSpec, TypeVar

from loader.options import GROUPS, Option
from loader.options.verbs import VERBS, all_options, options_of

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_OPTION = r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])"
_VALUE = r""" (?:"[^"]*"|'[^']*'|\w+=(?:"[^"]*"|[\w./-]*)|[\w%-]*\d(?:[\w%-]|[./](?=\w))*|[a-z]+)"""
_COMMAND_OR_OPTIONS = re.compile(f"`association-loader[^`]*`|{_OPTION}(?:{_VALUE})?(?: {_OPTION}(?:{_VALUE})?)*")


def name_in_python(option: Option) -> str:
    """Return the short keyword of an option: `from_` for --from; its long one is `object_type`."""
    name = option.key.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def in_python(sentence: str) -> str:
    """Return a sentence with Python's keywords in place of the command line's options.

    >>> in_python('Add --from contacts --column object_id="Contact ID", or start over with --fresh.')
    'Add from_="contacts", column={"object_id": "Contact ID"}, or start over with fresh=True.'
    """
    return _COMMAND_OR_OPTIONS.sub(lambda found: found[0] if found[0][0] == "`" else _keywords(found[0]), sentence)


def _keywords(options: str) -> str:
    """Return options and their values as keywords of a call; other words stay."""
    entries = {option.word: option for option in all_options()}
    sentence, between, columns = "", "", list[str]()
    for word, value in re.findall(f"({_OPTION})((?:{_VALUE})?)", options):
        option = entries.get(word)
        given = _given(option, value.strip()) if option else ""
        if option and option.keyword == "column" and given:
            columns.append(given)
            sentence = sentence if len(columns) > 1 else f"{sentence}{between}column={{}}"
        else:
            name = word if option is None else name_in_python(option)
            flag = "=True" if option and option.is_flag else ""
            sentence += f"{between}{name}={given}" if given else f"{between}{name}{flag}{value}"
        between = " " if value and not given else ", "
    return sentence.replace("column={}", f"column={{{', '.join(columns)}}}")


def _given(option: Option, value: str) -> str:
    """Return an option's value in Python; blank if the word after the option is not its value."""
    if option.is_flag or not value:
        return ""
    if option.keyword == "column":
        field, equals, header = value.strip("'").partition("=")
        return f'"{field}": "{header.strip(chr(34))}"' if equals else ""
    if option.kind.choices:
        return f'"{value}"' if value in option.kind.choices else ""
    if value[0] in "\"'":
        return f'"{value[1:-1]}"'
    is_value = any(map(str.isdigit, value)) or (option.word in ("--from", "--to") and value not in _NO_TYPES)
    return f'"{value}"' if is_value or value == "off" else ""


_NO_TYPES = {"and", "or", "to", "if", "says", "is", "names", "with", "say"}
"""Words that may follow --from or --to in a sentence and are not object types."""


def with_keywords(verb: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make `help()` of a function list its keywords, under the headings of the command's help."""

    def documented(function: Callable[P, R]) -> Callable[P, R]:
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", *_listed(verb)])
        return function

    return documented


def _listed(verb: str) -> Iterator[str]:
    """Yield a line for each keyword of a verb, with its meaning."""
    options = options_of(verb)
    yield "Keywords:"
    if VERBS[verb].asks_hubspot:
        yield from _entry("token", "The access token itself, instead of token_file or HUBSPOT_ACCESS_TOKEN.")
    yield from _entry("on_event", "Called with each event (loader.events), in the thread that does the work.")
    for heading, names in GROUPS.items():
        found = [options[name] for name in names if name in options]
        if found:
            yield f"\n{heading}:"
        for option in found:
            short = name_in_python(option)
            names_of = short if short == option.keyword else f"{short} (or {option.keyword})"
            default = f" Default: {option.default}." if option.default else ""
            choices = f" One of {', '.join(option.kind.choices)}." if option.kind.choices else ""
            text = in_python(option.help).removesuffix(" Repeatable.")
            yield from _entry(names_of, f"{text}{choices}{default}")


def _entry(name: str, text: str) -> list[str]:
    return [f"  {name}", *textwrap.wrap(text, 100, initial_indent="      ", subsequent_indent="      ")]


def awaitable(
    verb: str,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make a call that is not awaited say what to do, and `help()` list the keywords."""

    def decorated(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            return PythonCall(function.__name__, function(*args, **kwargs))

        if sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(call)
        return with_keywords(verb)(call)

    return decorated


class PythonCall(Coroutine[Any, Any, T]):
    """The coroutine of a call; if it is used like a report, its error says that it must be awaited."""

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, T]) -> None:
        self._name = name
        self._coroutine = coroutine
        self._begun = False

    def send(self, value: Any) -> Any:
        """See `Coroutine`."""
        self._begun = True
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error in it; see `Coroutine`."""
        self._begun = True
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End it; see `Coroutine`."""
        self._begun = True
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        self._begun = True
        return self._coroutine.__await__()

    def __repr__(self) -> str:
        return f"<{self._advice()}>"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            self.close()
            raise AttributeError(self._advice())
        raise AttributeError(name)

    def __del__(self) -> None:
        if not self._begun:
            self._coroutine.close()
            warnings.warn(self._advice(), RuntimeWarning, stacklevel=2)

    def _advice(self) -> str:
        call = f"loader.{self._name}"
        return (
            f"{call}(...) does nothing until it is awaited. In a script, write {call}_sync(...); "
            f"in async code or a notebook, write await {call}(...)"
        )
