"""The long tests live in the world of the fault tests."""

from tests.faults.conftest import make_world

__all__ = ["make_world"]
