"""Profiles: the list of them, without secrets."""

import os

from loader.events import Profile
from loader.options.profiles import profiles
from loader.run.call import Call, Done


def run(call: Call) -> Done[list[Profile]]:
    """List the profiles in the order of their file; UsageError if there is none, or one is wrong."""
    del call
    found = [
        Profile(
            name=each.name,
            portal_id=each.values["portal_id"],
            token=each.kind,
            rate=each.values.get("rate", "auto"),
            api_version=each.values.get("api_version", "auto"),
            base_url=each.values.get("base_url", ""),
        )
        for each in profiles(os.environ)
    ]
    return Done(result=found, shown=found)
