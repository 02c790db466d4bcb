"""The loader's own sources, which the tests of its words and its shape read. To parse them takes a second."""

import ast
from functools import cache
from pathlib import Path

LOADER = Path(__file__).parents[2] / "loader"


@cache
def texts() -> dict[str, str]:
    """Return the text of every module by its path below the loader's folder."""
    return {path.relative_to(LOADER).as_posix(): path.read_text("utf-8") for path in sorted(LOADER.rglob("*.py"))}


@cache
def trees() -> dict[str, ast.Module]:
    """Return every module parsed, by the same paths."""
    return {name: ast.parse(text) for name, text in texts().items()}
