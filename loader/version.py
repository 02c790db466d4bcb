"""Which version of the loader this is."""


def version() -> str:
    """Return the installed version, looked up only when asked for: that takes as long as all else of `--help`."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    return installed("association-loader")
