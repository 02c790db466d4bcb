"""Credentials: how requests are authorized, and when a new token is needed. No I/O."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from loader.errors import ApiError, MissingScope, Refused, ServerFault, Unauthorized
from loader.send import api, replies
from loader.send.api import Request
from loader.send.replies import Reply
from loader.settings import OAuthCredentials, Secret

RENEW_AT = 0.8
"""Share of `expires_in` after which a token is renewed; HubSpot says that a 401 is not a valid sign for that."""

LONGEST_LIFE = 10.0**9

ROUNDS = 20_000
"""Iterations of PBKDF2: some 6 ms. A real token cannot be guessed from its hash, but one made up for a test could."""

_TOKEN = re.compile(r"[!-~]{1,10000}", re.ASCII)


class StaticToken:
    """A private app's or service key's token: nothing to renew."""

    renewable = False
    rotated = False

    def __init__(self, token: Secret) -> None:
        self._token = token

    def secrets(self) -> list[str]:
        """Return what must appear in no message."""
        return [self._token.reveal()]

    def info_request(self) -> Request:
        """Return the request for what this token may do; the token is in its body, as HubSpot wants it."""
        return api.token_info(self._token.reveal())

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return f"Bearer {self._token.reveal()}"

    def is_stale(self, now: float, refused: str | None) -> bool:
        """Return False: there is no other token."""
        return False


class OAuthToken:
    """An access token that is requested with a refresh token, and renewed before it expires."""

    renewable = True

    def __init__(self, credentials: OAuthCredentials, version: str) -> None:
        self._credentials = credentials
        self._version = version
        self._refresh_token = credentials.refresh_token
        self._token = Secret("")
        self._renew_at = float("-inf")

    def secrets(self) -> list[str]:
        """Return what must appear in no message."""
        hidden = (self._token, self._refresh_token, self._credentials.refresh_token, self._credentials.client_secret)
        return [secret.reveal() for secret in hidden if secret]

    @property
    def rotated(self) -> bool:
        """True once the token endpoint gave another refresh token than the one in the settings."""
        return self._refresh_token.reveal() != self._credentials.refresh_token.reveal()

    def header(self) -> str:
        """Return the value of the Authorization header; not valid before the first `accept`."""
        return f"Bearer {self._token.reveal()}"

    def is_stale(self, now: float, refused: str | None) -> bool:
        """Return True if a new token is needed before the next request: it is due, or its header was refused."""
        return now >= self._renew_at or self.header() == refused

    def request(self) -> Request:
        """Return the request for a new access token."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret.reveal(),
            "refresh_token": self._refresh_token.reveal(),
        }
        return api.token(form, self._version)

    def accept(self, answer: Mapping[str, object], asked_at: float) -> str | None:
        """Use the new token of the token endpoint's answer and return the portal's id, if it is named.

        The token's lifetime is counted from its request. Keeps the returned refresh token, because it may have been
        rotated. Raises Unauthorized if the answer has no token.
        """
        token, expires_in = answer.get("access_token"), answer.get("expires_in")
        usable = isinstance(token, str) and _TOKEN.fullmatch(token)
        if not usable or not isinstance(expires_in, int | float) or not expires_in > 0:
            raise Unauthorized("the token endpoint's answer holds no access token", category="INVALID_TOKEN_ANSWER")
        self._token = Secret(str(token))
        self._renew_at = asked_at + RENEW_AT * min(expires_in, LONGEST_LIFE)
        rotated = answer.get("refresh_token")
        if isinstance(rotated, str) and _TOKEN.fullmatch(rotated):
            self._refresh_token = Secret(rotated)
        portal = replies.json_text(answer.get("hub_id"))
        return portal if replies.PORTAL_ID.fullmatch(portal) else None


def take_over(token: OAuthToken, reply: Reply, *, asked_at: float, now: Callable[[], datetime]) -> str | None:
    """Use the new token of the token endpoint's answer; return the portal's id, if it is named.

    Raises Unauthorized if it is refused, and Retryable without any text of the answer, which may have the token.
    """
    try:
        replies.raise_for(reply, now)
        answer = replies.fields(reply)
    except (Refused, MissingScope) as error:
        raise Unauthorized(
            f"HubSpot refuses the refresh token: {error.message}", status=error.status, category=error.category
        ) from error
    except ServerFault as error:
        raise ServerFault(
            f"the token endpoint's answer ({error.status}) is of no use",
            status=error.status,
            category=error.category,
            retry_after=error.retry_after,
        ) from None
    return token.accept(answer, asked_at)


def fingerprint(given: Secret | OAuthCredentials, base_url: str) -> str:
    """Return a name for a token and an address that reveals neither: 32 characters for a file name.

    It does not depend on the portal, because a token belongs to one portal.
    """
    token = (given if isinstance(given, Secret) else given.refresh_token).reveal()
    salt = f"association-loader shared limit {base_url}".encode()
    return hashlib.pbkdf2_hmac("sha256", token.encode(), salt, ROUNDS, 16).hex()


def credential(given: Secret | OAuthCredentials, version: str) -> StaticToken | OAuthToken:
    """Return the credentials for requests; `version` is that of the API, for the token endpoint."""
    return StaticToken(given) if isinstance(given, Secret) else OAuthToken(given, version)


# --- secrets that an answer echoes


SHORTEST = 8
"""Characters. A token made up for the sandbox, such as `any`, may be part of other words in an answer."""

SHORTEST_IN_MESSAGES = 4
"""The sandbox takes any token, such as `any` or `x`: to hide these would hide half the message."""

STARS = "***"

_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9A-Fa-f])|(.))", re.DOTALL)


def hide_in_reply(reply: Reply, secrets: Iterable[str]) -> Reply:
    """Return the answer with stars instead of secrets, in body and headers: a server may echo a request.

    Answers are cleaned here and not where texts are written, because a text may be shortened before that, and half of a
    secret would not be found.
    """
    body, headers = reply.body, reply.headers
    for secret in secrets:
        if len(secret) < SHORTEST or secret.isdigit():  # Digits may be part of any id.
            continue
        if b"\\" in body and (b"\\u00" in body or b"\\/" in body):  # JSON may write a token as `pat\u002dna1`.
            body = _ESCAPE.sub(_unescaped, body)
        body = body.replace(secret.encode(), STARS.encode())
        if any(secret in text for text in headers.values()):
            headers = {name.lower(): text.replace(secret, STARS) for name, text in headers.items()}
    return reply if body is reply.body and headers is reply.headers else Reply(reply.status, headers, body)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    """Return printable ASCII unchanged, except for what JSON must escape."""
    character = bytes([int(escape[1], 16)]) if escape[1] else escape[2]
    if character in (b'"', b"\\", b"\x7f") or (not escape[1] and character != b"/"):
        return escape[0]
    return character


def hide_in_error(error: ApiError, secrets: Sequence[str]) -> None:
    """Remove secrets from an error: a server may have echoed them."""
    error.message = hide_in_text(error.message, secrets)
    error.category = hide_in_text(error.category, secrets)
    error.correlation_id = hide_in_text(error.correlation_id, secrets)
    error.args = (error.message,)


def hide_in_text(text: str, secrets: Sequence[str]) -> str:
    """Return the text with stars instead of secrets."""
    for secret in secrets:
        if len(secret) >= SHORTEST_IN_MESSAGES:
            text = text.replace(secret, STARS)
    return text
