"""The texts of cells: trimmed, shown in sentences, and split where a cell holds several.

Several texts in a cell are separated by `;`, or written as a JSON list.
"""

import json
import re

from loader.text import visible

SHOWN = 40
KEPT = 200
# Invisible characters. U+202E is not one of them: it reverses the digits that people see, so the id is in doubt.
INVISIBLE = dict.fromkeys(
    [0x00AD, 0x034F, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202E), *range(0x2060, 0x2070), 0xFEFF]
)


def show(value: str, *, limit: int = SHOWN) -> str:
    """Return the value in double quotes, at most `limit` characters of it, safe for a terminal and a log.

    >>> print(show("10\\x1b[2J1"))
    "10\\x1b[2J1"
    """
    cut = value if len(value) <= limit else value[:limit] + "…"
    return f'"{visible(cut)}"'


def show_all(values: tuple[str, ...] | list[str], *, limit: int = 20, width: int = SHOWN) -> str:
    """Return the values shown one after the other, at most `limit` of them and `width` characters of each."""
    shown = [show(value, limit=width) for value in values[:limit]]
    if len(values) > limit:
        shown.append(f"and {len(values) - limit} more")
    return ", ".join(shown)


def keep(cell: str) -> str:
    """Return the text of a rejected cell, short enough for a result line."""
    return cell if len(cell) <= KEPT else cell[:KEPT] + "…"


def trim(cell: str) -> str:
    """Strip blanks (no-break ones too) and invisible characters.

    Invisible characters within the text stay: in a label they may join the parts of an emoji or letters.
    """
    # One pass, however often blanks and invisible characters alternate.
    bare = cell.strip()
    return bare.strip(_BARE) if bare and (ord(bare[0]) in INVISIBLE or ord(bare[-1]) in INVISIBLE) else bare


def is_blank(cell: str) -> bool:
    """Return True if the cell has nothing visible."""
    return not cell or not trim(cell)


_BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_BARE = "".join(map(chr, INVISIBLE)) + _BLANKS + "\u2028\u2029\u202f\u205f\u3000"
# The characters that str.strip removes.


# --- several texts in one cell

# No label contains these: the cell is damaged or hostile. It is not split, and rejected as a whole.
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


def listed(cell: str) -> list[str] | None:
    """Return the texts of a JSON list, numbers digit for digit, or None if it is not a list; blank texts are dropped.

    A list as Python prints it, `['543', '544']`, is read, too, if only its quotes differ.

    >>> listed('["543", 544]'), listed("['A', 'B']"), listed("[Main]")
    (['543', '544'], ['A', 'B'], None)
    """
    bare = trim(cell)
    if not (bare.startswith("[") and bare.endswith("]")):
        return None
    text = bare if '"' in bare else bare.replace("'", '"')
    try:
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    texts = ["" if item is None else item for item in found]
    return [item for item in texts if trim(item)] if all(isinstance(item, str) for item in texts) else None


def split(cell: str) -> list[str]:
    """Return the labels that a cell names, at least one: the whole cell, if it is not a list.

    >>> split("Boss; Champion"), split('["A;B"]'), split(";")
    (['Boss', 'Champion'], ['A;B'], [';'])
    """
    if _CONTROL.search(cell):
        return [cell]
    texts = listed(cell)
    if texts is None:
        texts = [trim(part) for part in cell.split(";") if trim(part)] or [cell]
    return texts or [""]
