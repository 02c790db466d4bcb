"""HubSpot's side of the simulation: what a request that arrived does, and how it is answered."""

import json
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.simulation.calls import Call
from tests.simulation.exchanges import Exchange
from tests.simulation.portal import TYPES, Kind, Pair, Portal, Record, named, pair_of, seen_from_first

DAY = 86_400.0

STATIC_TOKEN = "pat-na1-simulated"
CLIENT = ("client", "secret-of-the-app", "refresh-0")


class Answer(NamedTuple):
    """An answer on its way: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Rules:
    """How this portal is set up; times are seconds of the world.

    `limits` are the burst limit's changes, the first from the beginning; `others` are stretches in which other apps use
    some requests of each window. `refused` answers one pair for good, `poisoned` pairs with 500 for ever.
    """

    window: float = 10.0
    limits: Sequence[tuple[float, int]] = ((0.0, 100),)
    others: Sequence[tuple[float, float, int]] = ()
    daily: int | None = None
    others_daily: int = 0
    refused: dict[Pair, tuple[int, str]] = field(default_factory=dict)
    poisoned: set[Pair] = field(default_factory=set)
    wrapped: bool = False
    numbers: bool = False
    token_life: float | None = None
    """Seconds of an OAuth token's life; None: a static token."""
    rotates: bool = False
    silent: float = 0.0
    """Share of a batch's pairs that its answer does not mention, done or not."""
    names_pairs: bool = True
    """Whether the errors of a batch say which pair they are about."""
    page: int = 500
    whole: str = ""
    """What a batch does with a pair that is refused: blank, an error for each; else 400 for all, which names `all` that
    are refused, the `first`, or `nobody`."""
    stale: set[Record] = field(default_factory=set)
    """Records that are gone: every pair of theirs is in `refused`."""
    unfinished: float = 0.0
    """Share of the answers to batches that are not complete."""
    blind: frozenset[tuple[str, str]] = frozenset()
    """Directions in which a reading finds nothing, whatever is there."""
    merged: dict[Record, Record] = field(default_factory=dict)
    """Records that HubSpot answers with another one for."""


class HubSpot:
    """One portal. `chance` decides what the documentation leaves open, such as the order of a batch's results."""

    def __init__(self, rules: Rules, chance: random.Random) -> None:
        self.rules = rules
        self.portal = Portal()
        self.token_revoked = False
        self.scope_missing = False
        self.migrating = False
        self._chance = chance
        self._admitted: deque[float] = deque()
        self._day = 0
        self._used = 0
        self._tokens: dict[str, float] = {}
        self._refresh = {CLIENT[2]}

    def heal(self) -> None:
        """A person mended what only a person can: the token, its scopes, the portal's move."""
        self.token_revoked = self.scope_missing = self.migrating = False

    # --- limits

    def limit(self, now: float) -> int:
        """Return the burst limit in force."""
        return [requests for since, requests in self.rules.limits if since <= now][-1]

    def admit(self, exchange: Exchange, now: float, *, exempt: bool) -> Answer | None:
        """Count a request, or return its 429."""
        exchange.limit = self.limit(now)
        if int(now // DAY) != self._day:
            self._day, self._used = int(now // DAY), 0
        while self._admitted and self._admitted[0] <= now - self.rules.window:
            self._admitted.popleft()
        if self.rules.daily is not None and self._used >= self.rules.daily:
            return self._too_many(exchange, "DAILY", "You have reached your daily limit.", now)
        taken = sum(most for since, until, most in self.rules.others if since <= now < until)
        if not exempt and len(self._admitted) + taken >= exchange.limit:
            policy = "TEN_SECONDLY_ROLLING"
            return self._too_many(exchange, policy, "You have reached your ten_secondly_rolling limit.", now)
        self._used += 1
        if not exempt:
            self._admitted.append(now)
        return None

    def use_up_the_day(self) -> None:
        """Other apps use what is left of the day's quota."""
        self._used = self.rules.daily or 0

    def _too_many(self, exchange: Exchange, policy: str, message: str, now: float) -> Answer:
        exchange.policy = policy
        body = {"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": policy}
        return Answer(429, self.headers(now), json.dumps(body).encode())

    def headers(self, now: float) -> dict[str, str]:
        """Return what every answer says of the limits."""
        limit = self.limit(now)
        headers = {
            "x-hubspot-ratelimit-max": str(limit),
            "x-hubspot-ratelimit-remaining": str(max(0, limit - len(self._admitted))),
            "x-hubspot-ratelimit-interval-milliseconds": f"{self.rules.window * 1000:.0f}",
        }
        if self.rules.daily is not None and self.rules.token_life is None:
            headers["x-hubspot-ratelimit-daily"] = str(self.rules.daily)
            headers["x-hubspot-ratelimit-daily-remaining"] = str(max(0, self.rules.daily - self._used))
        return headers

    # --- who asks

    def refuse(self, authorization: str, now: float) -> Answer | None:
        """Return a 401, 403 or 477, or None for a token that may do everything."""
        if self.migrating:
            return self._error(477, "MIGRATION_IN_PROGRESS", "")._replace(headers={"retry-after": "40000"})
        token = authorization.removeprefix("Bearer ")
        if self.rules.token_life is not None:
            expires = self._tokens.get(token)
            if expires is None or expires <= now or self.token_revoked:
                return self._error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")
        elif token != STATIC_TOKEN or self.token_revoked:
            return self._error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        if self.scope_missing:
            detail = {"message": "One or more", "context": {"requiredScopes": ["crm.objects.contacts.write"]}}
            return self._error(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes", [detail])
        return None

    def expire_tokens(self) -> None:
        """End the life of every access token before its time."""
        self._tokens.clear()

    def _token(self, call: Call, now: float) -> Answer:
        given = [call.form.get(name, [""])[0] for name in ("client_id", "client_secret", "refresh_token")]
        if given[:2] != list(CLIENT[:2]) or given[2] not in self._refresh or self.token_revoked:
            return self._error(400, "BAD_REFRESH_TOKEN", "refresh token is invalid, expired or revoked")
        token = f"access-{len(self._tokens)}-{now:.3f}"
        life = self.rules.token_life or 0.0
        self._tokens[token] = now + life
        refresh = f"refresh-{now:.3f}" if self.rules.rotates else given[2]
        self._refresh.add(refresh)
        return self._json(200, {"access_token": token, "refresh_token": refresh, "expires_in": life, "hub_id": 62515})

    # --- requests

    def answer(self, call: Call, exchange: Exchange, now: float) -> Answer:
        """Do what a request asks for, and answer it."""
        if call.kind == "put":
            return self._put(call, exchange, now)
        if call.kind == "create":
            return self._create(call, exchange, now)
        if call.kind == "read":
            return self._read(call)
        if call.kind in ("archive", "archive labels"):
            return self._archive(call, exchange, now)
        if call.kind == "labels":
            return self._json(200, {"results": [_label(one) for one in TYPES.get(call.ends, ())]})
        if call.kind == "account":
            return self._json(200, {"portalId": 62515, "timeZone": "UTC"})
        if call.kind == "usage":
            return self._usage()
        if call.kind == "token":
            return self._token(call, now)
        return self._error(404, "", "Not Found")

    def _usage(self) -> Answer:
        if self.rules.daily is None:
            return self._error(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes")
        used = {"usageLimit": self.rules.daily, "currentUsage": self._used, "fetchStatus": "SUCCESS"}
        return self._json(200, {"results": [{"name": "private-apps-api-calls-daily", **used}]})

    def _put(self, call: Call, exchange: Exchange, now: float) -> Answer:
        (ends, kinds) = next(iter(call.wanted.items()))
        pair, _ = pair_of(*ends)
        if pair in self.rules.poisoned:
            return self._error(500, "", "internal error")
        refusal = self._refusal(ends, kinds)
        if refusal is not None:
            exchange.refused.add(pair)
            return self._error(refusal[0], refusal[1], f"One or more associations are invalid: {ends[1][1]}")
        entity = self._associate(self._surviving(ends, exchange), kinds, exchange, now)
        if self.rules.wrapped:
            return self._json(200, {"createdResourceId": f"r-{exchange.number}", "entity": entity})
        return self._json(201, entity)

    def _refusal(self, ends: tuple[Record, Record], kinds: tuple[Kind, ...]) -> tuple[int, str] | None:
        pair, _ = pair_of(*ends)
        if pair in self.rules.refused:
            return self.rules.refused[pair]
        if not kinds or any(named(ends[0][0], ends[1][0], kind) is None for kind in kinds):
            return 400, "VALIDATION_ERROR"
        return None

    def _associate(
        self, ends: tuple[Record, Record], kinds: tuple[Kind, ...], exchange: Exchange, now: float
    ) -> dict[str, Any]:
        pair, backward = pair_of(*ends)
        exchange.applied = True
        self.portal.replace(pair, seen_from_first(kinds, ends[0][0], backward=backward), now, exchange.number)
        (first, first_id), (second, second_id) = ends
        return {
            "fromObjectTypeId": first,
            "fromObjectId": first_id if self.rules.numbers else str(first_id),
            "toObjectTypeId": second,
            "toObjectId": second_id if self.rules.numbers else str(second_id),
            "labels": [one.label for kind in kinds if (one := named(first, second, kind)) and one.label],
        }

    def _surviving(self, ends: tuple[Record, Record], exchange: Exchange) -> tuple[Record, Record]:
        """Return the records that a request is carried out for; of a merged one its own pair is not created."""
        first, second = (self.rules.merged.get(record, record) for record in ends)
        if (first, second) != ends:
            exchange.refused.add(pair_of(*ends)[0])
        return first, second

    def _refuse_all(self, call: Call, refused: Sequence[tuple[Record, Record]], exchange: Exchange) -> Answer:
        """Refuse a whole batch, and name stale records, or else pairs, as this portal does."""
        most = {"all": len(call.wanted) * 2, "first": 1, "nobody": 0}[self.rules.whole]
        pairs = [pair_of(*ends)[0] for ends in call.wanted]
        stale = [
            record for record in dict.fromkeys(each for ends in refused for each in ends) if record in self.rules.stale
        ]
        context: dict[str, list[str]] = {}
        if most and stale:
            named = stale[:most]
            names = {"0-1": "CONTACT", "0-2": "COMPANY", "0-3": "DEAL"}
            context["INVALID_OBJECT_IDS"] = [f"{names[record[0]]}={record[1]} is not valid" for record in named]
            context["objectId"] = [str(record[1]) for record in named]
            context["objectType"] = [names[record[0]] for record in named]
            exchange.refused |= {pair for pair in pairs if not {*pair}.isdisjoint(named)}
        elif most:
            context["fromObjectId"] = [str(first[1]) for first, _ in refused[:most]]
            context["toObjectId"] = [str(second[1]) for _, second in refused[:most]]
            exchange.refused |= {pair_of(*ends)[0] for ends in refused[:most]}
        elif len(pairs) == 1:
            exchange.refused |= {*pairs}
        body = {"status": "error", "message": "One or more associations are invalid", "category": "VALIDATION_ERROR"}
        return self._json(400, {**body, "context": context} if context else body)

    def _create(self, call: Call, exchange: Exchange, now: float) -> Answer:
        refused = [ends for ends, kinds in call.wanted.items() if self._refusal(ends, kinds) is not None]
        if refused and self.rules.whole:
            return self._refuse_all(call, refused, exchange)
        results, errors = [], []
        for ends, kinds in call.wanted.items():
            pair, _ = pair_of(*ends)
            poisoned = pair in self.rules.poisoned
            refusal = (500, "INTERNAL_ERROR") if poisoned else self._refusal(ends, kinds)
            silent = self._chance.random() < self.rules.silent
            if silent:
                exchange.open.add(pair)
            if refusal is None:
                surviving = self._surviving(ends, exchange)
                if not silent:
                    results.append(self._associate(surviving, kinds, exchange, now))
                elif self._chance.random() < 0.5:
                    self._associate(surviving, kinds, exchange, now)
                continue
            if silent:
                continue
            error: dict[str, Any] = {"status": "error", "category": refusal[1], "message": "is not valid"}
            if self.rules.names_pairs:
                error["context"] = {"fromObjectId": [str(ends[0][1])], "toObjectId": [str(ends[1][1])]}
            errors.append(error)
            known = self.rules.names_pairs or len(call.wanted) == 1
            (exchange.refused if known else exchange.open).add(pair)
        self._chance.shuffle(results)
        status = "COMPLETE"
        if self._is_unfinished():
            status = self._chance.choice(["PENDING", "PROCESSING", "CANCELED"]) if results else "CANCELED"
        return self._batch(201, status, results, errors)

    def _archive(self, call: Call, exchange: Exchange, now: float) -> Answer:
        """Take types off pairs, or all that they have; an error among the answers leaves open what became of each."""
        assert len({first for first, _ in call.wanted}) <= 100, "HubSpot takes a hundred from records"
        assert call.kind == "archive" or len(call.wanted) <= 100, "HubSpot takes a hundred inputs"
        refused = [ends for ends in call.wanted if pair_of(*ends)[0] in self.rules.refused.keys() | self.rules.poisoned]
        if refused and (self.rules.whole or len(call.wanted) == 1):
            answer = self._refuse_all(call, refused, exchange) if self.rules.whole else None
            exchange.refused |= {pair_of(*ends)[0] for ends in call.wanted} if len(call.wanted) == 1 else set()
            return answer or self._error(400, "VALIDATION_ERROR", "is not valid")
        errors = []
        for ends, kinds in call.wanted.items():
            pair, backward = pair_of(*ends)
            if ends not in refused:
                exchange.applied = True
                seen = seen_from_first(kinds, ends[0][0], backward=backward)
                self.portal.take_off(pair, seen, now, exchange.number)
                continue
            error: dict[str, Any] = {"status": "error", "category": "VALIDATION_ERROR", "message": "is not valid"}
            if self.rules.names_pairs:
                error["context"] = {"fromObjectId": [str(ends[0][1])], "toObjectId": [str(ends[1][1])]}
                exchange.refused.add(pair)
            errors.append(error)
        if errors:
            exchange.open |= {pair_of(*ends)[0] for ends in call.wanted}
            return self._batch(200, "COMPLETE", [], errors)
        return Answer(204, {}, b"")

    def _read(self, call: Call) -> Answer:
        results, errors = [], []
        first, second = call.ends
        for record in call.records:
            _, number = self.rules.merged.get((first, record), (first, record))
            found = [self._associated(pair, first, number) for pair in self._pairs_of(first, number, second)]
            if found and call.ends not in self.rules.blind:
                results.append({"from": {"id": str(number)}, "to": found})
            else:
                errors.append(
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                        "message": f"No {second} is associated with {first} {record}.",
                        "context": {"fromObjectId": [str(record)]},
                    }
                )
        self._chance.shuffle(results)
        if len(call.records) > 1 and self._is_unfinished():
            said = len(results) if results else len(errors)
            some = self._chance.randrange(1, said + 1)
            return self._batch(200, "PROCESSING", results[:some], errors[:some])
        return self._batch(200, "COMPLETE", results, errors)

    def _is_unfinished(self) -> bool:
        return self.rules.unfinished > 0 and self._chance.random() < self.rules.unfinished

    def _batch(self, status: int, said: str, results: Sequence[Any], errors: Sequence[Any]) -> Answer:
        body: dict[str, Any] = {"status": said, "results": list(results)}
        if errors:
            body |= {"numErrors": len(errors), "errors": list(errors)}
        return self._json(207 if errors else status, body)

    def _pairs_of(self, first: str, record: int, second: str) -> list[Pair]:
        here = (first, record)
        return [
            pair for pair, kinds in self.portal.types.items() if kinds and here in pair and _other(pair, here) == second
        ]

    def _associated(self, pair: Pair, first: str, record: int) -> dict[str, Any]:
        backward = pair[0] != (first, record)
        other = pair[0] if backward else pair[1]
        here = seen_from_first(self.portal.of(pair), pair[0][0], backward=backward)
        known = [one for one in TYPES[first, other[0]] if one.kind in here]
        return {
            "toObjectId": other[1],
            "associationTypes": [{"category": one.kind[0], "typeId": one.kind[1], "label": one.label} for one in known],
        }

    # --- bodies

    def _json(self, status: int, body: Any) -> Answer:
        return Answer(status, {}, json.dumps(body).encode())

    def _error(self, status: int, category: str, message: str, errors: Sequence[Any] = ()) -> Answer:
        body: dict[str, Any] = {"status": "error", "message": message, "correlationId": "c-0"}
        if category:
            body["category"] = category
        if errors:
            body["errors"] = list(errors)
        return self._json(status, body)


def _other(pair: Pair, here: Record) -> str:
    return pair[1][0] if pair[0] == here else pair[0][0]


def _label(one: Any) -> dict[str, Any]:
    return {"category": one.kind[0], "typeId": one.kind[1], "label": one.label}
