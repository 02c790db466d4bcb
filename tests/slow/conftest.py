"""The slow tests may use what the tests of the command line start from."""

from tests.cli.conftest import contents, folder, hubspot, lines, run, sandbox, start, until

__all__ = ["contents", "folder", "hubspot", "lines", "run", "sandbox", "start", "until"]
