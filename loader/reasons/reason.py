"""What is known of a reason: the cause, what to do, and whether sending again may help."""

from typing import NamedTuple


class Reason(NamedTuple):
    """`cause` and `mend` are sentences for a person; `retry` says whether sending the row again as it is may help."""

    cause: str
    mend: str
    retry: bool
