"""The reasons for which a row is not sent or not created: code -> plain cause and what to do about it.

The codes stand in the results' `error_category`; HubSpot's own categories pass through beside them.
"""

from typing import NamedTuple


class Reason(NamedTuple):
    """`cause` and `mend` are sentences for a person; `retry` says whether sending the row again may help."""

    cause: str
    mend: str
    retry: bool


REASONS: dict[str, Reason] = {
    "INVALID_RECORD_ID": Reason(
        "The cell does not hold a HubSpot record id.",
        "Put the record id (digits only) into the cell, or name the right column with --column.",
        False,
    ),
    "MISSING_RECORD_ID": Reason(
        "The id cell is blank.",
        "Fill in the record id, or delete the row.",
        False,
    ),
}
