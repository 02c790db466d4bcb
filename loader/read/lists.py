"""Cells that hold several texts: separated by `;`, or written as a JSON list."""

import json
import re
from collections.abc import Iterable

from loader.read.show import trim

# No label has these in it: the cell is damaged or hostile, and is rejected as it stands.
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


def listed(cell: str) -> list[str] | None:
    """Return the texts of a JSON list, numbers digit for digit, or None if the cell is none; blank texts are dropped.

    A list as Python prints it, `['543', '544']`, is read, too, where only its quotes are different.

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
    """Return the labels that a cell names, at least one: all that it says, where it is no list.

    >>> split("Boss; Champion"), split('["A;B"]'), split(";")
    (['Boss', 'Champion'], ['A;B'], [';'])
    """
    if _CONTROL.search(cell):
        return [cell]
    texts = listed(cell)
    if texts is None:
        texts = [trim(part) for part in cell.split(";") if trim(part)] or [cell]
    return texts or [""]


def joined(texts: Iterable[str]) -> str:
    """Return texts as one cell that `split` and the reading of ids take apart again.

    >>> joined(["A", "B"]), joined(["A;B", "C"])
    ('A;B', '["A;B", "C"]')
    """
    texts = list(texts)
    return json.dumps(texts, ensure_ascii=False) if any(";" in text for text in texts) else ";".join(texts)
