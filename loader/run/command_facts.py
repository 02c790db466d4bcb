"""What a journal remembers of the commands that worked on its run, so that `status` and `report` can tell."""

import os
from datetime import datetime
from typing import Any

from loader.errors import ApiError, LoaderError
from loader.journal import Journal
from loader.journal.taking_back import UNDO
from loader.run.next_command import same_command
from loader.send.put import timestamp
from loader.settings import Settings
from loader.shell import command_line

MOST_COMMANDS = 100
"""A run that is gone on with every night for years keeps the latest of them."""


def begun(journal: Journal, settings: Settings, now: datetime) -> dict[str, object]:
    """Return the facts of a command that begins to work; until it ends, they say what to do if it is killed."""
    traffic = journal.fact("traffic") or {}
    command = {"began_at": timestamp(now), "after_seconds": traffic.get("sending_seconds", 0.0)}
    return {
        "command": command_line(settings.command),
        "folder": os.getcwd(),  # noqa: PTH109 - a text is wanted
        "exit_code": None,
        "stopped": None,
        "next_command": same_command(settings),
        "commands": [*(journal.fact("commands") or []), command][-MOST_COMMANDS:],
    }


def ended(journal: Journal, now: datetime, exit_code: int, stopped: LoaderError | None) -> dict[str, object]:
    """Return the facts of a command that ends in an orderly way."""
    moment = timestamp(now)
    *earlier, command = journal.fact("commands")
    return {
        "finished_at": moment,
        "exit_code": exit_code,
        "stopped": _in_words(stopped),
        "commands": [*earlier, {**command, "ended_at": moment, "exit_code": exit_code}],
    }


def moment_of_last_work(journal: Journal) -> str | None:
    """Return when a command last worked on a run: UTC, ISO 8601; None where the journal does not say."""
    commands = journal.fact("commands") or [{}]
    moments = [
        journal.last_outcome_at(),
        commands[-1].get("began_at"),
        *map(journal.fact, ("started_at", "finished_at")),
    ]
    undo = journal.fact(UNDO) or {}
    moments += [undo.get("started_at"), undo.get("finished_at")]
    return max(filter(None, moments), default=None)


def _in_words(stopped: LoaderError | None) -> dict[str, Any] | None:
    if stopped is None:
        return None
    message: dict[str, Any] = {"message": str(stopped), "category": "", "http_status": None}
    if isinstance(stopped, ApiError):
        message |= {"category": stopped.category, "http_status": stopped.status}
    return message
