"""Loads association rows from files, DataFrames or iterators into HubSpot: `loader.load_sync(source, ...)`.

The exceptions are in `loader.errors`, the events that `on_event` gets in `loader.events`.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    # Checked before any import that fails on Windows, such as file locks.
    _SENTENCE = "the association loader needs Linux or macOS; on Windows, install it inside WSL (wsl --install)"
    if sys.argv[0] == "-m":  # What `python -m` runs is not known yet: this is `python -m loader`.
        sys.stderr.write(f"association-loader: {_SENTENCE}\n")
        sys.exit(2)
    raise ImportError(_SENTENCE)

if TYPE_CHECKING:
    from loader.api import (
        create_label,
        create_label_sync,
        export,
        export_sync,
        fleet,
        fleet_sync,
        load,
        load_sync,
        plan,
        plan_sync,
        remove,
        remove_sync,
        undo,
        undo_sync,
        verify,
        verify_sync,
    )
    from loader.events import CreatedLabel, Planned
    from loader.fleets.report import FleetReport
    from loader.run.report import ExportReport, Report, UndoReport, Verification

    __version__: str

__all__ = [
    "CreatedLabel",
    "ExportReport",
    "FleetReport",
    "Planned",
    "Report",
    "UndoReport",
    "Verification",
    "create_label",
    "create_label_sync",
    "export",
    "export_sync",
    "fleet",
    "fleet_sync",
    "load",
    "load_sync",
    "plan",
    "plan_sync",
    "remove",
    "remove_sync",
    "undo",
    "undo_sync",
    "verify",
    "verify_sync",
]

_HOME = {
    "CreatedLabel": "loader.events",
    "ExportReport": "loader.run.report",
    "FleetReport": "loader.fleets.report",
    "Planned": "loader.events",
    "Report": "loader.run.report",
    "UndoReport": "loader.run.report",
    "Verification": "loader.run.report",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that `import loader` is fast."""
    if name == "__version__":
        return import_module("loader.version").version()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "loader.api")), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__, "__version__"]
