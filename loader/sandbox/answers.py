"""An answer before it becomes bytes on a connection."""

import json
from collections.abc import Mapping
from typing import NamedTuple

Json = object
"""What json.loads gives and json.dumps takes."""

JSON_TYPE = "application/json;charset=utf-8"


class Answer(NamedTuple):
    """A status, a body and headers; ``content_type`` is not sent with an empty body."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = {}


def json_answer(status: int, value: Json, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a compact JSON body."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, body, headers=headers or {})


NO_CONTENT = Answer(204)
