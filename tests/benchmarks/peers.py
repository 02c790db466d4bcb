"""What the loader is measured against: each peer in a process of its own.

`python -m tests.benchmarks.peers PEER URL FILE` sends the rows of a CSV of two ids and prints the seconds, on the clock
and of CPU, that this took without its imports.
"""

import asyncio
import csv
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import local
from typing import Any

IN_FLIGHT = 50
THREADS = 50
PAIRS_IN_A_CALL = 2000
TYPES = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
TOKEN = "any"

Rows = Iterator[list[str]]

Cost = tuple[float, float]
"""Seconds on the clock, and of CPU."""


def _now() -> Cost:
    return time.perf_counter(), time.process_time()


def _since(began: Cost) -> Cost:
    seconds, cpu = _now()
    return seconds - began[0], cpu - began[1]


def rows_of(path: str) -> Rows:
    """Yield the two ids of each row."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123
        lines = csv.reader(file)
        next(lines)
        yield from lines


def aiohttp_pool(url: str, path: str) -> Cost:
    """The bare pool: workers over one iterator, `json=`, a str URL, `response.json()`, the stock loop."""
    import aiohttp

    async def send() -> Cost:
        rows = rows_of(path)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def work() -> None:
                for first, second in rows:
                    address = f"{url}/crm/v4/objects/contacts/{first}/associations/companies/{second}"
                    async with session.put(address, json=TYPES) as response:
                        response.raise_for_status()
                        await response.json()

            began = _now()
            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
            return _since(began)

    return asyncio.run(send())


def hubspot_hoisted(url: str, path: str) -> Cost:
    """The official client as it is best used: the API object made once, called by threads."""
    from hubspot import HubSpot
    from hubspot.crm.associations.v4 import AssociationSpec

    client = HubSpot(access_token=TOKEN)
    client.config["host"] = url
    api = client.crm.associations.v4.basic_api
    api.api_client.configuration.host = url
    types = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)]

    def send(row: list[str]) -> None:
        api.create("contacts", row[0], "companies", row[1], types)

    return _in_threads(send, path)


def hubspot_readme(url: str, path: str) -> Cost:
    """The official client as its README shows it: the API object looked up for each call."""
    from hubspot import HubSpot
    from hubspot.crm.associations.v4 import AssociationSpec

    client = HubSpot(access_token=TOKEN)
    types = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)]

    def send(row: list[str]) -> None:
        api = client.crm.associations.v4.basic_api
        api.api_client.configuration.host = url
        api.create("contacts", row[0], "companies", row[1], types)

    return _in_threads(send, path)


def hubspot_sdk(url: str, path: str) -> Cost:
    """HubSpot's new client, asynchronous."""
    from hubspot_sdk import AsyncHubSpot

    made: Any = AsyncHubSpot(access_token=TOKEN, base_url=url)

    async def send() -> Cost:
        rows = rows_of(path)
        async with made as client:
            association = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}

            async def work() -> None:
                for first, second in rows:
                    await client.put(
                        f"/crm/v4/objects/contacts/{first}/associations/companies/{second}",
                        body=[association],
                        cast_to=object,
                    )

            began = _now()
            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
            return _since(began)

    return asyncio.run(send())


def requests_threads(url: str, path: str) -> Cost:
    """requests, a session for each thread."""
    import requests

    own = local()

    def send(row: list[str]) -> None:
        if not hasattr(own, "session"):
            own.session = requests.Session()
            own.session.headers["Authorization"] = f"Bearer {TOKEN}"
        address = f"{url}/crm/v4/objects/contacts/{row[0]}/associations/companies/{row[1]}"
        response = own.session.put(address, json=TYPES)
        response.raise_for_status()
        response.json()

    return _in_threads(send, path)


def _in_threads(send: Callable[[list[str]], None], path: str) -> Cost:
    began = _now()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(send, list(rows_of(path))):
            pass
    return _since(began)


def hubspot_batch(url: str, path: str) -> Cost:
    """The official client's batch API, its models and all; one call after another."""
    from hubspot import HubSpot
    from hubspot.crm.associations.v4 import (
        AssociationSpec,
        BatchInputPublicAssociationMultiPost,
        PublicAssociationMultiPost,
        PublicObjectId,
    )

    client = HubSpot(access_token=TOKEN)
    api = client.crm.associations.v4.batch_api
    api.api_client.configuration.host = url
    types = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)]
    began = _now()
    rows = rows_of(path)
    while chunk := list(islice(rows, PAIRS_IN_A_CALL)):
        inputs = [
            PublicAssociationMultiPost(types=types, _from=PublicObjectId(id=first), to=PublicObjectId(id=second))
            for first, second in chunk
        ]
        api.create("contacts", "companies", BatchInputPublicAssociationMultiPost(inputs=inputs))
    return _since(began)


def aiohttp_batch(url: str, path: str) -> Cost:
    """Naive aiohttp: a data frame, `itertuples`, `json=`; no journal and no results."""
    import aiohttp
    import pandas as pd

    async def send() -> Cost:
        began = _now()
        frames: Any = pd.read_csv(path, dtype=str, chunksize=PAIRS_IN_A_CALL)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def work() -> None:
                for frame in frames:
                    inputs = [
                        {"from": {"id": row[0]}, "to": {"id": row[1]}, "types": TYPES}
                        for row in frame.itertuples(index=False)
                    ]
                    address = f"{url}/crm/v4/associations/contacts/companies/batch/create"
                    async with session.post(address, json={"inputs": inputs}) as response:
                        response.raise_for_status()
                        await response.json()

            await asyncio.gather(*(work() for _ in range(4)))
        return _since(began)

    return asyncio.run(send())


PEERS: dict[str, Callable[[str, str], Cost]] = {
    each.__name__: each
    for each in (
        aiohttp_pool,
        hubspot_hoisted,
        hubspot_readme,
        hubspot_sdk,
        requests_threads,
        hubspot_batch,
        aiohttp_batch,
    )
}

if __name__ == "__main__":
    name, address, file = sys.argv[1:]
    sys.stdout.write("{} {}\n".format(*PEERS[name](address, file)))
