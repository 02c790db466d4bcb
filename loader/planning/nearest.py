"""Names that look like one that nobody knows: what was meant, perhaps."""

import difflib
from collections.abc import Collection

MOST_SUGGESTIONS = 100
"""Of one kind in a load: who has more unknown names than that needs another list, not a hundred hints."""

MOST_COMPARISONS = 200_000
"""Each takes some 20 microseconds; a portal has some 50 labels between two object types."""

LONGEST = 100
"""Characters; a longer text is no misspelt name."""


class Nearest:
    """Looks for near names once for each distinct text, for the first hundred of them, and as long as that is quick."""

    def __init__(self, cutoff: float, *, most: int = 3) -> None:
        self._cutoff = cutoff
        self._most = most
        self._compared = 0
        self._found: dict[tuple[object, str], list[str]] = {}

    def to(self, text: str, names: Collection[str], *, of: object = None) -> list[str]:
        """Return a few of the names that look like a text, the likeliest first; `of` says whose names they are."""
        key = of, text
        if key not in self._found:
            if len(text) > LONGEST or len(self._found) >= MOST_SUGGESTIONS or self._compared >= MOST_COMPARISONS:
                return []
            self._compared += len(names)
            alike = [name for name in names if len(name) <= LONGEST]
            self._found[key] = difflib.get_close_matches(text, alike, n=self._most, cutoff=self._cutoff)
        return self._found[key]


def quoted(text: str) -> str:
    """Return a value of a file as a sentence shows it: in quotes, and cut."""
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
