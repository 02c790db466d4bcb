"""Loads association rows from files into HubSpot: `await loader.load(...)`, or `loader.load_sync(...)`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader.api import load, load_sync
    from loader.verbs.report import Report

__all__ = ["Report", "load", "load_sync"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `import loader` costs nothing."""
    if name in ("load", "load_sync"):
        from loader import api  # noqa: PLC0415 - see the docstring

        return getattr(api, name)
    if name == "Report":
        from loader.verbs.report import Report  # noqa: PLC0415

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
