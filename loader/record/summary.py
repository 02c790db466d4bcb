"""A command in figures: what its report, the summary file, the JSON stream and the closing table show."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loader.files import replacing
from loader.journal import Counts, Journal
from loader.shell import command_line
from loader.text import visible_json
from loader.version import version


def summarize(
    command: Sequence[str],
    about: Mapping[str, object],
    figures: Mapping[str, object],
    *,
    portal_id: str | None,
    started_at: str | None,
    finished_at: str | None,
    seconds: float,
    exit_code: int,
    next_command: str | None,
) -> dict[str, Any]:
    """Return the summary of a command; `about` describes the command, `figures` are those of its verb.

    Every key is always there. Times are UTC, ISO 8601; `seconds` are those at work.
    """
    return {
        "command": command_line(command),
        "version": version(),
        "portal_id": portal_id,
        **about,
        "started_at": started_at,
        "finished_at": finished_at,
        "seconds": round(seconds, 3),
        "exit_code": exit_code,
        **figures,
        "next_command": next_command,
    }


def load_figures(journal: Journal, counts: Counts) -> dict[str, object]:
    """Return the figures of a load, over all commands that worked on it."""
    requests, rate = journal.facts.requests, journal.facts.rate
    sending = requests.sending_seconds
    return {
        "rows": counts.rows(),
        **({"removals": journal.removals()} if journal.is_mirror else {}),
        "pairs": counts.pairs,
        "requests": {
            "sent": requests.sent,
            "retried": requests.retried,
            "rate_limited": requests.rate_limited,
            "by_status": dict(requests.by_status),
        },
        "rate": {
            "limit": f"{rate.requests}/{rate.seconds:g}",
            "achieved_per_second": round(requests.sent / sending, 2) if sending else 0.0,
        },
        "failures_by_reason": journal.reasons(),
    }


def write_summary(path: Path, summary: Mapping[str, object]) -> None:
    """Write the summary as JSON, whole or not at all."""
    with replacing(path) as beside:
        lines = json.dumps(summary, indent=2, ensure_ascii=False).split("\n")
        beside.write(("\n".join(map(visible_json, lines)) + "\n").encode())
