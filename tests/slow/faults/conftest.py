"""The slow fault tests live in the world of the fast ones."""

from tests.faults.conftest import make_world

__all__ = ["make_world"]
