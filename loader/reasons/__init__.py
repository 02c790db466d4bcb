"""Why a row is not sent or not created, or a run ends: code -> plain cause and what to do about it.

The codes are in the results' `error_category`, beside those of HubSpot.
"""

import re

from loader.reasons.answers import (
    CATEGORIES,
    EXPLAINED_BY_MESSAGE,
    FINER,
    KINDS_OF_STATUS,
    LIMIT,
    LIMIT_WORDS,
    OF_THE_LOADER,
    OWN_STATUSES,
    STATUSES,
    UNKNOWN,
    Reason,
)
from loader.reasons.rows import ROWS, WHOLE_RECORD

__all__ = ["ANSWERS", "REASONS", "ROWS", "WHOLE_RECORD", "Reason", "advised", "explain", "in_short"]

ANSWERS: dict[str, Reason] = {
    **CATEGORIES,
    **{f"HTTP_{status}": reason for status, reason in STATUSES.items()},
    **{f"HTTP_{digit}xx": reason for digit, reason in KINDS_OF_STATUS.items() if digit > 3},
}
"""Reasons of rows that were sent, and of ends of runs."""

REASONS: dict[str, Reason] = {**ANSWERS, **ROWS}
"""Every code that the loader knows."""

_STATUS = re.compile(r"HTTP_([2-5])[0-9]{2}", re.ASCII)
_NOT_VALID = re.compile(r"\b([A-Z][A-Z_]*)=([0-9]{1,19}) is not valid", re.ASCII)
"""HubSpot's text about a record that does not exist (observed)."""
_FINER = re.compile(rf"(?<![A-Z_])({'|'.join(FINER)})(?![A-Z_])")


def explain(category: str, http_status: int | None = None, message: str = "") -> Reason:
    """Explain a code of `error_category`, or the finer code in its message; never fails.

    A new category of HubSpot's is explained by its status, if that is given.
    """
    if category not in ROWS and (finer := _FINER.search(message)):
        return FINER[finer[1]]
    if http_status in OWN_STATUSES:
        return STATUSES[http_status]
    if http_status == 400 and LIMIT_WORDS.search(message):
        return LIMIT
    if category in REASONS:
        return REASONS[category]
    if status := _STATUS.fullmatch(category):
        return KINDS_OF_STATUS[int(status[1])]
    return KINDS_OF_STATUS.get((http_status or 0) // 100, UNKNOWN)


def advised(category: str, http_status: int | None, message: str) -> str:
    """Return what went wrong with a row that was sent, and what to do about it, if the message does not say so.

    HubSpot's own sentence is quoted after that.
    """
    if category in EXPLAINED_BY_MESSAGE:
        return message
    mend = explain(category, http_status, message).mend
    if http_status is None or category in OF_THE_LOADER or category.startswith("HTTP_"):
        end = "" if message.endswith((".", "!", "?", "…")) else "."
        return f"{message}{end} {mend}"
    return f"{in_short(category, http_status, message)} {mend} HubSpot says: {message}"


def in_short(category: str, http_status: int | None, message: str) -> str:
    """Return why a row failed, in one sentence: `HubSpot has no company 18250000404.`"""
    gone = [f"no {name.lower().replace('_', ' ')} {number}" for name, number in _NOT_VALID.findall(message)]
    return f"HubSpot has {' and '.join(gone)}." if gone else explain(category, http_status, message).cause
