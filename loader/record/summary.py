"""The run in figures: what the summary file, the JSON stream and the closing table show."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loader.files import replacing
from loader.journal import Counts, Journal
from loader.settings import Rate
from loader.shell import command_line
from loader.text import visible_json


def summarize(
    journal: Journal,
    *,
    command: Sequence[str],
    version: str,
    counts: Counts,
    traffic: Mapping[str, Any],
    rate: Rate,
    exit_code: int,
    next_command: str | None,
) -> dict[str, object]:
    """Return the summary; every key is always there. Times are UTC, ISO 8601; `seconds` are those at work."""
    sending = traffic["sending_seconds"]
    return {
        "command": command_line(command),
        "version": version,
        "portal_id": journal.fact("portal_id"),
        "inputs": journal.inputs(),
        "started_at": journal.fact("started_at"),
        "finished_at": journal.fact("finished_at"),
        "seconds": round(journal.fact("seconds") or 0.0, 3),
        "exit_code": exit_code,
        "rows": counts.rows(),
        "pairs": counts.pairs,
        "requests": {key: traffic[key] for key in ("sent", "retried", "rate_limited", "by_status")},
        "rate": {
            "limit": f"{rate.requests}/{rate.seconds:g}",
            "achieved_per_second": round(traffic["sent"] / sending, 2) if sending else 0.0,
        },
        "failures_by_reason": journal.reasons(),
        "next_command": next_command,
    }


def write_summary(path: Path, summary: Mapping[str, object]) -> None:
    """Write the summary as JSON, whole or not at all."""
    with replacing(path) as beside:
        lines = json.dumps(summary, indent=2, ensure_ascii=False).split("\n")
        beside.write(("\n".join(map(visible_json, lines)) + "\n").encode())
