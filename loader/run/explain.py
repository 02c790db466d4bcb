"""The meaning of one code of the results, or of all, from the dictionary of reasons. Nothing is read or sent."""

import difflib
import re
from collections.abc import Mapping

from loader.errors import UsageError
from loader.events import Explained, ExplainedReason
from loader.reasons import ANSWERS, REASONS, ROWS, Reason, explain
from loader.reasons.answers import FINER
from loader.run.call import Call, Done

_STATUS = re.compile(r"(?:HTTP_)?([2-5][0-9]{2})", re.ASCII)


def run(call: Call) -> Done[Explained]:
    """Explain the code that the command names, or all."""
    found = explained(*call.command.arguments)
    return Done(result=found, shown=[found])


def explained(code: str | None = None) -> Explained:
    """Return the meaning of a code of `error_category`, in any case, or of an HTTP status; None: of every code.

    A code may have two entries: one for rows that were sent, one for rows that were not. Raises UsageError for a code
    that is not known, with the nearest ones.
    """
    if code is None:
        return Explained((*_grouped(ANSWERS, sent=True), *_grouped(ROWS, sent=False)))
    wanted = code.strip().upper()
    if status := _STATUS.fullmatch(wanted):
        return Explained((_entry((f"HTTP_{status[1]}",), explain(f"HTTP_{status[1]}"), sent=True),))
    answers = {name.upper(): (name, reason) for name, reason in {**FINER, **ANSWERS}.items()}
    found = [_entry((name,), reason, sent=True) for name, reason in [answers.get(wanted, ("", None))] if reason]
    if reason := ROWS.get(wanted):
        found.append(_entry((wanted,), reason, sent=False))
    if not found:
        near = difflib.get_close_matches(wanted[:100], sorted({*REASONS, *FINER}), n=3)
        did_you_mean = f"did you mean {', '.join(near)}? " if near else ""
        raise UsageError(
            f"the loader does not know the code {wanted[:100]}: {did_you_mean}`association-loader explain` lists those "
            "that it knows; what a newer one of HubSpot's, read the message beside it"
        )
    return Explained(tuple(found))


def _grouped(reasons: Mapping[str, Reason], *, sent: bool) -> list[ExplainedReason]:
    codes: dict[Reason, list[str]] = {}
    for code, reason in reasons.items():
        codes.setdefault(reason, []).append(code)
    return [_entry(tuple(named), reason, sent=sent) for reason, named in codes.items()]


def _entry(codes: tuple[str, ...], reason: Reason, *, sent: bool) -> ExplainedReason:
    return ExplainedReason(codes, sent, reason.cause, reason.mend, reason.retry)
