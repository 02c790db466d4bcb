"""The slow tests may use what the tests of the command line start from."""

from tests.cli.conftest import folder, hubspot, run, sandbox, start

__all__ = ["folder", "hubspot", "run", "sandbox", "start"]
