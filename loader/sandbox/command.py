"""The sandbox as a program that runs until it is stopped."""

import asyncio
import errno
import secrets
import signal
from pathlib import Path
from typing import Any, Literal

from loader.sandbox.fault_script import Script
from loader.sandbox.many import FIRST_ID, ManyPortals, token_of
from loader.sandbox.server import Sandbox

ENTERPRISE_DAILY = 1_000_000
"""Requests a day in an Enterprise account (documented)."""


def serve(
    host: str = "127.0.0.1",
    port: int = 8642,
    *,
    rate: str = "100/10",
    latency: str = "0ms",
    faults: Script = "",
    answers: Literal["wrapped", "bare"] = "wrapped",
    daily: int | str | None = "auto",
    portal: str | Path | None = None,
    portals: int | None = None,
    seed: int | None = None,
    batch_exempt: bool = False,
    **settings: Any,
) -> None:
    """Runs a sandbox until SIGINT or SIGTERM; prints one line when it listens and a hint how to use it.

    ``portals``: that many accounts behind one address, a token for each (see ``ManyPortals.numbered``). ``daily`` is a
    number, ``off`` or None for no limit, or ``auto``: 1,000,000 unless the rate is off. ``seed`` None draws one, which
    the line names. Further settings go to each Sandbox. Raises ValueError on an option that means nothing and OSError
    when it cannot listen or read a file, each in one sentence.
    """
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    settings = {
        **settings,
        "rate": rate,
        "latency": latency,
        "faults": faults,
        "answers": answers,
        "daily": _daily(daily, rate),
        "batch_exempt": batch_exempt,
        "record_requests": False,
    }
    sandbox: Sandbox | ManyPortals
    if portals is None:
        sandbox = Sandbox(portal, host=host, port=port, seed=drawn, **settings)
    else:
        sandbox = ManyPortals.numbered(portals, portal, host=host, port=port, seed=drawn, **settings)
    shown = "no rate limit" if rate == "off" else "{} requests per {} s".format(*rate.split("/"))
    struck = f", faults {faults}" if isinstance(faults, str | Path) and faults else ""
    described = f"({shown}, latency {latency}{struck}, answers {answers}, seed {drawn})"
    try:
        asyncio.run(_run(sandbox, described))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"the port {port} of {host} is in use; choose another with --port") from error
        raise


async def _run(sandbox: Sandbox | ManyPortals, description: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with sandbox:
        # A program that is run for its output, and by others that wait for this very line.
        print(f"Sandbox HubSpot listens on {sandbox.url} {description}", flush=True)  # noqa: T201 - as above
        print(_hint(sandbox), flush=True)  # noqa: T201 - as above
        await stop.wait()


def _hint(sandbox: Sandbox | ManyPortals) -> str:
    if isinstance(sandbox, Sandbox):
        return f"Point the loader at it with: export HUBSPOT_BASE_URL={sandbox.url} HUBSPOT_ACCESS_TOKEN=any"
    last = FIRST_ID + len(sandbox.portals) - 1
    return (
        f"It is the portals {FIRST_ID} to {last}, each with its own token: that of {last} is {token_of(last)}. "
        f"Their counts: {sandbox.url}/sandbox/state"
    )


def _daily(daily: int | str | None, rate: str) -> int | None:
    if daily == "auto":
        return None if rate.strip().lower() == "off" else ENTERPRISE_DAILY
    if daily is None or daily == "off":
        return None
    try:
        limit = int(daily)
    except ValueError:
        limit = 0
    if limit < 1:
        raise ValueError(f"the daily limit {daily!r} is neither a number of requests nor off")
    return limit
