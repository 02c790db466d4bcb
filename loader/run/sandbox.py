"""Sandbox: the simulated HubSpot, until it is stopped."""

from loader.errors import UsageError
from loader.run.call import Call, Done
from loader.sandbox import serve


def run(call: Call) -> Done[None]:
    """Serve until SIGINT or SIGTERM; UsageError for an option that means nothing, or a port that is taken."""
    try:
        serve(**call.command.values)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    return Done(result=None)
