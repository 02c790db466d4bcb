"""Which version of the loader this is."""

from functools import cache


@cache
def version() -> str:
    """Return the installed version, looked up once and only when needed: it takes as long as `--help`."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    return installed("association-loader")
