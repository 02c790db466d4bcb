"""Texts for people: numbers with their nouns, times, and control characters made visible.

So no file or answer can control a terminal, or forge a line of a log.
"""

import json
from datetime import datetime
from math import ceil


def visible(text: str) -> str:
    """Return the text with all unprintable characters escaped: ESC, line breaks, right-to-left marks and so on."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "company", "companies")
    ('1 row', '1,200 rows', '2 companies')
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def in_words(seconds: float) -> str:
    """Return a duration in words, rounded.

    >>> in_words(0.2), in_words(24), in_words(1000), in_words(9000)
    ('under 1 s', '24 s', '17 min', '2.5 h')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def timestamp(moment: datetime) -> str:
    """Return UTC as ISO 8601 with milliseconds: `2026-11-23T02:00:00.123Z`."""
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def size_of(number: int) -> str:
    """Return a number of bytes in words, rounded.

    >>> size_of(900), size_of(12_345_678), size_of(4_200_000_000)
    ('900 bytes', '12 MB', '4.2 GB')
    """
    for size, unit in {1_000_000_000: "GB", 1_000_000: "MB", 1000: "kB"}.items():
        if number >= size:
            return f"{number / size:.1f} {unit}" if number < 10 * size else f"{number / size:.0f} {unit}"
    return f"{number} bytes"


def visible_json(line: str) -> str:
    """Return the same line of JSON with unprintable characters in JSON's own escapes."""
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
