"""The arguments of an endpoint: the request, and the portal with the choices of the simulation."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Literal

from loader.sandbox.answers import Json
from loader.sandbox.errors import empty_body, invalid_input, record_not_found
from loader.sandbox.limits import Limits
from loader.sandbox.portal import Portal

MAX_ID = 2**63 - 1
_WRAPPED_VERSIONS = frozenset({"v4", "2025-09"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The choices where HubSpot's documents and observations differ.

    ``answers``: the PUT body of v4 and 2025-09, wrapped (200) or bare (201); the later versions are bare.
    ``ids``: record ids in answers, as text (documented) or numbers (observed); None is text where the PUT body
    is wrapped, else numbers.
    ``semantics``: whether writing labels replaces those of the pair (documented) or appends.
    ``no_associations``: how a batch read reports a record without any: as an entry in ``errors`` (observed
    2025 and 2026), or left out. ``invalid_pairs``: what a batch of pairs does with invalid ones: 400 for the
    whole batch, naming ``all`` invalid ids or only the ``first`` (observed since 2026-09; which of the two is
    not known), or an error for ``each`` in a 207 (documented). ``error_context``: what such an error names:
    the ids of the pair, only what was observed of single requests, or nothing. ``strict_ids``: batch read and
    batch archive, too, refuse the whole request because of a record that does not exist. ``page_size``:
    associations in one page (documented: 500). ``read_lag``: how many seconds ago the associations are that a
    batch read shows (others saw reads that lag behind writes).
    """

    answers: Literal["wrapped", "bare"] = "bare"
    ids: Literal["text", "number"] | None = None
    semantics: Literal["replace", "append"] = "replace"
    no_associations: Literal["absent", "error"] = "error"
    invalid_pairs: Literal["all", "first", "each"] = "all"
    error_context: Literal["pair", "observed", "none"] = "pair"
    strict_ids: bool = False
    page_size: int = 500
    read_lag: float = 0.0


@dataclass(slots=True, kw_only=True)
class Simulation:
    """The portal and everything else that endpoints need; ``clock`` and ``wall`` are in seconds."""

    portal: Portal
    behaviour: Behaviour
    limits: Limits
    random: Random
    clock: Callable[[], float]
    wall: Callable[[], float]

    def correlation_id(self) -> str:
        """A new UUID of version 7 (observed), of the wall clock and the seeded randomness."""
        time_and_random = int(self.wall() * 1000) << 80 | self.random.getrandbits(80)
        return str(uuid.UUID(int=time_and_random & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62))

    def timestamp(self, epoch: float | None = None) -> str:
        """A moment of the wall clock, now by default, as HubSpot writes it."""
        moment = datetime.fromtimestamp(self.wall() if epoch is None else epoch, UTC)
        return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

    def monotonic_timestamp(self, moment: float) -> str:
        """A moment of the monotonic clock as HubSpot writes a time."""
        return self.timestamp(self.wall() + moment - self.clock())

    def is_wrapped(self, version: str) -> bool:
        """Whether a PUT of that version is answered with an envelope around the pair."""
        return self.behaviour.answers == "wrapped" and version in _WRAPPED_VERSIONS

    def show_id(self, record_id: int, version: str) -> str | int:
        """A record id as the answers of that version have it."""
        as_text = self.is_wrapped(version) if self.behaviour.ids is None else self.behaviour.ids == "text"
        return str(record_id) if as_text else record_id


@dataclass(slots=True)
class Call:
    """One request: ``parts`` are the variable parts of its path, ``version`` is ``v4`` or a date."""

    method: str
    version: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """The body; raises HubSpot's 400 for an empty or unreadable one."""
        if not self.body:
            raise empty_body()
        try:
            value: Json = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise invalid_input(str(error)) from error
        return value

    def inputs(self) -> list[Json]:
        """The ``inputs`` of a batch body."""
        body = self.json()
        found = body.get("inputs") if isinstance(body, dict) else None
        if not isinstance(found, list):
            raise invalid_input("a list named inputs was expected")
        return found


def path_id(text: str) -> int:
    """The record id of a path; raises the 404 body unless it is a number."""
    record_id = _number(text)
    if record_id is None:
        raise record_not_found()
    return record_id


def body_id(value: object) -> int:
    """The record id of a body, ``{"id": "101"}`` or ``{"id": 101}``; raises the 400 body on anything else."""
    given = value.get("id") if isinstance(value, dict) else None
    record_id = _number(given) if isinstance(given, str) else given
    if not isinstance(record_id, int) or isinstance(record_id, bool):
        raise invalid_input(f"Cannot deserialize value of type `long` from {given!r}")
    return record_id


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    number = int(text)
    return number if 0 < number <= MAX_ID else None
