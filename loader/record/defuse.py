"""Cells that a spreadsheet would run as a formula are made plain text [OWASP: CSV injection]."""

import re

_FORMULA = re.compile(r"[\s'\"]*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?", re.ASCII)


def defused(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet would take it for a formula; numbers stay."""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
