"""Why a sent row failed, and why a run ended: HubSpot's categories and statuses, and our own.

HubSpot's categories are from its pages on error handling, its API specification and observed answers; none of its lists
is complete, so `reasons.explain` falls back on the status.
"""

import re
from typing import NamedTuple

from loader.errors import TRY_AGAIN


class Reason(NamedTuple):
    """`cause` and `mend` are sentences for a person; `retry` says whether sending the row again as it is may help."""

    cause: str
    mend: str
    retry: bool


_AGAIN = "Send the failed rows again with --retry-failed"

_RECORD_GONE = Reason(
    "HubSpot has no record with this id (it checks this since September 2026).",
    "Look the id up in HubSpot: it may be deleted, merged, or from the wrong column. Correct or delete the row.",
    False,
)
_TYPE_UNKNOWN = Reason(
    "This HubSpot account has no such association type, or not between these two object types in this direction.",
    "Use a type id that `association-loader labels FROM TO` lists, or write the label instead.",
    False,
)
LIMIT = Reason(
    "One of the two records already has as many associations of this kind as the HubSpot account allows.",
    "Remove associations of that record, or raise the limit in HubSpot's settings; then load the failures file.",
    False,
)
_LABEL_GONE = Reason(
    "These two object types have no such label in this HubSpot account.",
    "Write a label that `association-loader labels FROM TO` lists; `load` creates labels with --create-labels.",
    False,
)
_TWICE = Reason(
    "Two rows give the same two records.",
    "Keep one of the rows with these two records, and delete the others.",
    False,
)
_TOKEN = Reason(
    "HubSpot does not accept the access token: it is wrong, revoked or expired.",
    "Copy the token again, or make a new one; then run the same command.",
    True,
)
_PERMISSION = Reason(
    "The token is valid, but lacks a permission.",
    "Add the scopes that the message names (the write scopes of both object types), then run the same command.",
    True,
)
_USER = Reason(
    "The person whose token this is may not edit associations in HubSpot, or has left the account.",
    'Give that person the permission "Edit Associations" in HubSpot, or use a service key; then run the same command.',
    True,
)
_RATE = Reason(
    "A request limit is used up: the day's quota, or that of a few seconds, which other apps of the account share.",
    "Run the same command after the reset that the message names, or with a lower --rate.",
    True,
)
_CONFLICT = Reason(
    "Somebody else changed the record at the same moment, or the association conflicts with another one.",
    f"{_AGAIN}; if it fails again, look at both records in HubSpot.",
    True,
)
_LOCKED = Reason(
    "HubSpot had the record locked at every attempt, because it is written too often.",
    f"{_AGAIN} and a lower --rate, when no other import is running.",
    True,
)
_OVERLOADED = Reason(
    "HubSpot was overloaded or out of service at every attempt.",
    f"{_AGAIN}, later.",
    True,
)
_INTERNAL = Reason(
    "HubSpot failed with an internal error at every attempt.",
    f"{_AGAIN}; if only these fail again, ask HubSpot's support with the correlation id.",
    True,
)
_GATEWAY = Reason(
    "The connection to HubSpot's servers is broken on HubSpot's side.",
    f"{_AGAIN}, later; if it happens again, HubSpot's support can fix it.",
    True,
)
_NOT_UNDERSTOOD = Reason(
    "HubSpot does not understand the request, most often because of an object type or an association type.",
    "Read the message, correct the row or the option that it names, and load the row again.",
    False,
)
_UNREADABLE = Reason(
    "The answer was not HubSpot's: it was cut off, or came from a proxy or a login page.",
    f"{_AGAIN}; if it happens again, check the network and --base-url.",
    True,
)

CATEGORIES: dict[str, Reason] = {
    # HubSpot's, of one row
    "VALIDATION_ERROR": Reason(
        "HubSpot refused the row: it has no such record, or these two cannot have that association type.",
        "Check the record or the association type that the message names; then correct or delete the row.",
        False,
    ),
    "OBJECT_NOT_FOUND": _RECORD_GONE,
    "CONFLICT": _CONFLICT,
    "INVALID_OBJECT_IDS": _RECORD_GONE,
    "ASSOCIATION_LABEL_NOT_FOUND": _LABEL_GONE,
    "ASSOCIATION_LIMIT_EXCEEDED": LIMIT,
    "ASSOCIATION_RECORD_NOT_FOUND": _RECORD_GONE,
    "DUPLICATE_ASSOCIATION_ID": _TWICE,
    "FAILED_TO_CREATE_ASSOCIATION": _INTERNAL,
    "INVALID_ASSOCIATION_IDENTIFIER": _RECORD_GONE,
    "NO_OBJECT_ID_FROM_ASSOCIATION_IDENTIFIER": _RECORD_GONE,
    "UNKNOWN_ASSOCIATION_RECORD_ID": _RECORD_GONE,
    # HubSpot's, of the command
    "INVALID_AUTHENTICATION": _TOKEN,
    "EXPIRED_AUTHENTICATION": _TOKEN,
    "MISSING_SCOPES": _PERMISSION,
    "USER_DOES_NOT_HAVE_PERMISSIONS": _USER,
    "NO_READ_PERMISSION": Reason(
        "The token may write associations, but not read them, like a service key with write scopes only.",
        "Add the read scopes of both object types; then run the same command.",
        True,
    ),
    "RATE_LIMIT": _RATE,
    "RATE_LIMITS": _RATE,
    # Of the connection to HubSpot
    "TIMEOUT": Reason(
        "HubSpot did not answer within --timeout, at any attempt.",
        f"{_AGAIN}, with a longer --timeout if HubSpot is slow.",
        True,
    ),
    "CONNECTION": Reason(
        "The connection to HubSpot failed at every attempt.",
        f"{_AGAIN} when the network works again.",
        True,
    ),
    "DNS": Reason(
        "The server's name could not be found.",
        "Check the network, its name server and --base-url; then run the same command.",
        True,
    ),
    "TLS": Reason(
        "No encrypted connection could be made.",
        "Check --base-url, and any proxy in between; then run the same command.",
        True,
    ),
    "CERTIFICATE": Reason(
        "The server's certificate is not valid, so nothing was sent to it.",
        "Check --base-url and the certificates that this machine trusts; then run the same command.",
        True,
    ),
    "REDIRECT": Reason(
        "The server redirects elsewhere. The loader never follows, because the token would go along.",
        "Check --base-url; then send the failed rows again with --retry-failed.",
        True,
    ),
    "UNREADABLE_ANSWER": _UNREADABLE,
    "UNUSABLE_ANSWER": Reason(
        "HubSpot's answer about the account contains something that cannot be used.",
        "Look in HubSpot at what the message names, or ask HubSpot's support; then run the same command.",
        True,
    ),
    "ERROR_IN_ANSWER": Reason(
        "HubSpot answered with success, but with an error in the answer.",
        "Read the message, and look at the two records in HubSpot before sending the row again.",
        False,
    ),
    "ENDLESS_PAGES": Reason(
        "HubSpot's list of a record's associations never ended.",
        "Look at the record in HubSpot; with --existing replace --unread nothing is read before it is written.",
        True,
    ),
    "ENDS_DISAGREE": Reason(
        "HubSpot shows the association from one record but not from the other, so its labels are not known.",
        "Write the row from the other side, or look at both records in HubSpot; then send it again.",
        True,
    ),
    "NOT_IN_ANSWER": Reason(
        "HubSpot's answers to a batch did not mention this pair, and it is not in HubSpot.",
        "Send the row again; without --method batch, HubSpot answers for each pair separately.",
        True,
    ),
    "ANSWER_FOR_OTHER_RECORDS": Reason(
        "HubSpot's answer is about other records than those of the row.",
        "Look at the two records in HubSpot before sending the row again.",
        False,
    ),
    "RECORD_MERGED": Reason(
        "The record was merged into another one in HubSpot.",
        "Write the other record's id, which the message names, into the row; then load the row again.",
        False,
    ),
    # Of an undo
    "CHANGED_SINCE": Reason(
        "Somebody changed the two records' association since the load, so undo left it as it is.",
        "Look at the two records in HubSpot, and remove by hand what is not wanted.",
        False,
    ),
    # Of a verification
    "NOT_IN_FILE": Reason(
        "The record has this association, but the file does not have it.",
        "Load the file with --existing mirror to remove it, or add a row for it.",
        True,
    ),
    "BACK_AGAIN": Reason(
        "The load removed this association and it is back: HubSpot may associate companies by email domain.",
        "Switch off automatic association in HubSpot's settings, or add a row for it to the file.",
        False,
    ),
    # Of the run
    "WRONG_PORTAL": Reason(
        "The token belongs to another HubSpot account than --portal-id or the profile says.",
        "Use that account's token; then run the same command.",
        True,
    ),
    "INVALID_TOKEN_ANSWER": Reason(
        "HubSpot did not give an access token for the OAuth credentials.",
        "Check the client id, the client secret and the refresh token; then run the same command.",
        True,
    ),
    "DAILY_RESERVE": Reason(
        "Only what --daily-reserve keeps for other apps is left of the day's quota.",
        "Run the same command after the reset that the message names, or lower --daily-reserve.",
        True,
    ),
}

FINER: dict[str, Reason] = {
    **{code: reason for code, reason in CATEGORIES.items() if "ASSOCIATION" in code or code == "INVALID_OBJECT_IDS"},
    "INVALID_ASSOCIATION_TYPE_ID": _TYPE_UNKNOWN,
    "USER_DOES_NOT_HAVE_PERMISSIONS": _USER,
    "Edit Associations": _USER,
}
"""HubSpot's codes in the message of an answer with a general category: they say more than the category."""

LIMIT_WORDS = re.compile(
    r"\bassociation.*\b(limit|maximum)\b|\b(limit|maximum)\b.*\bassociation", re.IGNORECASE | re.DOTALL
)
"""Texts in a message about a reached association limit; HubSpot's code for it is not documented."""


OF_THE_LOADER = frozenset({
    "ANSWER_FOR_OTHER_RECORDS", "CERTIFICATE", "CHANGED_SINCE", "CONNECTION", "DAILY_RESERVE", "DNS", "ENDLESS_PAGES",
    "ENDS_DISAGREE", "ERROR_IN_ANSWER", "INVALID_TOKEN_ANSWER", "NOT_IN_ANSWER", "NO_READ_PERMISSION", "RECORD_MERGED",
    "REDIRECT", "TIMEOUT", "TLS", "UNREADABLE_ANSWER", "UNUSABLE_ANSWER", "WRONG_PORTAL",
})  # fmt: skip
"""The loader's own categories: their messages are sentences of the loader."""

EXPLAINED_BY_MESSAGE = frozenset({"REDIRECT", "ANSWER_FOR_OTHER_RECORDS", "RECORD_MERGED"})
"""Their messages are the loader's and say what to do."""

STATUSES: dict[int, Reason] = {
    400: _NOT_UNDERSTOOD,
    401: _TOKEN,
    403: _PERMISSION,
    404: _RECORD_GONE,
    408: _OVERLOADED,
    409: _CONFLICT,
    423: _LOCKED,
    425: _OVERLOADED,
    429: _RATE,
    437: Reason(
        "The two object types have as many association labels as HubSpot allows, which is 50.",
        "Delete an unused label in HubSpot, or use an existing one.",
        False,
    ),
    477: Reason(
        "HubSpot is moving the account to another data centre, which can take a day.",
        "Run the same command after the time that the message names.",
        True,
    ),
    500: _INTERNAL,
    502: _OVERLOADED,
    503: _OVERLOADED,
    504: _OVERLOADED,
    521: _OVERLOADED,
    522: _GATEWAY,
    523: _OVERLOADED,
    524: _OVERLOADED,
    525: _GATEWAY,
    526: _GATEWAY,
}
"""The meaning of a status without a category in the answer; it is shown as `HTTP_<status>`."""

OWN_STATUSES = frozenset({*TRY_AGAIN, 437})
"""Statuses that say more than the general category that comes with them."""

KINDS_OF_STATUS: dict[int, Reason] = {
    2: _UNREADABLE,
    3: CATEGORIES["REDIRECT"],
    4: Reason(
        "HubSpot refused the row.",
        "Read the message and correct the row; if nothing in it is wrong, ask HubSpot's support with the "
        "correlation id.",
        False,
    ),
    5: Reason(
        "HubSpot failed at every attempt.",
        f"{_AGAIN}; if only these fail again, ask HubSpot's support with the correlation id.",
        True,
    ),
}
"""The meaning of every other status, by its first digit."""

UNKNOWN = Reason(
    "HubSpot gave an error category that the loader does not know.",
    "Read the message in the results, and look at the two records in HubSpot.",
    False,
)
