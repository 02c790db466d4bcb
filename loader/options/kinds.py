"""What the value of an option may be: every value is read from its text, wherever it was given."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loader.model import FIELDS
from loader.settings import Budget, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueKind:
    """How the text of an option is read: `read` returns the value, or raises ValueError with what the option needs.

    `separator` is written between several values in one environment variable; None: blanks. `choices`, `number`,
    `least` and `most` are what the help shows.
    """

    read: Callable[[str], Any]
    separator: str | None = None
    choices: tuple[str, ...] = ()
    number: type[int] | type[float] | None = None
    least: Any = None
    most: Any = None


def choice(*choices: str) -> ValueKind:
    """Return the kind of an option that is one of a few words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"needs {' or '.join([', '.join(choices[:-1]), choices[-1]])}, not {text!r}.")
        return text

    return ValueKind(read=read, choices=choices)


def number(
    kind: type[int] | type[float],
    least: float | None = None,
    most: float | None = None,
    *,
    unit: str = "",
    example: float = 100,
) -> ValueKind:
    """Return the kind of an option that is a number (of a `unit`, such as days), `least` and `most` included."""
    limits = f" from {least} to {most}" if most is not None else ""
    wanted = f"needs a number{f' of {unit}' * bool(unit)}{limits}, such as {example}"

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError as error:
            raise ValueError(f"{wanted}, not {text!r}.") from error
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(f"{wanted}, not {text}.")
        return value

    return ValueKind(read=read, number=kind, least=least, most=most)


def duration(*, none: bool = False) -> ValueKind:
    """Return the kind of an option that is a time, in seconds; with `none`, 0 is allowed too."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}

    def read(text: str) -> float:
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*([smhd]?)", text, re.ASCII)
        if not match or (float(match[1]) == 0 and not none):
            raise ValueError(f"needs a duration, such as 90m, 8h or a number of seconds, not {text!r}.")
        return float(match[1]) * units[match[2]]

    return ValueKind(read=read)


def _flag(text: str) -> bool:
    states = {
        **dict.fromkeys(("", "0", "f", "false", "n", "no", "off"), False),
        **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
    }
    state = states.get(text.strip().lower())
    if state is None:
        raise ValueError(f"needs true or false (yes, no, on, off, 1 and 0 are understood, too), not {text!r}.")
    return state


def _rate(text: str) -> Rate | None:
    if text == "auto":
        return None
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,6}(?:\.[0-9]+)?)s?", text, re.ASCII)
    if not match or int(match[1]) == 0 or float(match[2]) == 0:
        raise ValueError(f"needs auto, or requests/seconds such as 190/10, not {text!r}.")
    return Rate(int(match[1]), float(match[2]))


def _how_many(text: str) -> int | None:
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text, re.ASCII):
        raise ValueError(f"needs auto, or a number from 1 to 9999, not {text!r}.")
    return int(text)


def _budget(text: str) -> Budget:
    match = re.fullmatch(r"([0-9]{1,12})|([0-9]{1,3}(?:\.[0-9]+)?)%", text, re.ASCII)
    if not match or (match[2] and float(match[2]) > 100):
        raise ValueError(f"needs a number such as 100, or a share such as 5%, not {text!r}.")
    return Budget(count=int(match[1])) if match[1] else Budget(share=float(match[2]) / 100)


def _command(text: str) -> tuple[str, ...] | None:
    """Return a program and its arguments, split like a shell does it; no shell runs them."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"needs a program and its arguments, with quotes in pairs, not {text!r}.") from error
    if "\0" in text:
        raise ValueError("needs a program and its arguments, without zero bytes.")
    return tuple(words) or None


def _portal_id(text: str) -> str | None:
    if text and not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII):
        raise ValueError(
            f"needs the number of a HubSpot account, which is in the addresses of its pages, not {text!r}."
        )
    return text or None


def _field_and_header(text: str) -> tuple[str, str]:
    """Return `FIELD=HEADER` as a pair; a blank header means that no column holds the field."""
    field, equals, header = text.partition("=")
    field = field.strip()
    if not equals or field not in FIELDS:
        raise ValueError(f"needs FIELD=HEADER, where FIELD is one of {', '.join(FIELDS)}, not {text!r}.")
    return field, header if header.strip() else ""


def _path(text: str) -> str:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        # Not shown: it may hold a password.
        raise ValueError("needs a file of this machine, not an address; load --copy-to copies results elsewhere.")
    if text == "-":
        raise ValueError("needs the name of a file: - does not mean standard input or output here.")
    return text


TEXT = ValueKind(read=str)
NAME = ValueKind(read=lambda text: text or None)
"""A text; a blank one counts as none."""
PATH = ValueKind(read=_path)
PATH_OR_STREAM = ValueKind(read=lambda text: text if text == "-" else _path(text))
PATH_OR_ADDRESS = ValueKind(read=str)
FLAG = ValueKind(read=_flag)
COMMAND = ValueKind(read=_command)
PORTAL_ID = ValueKind(read=_portal_id)
RATE = ValueKind(read=_rate)
HOW_MANY = ValueKind(read=_how_many)
BUDGET = ValueKind(read=_budget)
BUDGET_OR_OFF = ValueKind(read=lambda text: Budget() if text == "off" else _budget(text))
FIELD_AND_HEADER = ValueKind(read=_field_and_header, separator=";")
