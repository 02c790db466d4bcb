"""What a column has instead of record ids, and what to do: in each row's reason, and once for the file."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from loader.read.cells import show
from loader.text import counted

_LEAST_SHARE = 0.1
"""A share of the records: fewer rows are single mistakes, and each has its own reason."""

_PLACEHOLDER = re.compile(r"\(?null\)?|n\.?/?a\.?|nan|none|<na>|unknown|tbd|total", re.IGNORECASE | re.ASCII)
_NAME = re.compile(r".*[^\W\d_]{2}.*", re.DOTALL)
_BELOW = "blank below"
_NAMES = "names"


class Instead(NamedTuple):
    """Something that people use instead of a record id; `option` in `way` is that of the end, --from or --to."""

    what: str
    plural: str
    pattern: re.Pattern[str]
    way: str

    def why(self, cell: str, option: str) -> str:
        """Return the reason for a row, without the name of the cell."""
        return f"{show(cell)} is {self.what}, not a record id; {self.way.format(option=option)}"


_UNIQUE = "where a HubSpot property with unique values has this key, add {option} with that property's name"

INSTEAD = (
    Instead(
        "an email address",
        "email addresses",
        re.compile(r"(?:mailto:)?[^\s@,;:/]+@[^\s@,;:/]+\.[^\s@,;:/]+", re.IGNORECASE),
        "to find the records by it, add {option} email",
    ),
    Instead(
        "an address in HubSpot that is not a record's",
        "addresses in HubSpot that are not those of records",
        re.compile(r"(?:https?://)?(?:[a-z0-9-]+\.)*hubspot(?:qa)?\.com(?:[/?#].*)?", re.IGNORECASE | re.DOTALL),
        "open the record itself in HubSpot, and copy its address or its record id",
    ),
    Instead(
        "a web address",
        "web addresses",
        re.compile(r"(?:https?://)?(?:[\w-]+\.)+[a-z]{2,24}(?:[/:?#]\S*)?", re.IGNORECASE),
        "where no two companies have the same domain, write the domain alone, and add {option} domain",
    ),
    Instead(
        "a key as Salesforce writes it",
        "keys as Salesforce writes them",
        re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", re.ASCII),
        _UNIQUE,
    ),
    Instead(
        "another system's key",
        "another system's keys",
        re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=.*[0-9])[A-Za-z]{1,5}[-_/]?[0-9]+", re.IGNORECASE),
        _UNIQUE,
    ),
)


def instead_of_id(text: str) -> Instead | None:
    """Return what a text is instead of a record id, None if that is not known.

    >>> instead_of_id("ada@example.com").what, instead_of_id("0035000003bTyX1AAK").what
    ('an email address', 'a key as Salesforce writes it')
    """
    return next((each for each in INSTEAD if each.pattern.fullmatch(text)), None)


class ColumnHints:
    """Counts what columns have instead of ids, to report it once for the whole file."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def see(self, header: str, option: str, text: str) -> None:
        """Count a cell without a record id."""
        if (found := instead_of_id(text)) is not None:
            self._seen[header, option, found.what] += 1
        elif _NAME.fullmatch(text) and not _PLACEHOLDER.fullmatch(text):
            self._seen[header, option, _NAMES] += 1

    def see_blank(self, headers: Sequence[str]) -> None:
        """Count a row with blank ids in these columns."""
        if len(headers) == 1:
            self._seen[headers[0], "", _BELOW] += 1

    def notes(self, records: int) -> list[str]:
        """Return a sentence about each thing that is in more than a few records."""
        least = max(2.0, _LEAST_SHARE * records)
        return [self._note(*key, count) for key, count in self._seen.items() if count >= least]

    def _note(self, header: str, option: str, what: str, count: int) -> str:
        if what == _BELOW:
            return (
                f"{show(header)} is blank in {counted(count, 'row')} below a filled one. If the id above is "
                "theirs, too, as in "
                "a pivot table, fill it down into each row before you load (or have the pivot repeat all item labels)."
            )
        if what == _NAMES:
            return (
                f"{show(header)} holds names in place of record ids in {counted(count, 'row')}. Several records "
                "may have one "
                f"name, so none is looked up by it: add a column with record ids, or use one with emails or another "
                f"property of unique values, and {option}."
            )
        found = next(each for each in INSTEAD if each.what == what)
        way = found.way.format(option=option)
        return f"{show(header)} holds {found.plural} in place of record ids in {counted(count, 'row')}: {way}."
