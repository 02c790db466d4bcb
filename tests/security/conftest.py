"""The security tests live in the world of the fault tests."""

from tests.faults.conftest import hurry, make_world

__all__ = ["hurry", "make_world"]
