"""Sandbox: the simulated HubSpot, until it is stopped."""

from loader.errors import UsageError
from loader.run.call import Call, Done
from loader.sandbox import serve


def run(call: Call) -> Done[None]:
    """Serve until SIGINT or SIGTERM; UsageError for a wrong option, or a port that is in use."""
    try:
        serve(**call.command.values)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    return Done(result=None)
