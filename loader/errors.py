"""The errors that end a run, or one attempt of a request; one branch for each thing a caller can do about it.

    LoaderError
    ├─ UsageError            fix the command: an option, a setting, a name that is not known        exit 2
    ├─ InputError            fix the file: it cannot be trusted as a whole                          exit 2
    ├─ JournalError          another run holds the journal, or it belongs to another input          exit 2
    │    ├─ JournalLocked
    │    └─ JournalMismatch
    ├─ RecordError           an output cannot be written: stop before an outcome is lost            exit 5
    │    └─ SharedFolderFault
    ├─ ApiError              one attempt went wrong
    │    ├─ Retryable        try again after a pause: RateLimited, ServerFault, ConnectionFault
    │    ├─ Refused          this request only: 400, 404, 409, an unknown 4xx, a redirect
    │    └─ Fatal            stop the run: Unauthorized, MissingScope, WrongPortal                  exit 3
    │                        and for now: DailyQuotaSpent, PortalMigrating, Unreachable,
    │                        UnusableAnswer                                             exit 5
    └─ Stopped               the run ends before its last row
         ├─ TooManyFailures, TooManyRemovals                                                        exit 4
         ├─ OutOfTime, LeaseLost, SchedulerLost                                                     exit 5
         └─ Interrupted      by a signal                                                            exit 130, 143

A record that is wrong, or that HubSpot refused, is not an error but a value (`model.Reject`, `model.Outcome`).
Every message is one sentence: what is wrong, where, and how to mend it.
"""

from collections.abc import Mapping
from datetime import datetime

from loader.object_type_names import record_in_words


class LoaderError(Exception):
    """Anything the loader raises on purpose; `exit_code` is what the command ends with."""

    exit_code = 70


class UsageError(LoaderError):
    """The command or a setting is wrong; nothing was sent and no file was changed."""

    exit_code = 2


class InputError(LoaderError):
    """An input file cannot be trusted as a whole; nothing was sent and no file was changed."""

    exit_code = 2


class JournalError(LoaderError):
    """The journal beside the results cannot be used by this command."""

    exit_code = 2


class JournalLocked(JournalError):
    """Another process is working on the same results."""


class OtherFormat(JournalError):
    """Another version of the loader wrote the journal."""


class JournalMismatch(JournalError):
    """The journal belongs to an unfinished run of another input or other settings."""


class RecordError(LoaderError):
    """An outcome could not be written down; the run stops, because an outcome must never be lost."""

    exit_code = 5


class SharedFolderFault(RecordError):
    """The folder that all workers of a fleet share cannot be used."""


TRY_AGAIN = frozenset({408, 423, 425})
"""Statuses below 500 that do not refuse a request: the same one may succeed later. 429 is handled as a limit.

Each has a reason of its own in `reasons.answers.STATUSES`.
"""


class ApiError(LoaderError):
    """One request did not succeed.

    `status` is the HTTP status, or None where no answer was read. `category` is HubSpot's own category or one of ours,
    `message` is safe to show: cut to 500 characters, control characters escaped, never a token. `retry_after` is the
    least wait in seconds that the server asked for, if it did; `attempts` how many requests were made. `sentence` is
    the message without its details. `context` says which records or pairs the error is about: texts by HubSpot's own
    keys (`{"objectId": ("7",)}`).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        category: str = "",
        correlation_id: str = "",
        retry_after: float | None = None,
        sentence: str = "",
        context: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sentence = sentence or message
        self.context = context or {}
        self.status = status
        self.category = category
        self.correlation_id = correlation_id
        self.retry_after = retry_after
        self.attempts = 0


class Retryable(ApiError):
    """Worth another attempt."""


class RateLimited(Retryable):
    """429 of the burst limit: every worker pauses, not only the one that got it."""


class LimitUnnamed(RateLimited):
    """429 that does not say which limit it means: the burst's, or the day's."""


class ServerFault(Retryable):
    """The server answered that it cannot do it now (`TRY_AGAIN` or 5xx), or its answer could not be read."""


class RecordLocked(ServerFault):
    """423: another request is writing to the record. The server itself works."""


class ConnectionFault(Retryable):
    """No whole answer came: refused, reset, timed out, cut short."""


class Refused(ApiError):
    """HubSpot refuses this one request; the others are not affected."""


class RecordMerged(Refused):
    """HubSpot answered about another record, the `survivor`: the requested one was merged into it."""

    def __init__(
        self, object_type: str, record_id: str, survivor: str, *, status: int | None = None, done: bool = False
    ) -> None:
        """Take ids; `done` says that something was written to the survivor."""
        written = ", and HubSpot has associated that one, which undo leaves as it is" if done else ""
        record = record_in_words(object_type, record_id)
        message = f"{record} was merged into {survivor} in HubSpot{written}: write {survivor} in its place"
        super().__init__(message, status=status, category="RECORD_MERGED")
        self.object_type = object_type
        self.record_id = record_id
        self.survivor = survivor


class Fatal(ApiError):
    """Nothing more can be sent in this run; what was not sent stays pending."""

    exit_code = 3


class Unauthorized(Fatal):
    """401: the token is wrong, expired or revoked."""


class MissingScope(Fatal):
    """403: the token lacks a permission."""


class WrongPortal(Fatal):
    """The token belongs to another portal than the one named."""


class Redirected(Fatal):
    """The first answers were all redirects: this is not HubSpot, or not its address."""


class DailyQuotaSpent(Fatal):
    """429 of the daily limit: the same command resumes it after the reset, `resets_at`, None where that is unknown."""

    exit_code = 5
    resets_at: datetime | None = None


class PortalMigrating(Fatal):
    """477: HubSpot is moving the portal to another data centre."""

    exit_code = 5


class Unreachable(Fatal):
    """HubSpot answered nothing usable for 15 minutes."""

    exit_code = 5


class UnusableAnswer(Fatal):
    """HubSpot answered a question about the portal with something that cannot be used."""

    exit_code = 5


class Stopped(LoaderError):
    """The run ended before its last row; the same command resumes it."""


class TooManyFailures(Stopped):
    """More rows failed than the command allows, or 200 in a row for one reason."""

    exit_code = 4


class TooManyRemovals(Stopped):
    """More associations would be taken off than `--max-removals` allows; nothing was sent."""

    exit_code = 4


class OutOfTime(Stopped):
    """`--max-duration` is over."""

    exit_code = 5


class LeaseLost(Stopped):
    """Another worker may be at work on the same portal, so nothing more is sent."""

    exit_code = 5


class SchedulerLost(Stopped):
    """The Dask scheduler that a fleet ran on is gone."""

    exit_code = 5


class Interrupted(Stopped):
    """SIGINT or SIGTERM; `exit_code` is 128 + the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted; the same command continues where this one stopped")
        self.exit_code = 128 + signal_number
