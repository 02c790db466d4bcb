"""Requests to a sandbox as any client of HubSpot makes them, and its answers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import ClientSession

from loader.sandbox import ManyPortals, Sandbox

PAIR = "/crm/v4/objects/contacts/101/associations/companies/201"
BATCH = "/crm/v4/associations/contacts/companies/batch"
LABELS = "/crm/v4/associations/contacts/companies/labels"
TOKEN = "any"


class Answer(NamedTuple):
    """An answer; its body is what JSON stands for, or text."""

    status: int
    body: Any
    headers: Mapping[str, str]


async def ask(
    sandbox: Sandbox | ManyPortals,
    method: str,
    path: str,
    body: object = None,
    *,
    data: object = None,
    token: str | None = TOKEN,
) -> Answer:
    """Make one request, with a JSON body or with `data` as it is."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        ClientSession() as session,
        session.request(method, sandbox.url + path, json=body, data=data, headers=headers) as answer,
    ):
        text = await answer.text()
        is_json = answer.content_type == "application/json" and text
        return Answer(answer.status, json.loads(text) if is_json else text, answer.headers)


async def post(sandbox: Sandbox, path: str, inputs: Sequence[object]) -> Answer:
    """Send a batch."""
    return await ask(sandbox, "POST", path, {"inputs": inputs})


def spec(type_id: int = 279, category: str = "HUBSPOT_DEFINED") -> dict[str, object]:
    """Return an association type as requests name it."""
    return {"associationCategory": category, "associationTypeId": type_id}


def entry(from_id: object, to_id: object, *types: dict[str, object]) -> dict[str, object]:
    """Return one pair of a batch; without types it asks for the unlabelled one."""
    return {"from": {"id": str(from_id)}, "to": {"id": str(to_id)}, "types": list(types or (spec(),))}


async def put(
    sandbox: Sandbox | ManyPortals, path: str = PAIR, *types: dict[str, object], token: str | None = TOKEN
) -> Answer:
    """Associate a pair; without types it asks for the unlabelled one."""
    return await ask(sandbox, "PUT", path, list(types or (spec(),)), token=token)
