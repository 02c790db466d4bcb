"""Which bearer tokens are accepted, and OAuth's refresh."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from loader.sandbox.answers import Json
from loader.sandbox.errors import HubSpotError, expired, unauthenticated


@dataclass(frozen=True, slots=True)
class OAuthSetup:
    """How the token endpoint behaves.

    ``client_id``, ``client_secret`` and ``refresh_token`` None accept any. ``expires_in`` is in seconds (the
    documentation says 1800). ``rotate`` gives a new refresh token with every answer and refuses the old one;
    whether HubSpot does so is not documented. ``required`` refuses every access token not issued here.
    """

    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    expires_in: float = 1800
    rotate: bool = False
    required: bool = False


class Tokens:
    """The state of authentication; times are seconds of the caller's monotonic clock."""

    def __init__(self, accepted: Collection[str] | None, oauth: OAuthSetup) -> None:
        self._accepted = None if accepted is None else frozenset(accepted)
        self._oauth = oauth
        self._issued: dict[str, float] = {}
        self._refresh_token = oauth.refresh_token
        self.refreshes = 0

    def check(self, authorization: str | None, now: float, describe_time: Callable[[float], str]) -> None:
        """Raises the 401 body unless the Authorization header has a valid token.

        ``describe_time`` turns a moment of the clock into the text of HubSpot's ``expire time``.
        """
        token = bearer(authorization)
        expires_at = self._issued.get(token)
        if expires_at is not None:
            if now >= expires_at:
                raise expired(describe_time(expires_at))
            return
        unlisted = self._accepted is not None and token not in self._accepted
        if not token or unlisted or (self._oauth.required and self._accepted is None):
            raise unauthenticated()

    def expire(self, token: str, now: float) -> None:
        """Makes any token an expired one."""
        self._issued[token] = now

    def refresh(self, form: Mapping[str, str], now: float) -> dict[str, Json]:
        """Answers ``grant_type=refresh_token`` with a new access token; raises the 400 bodies."""
        if form.get("grant_type") != "refresh_token":
            raise _refused("unsupported_grant_type", "grant_type is not supported", "BAD_GRANT_TYPE")
        for name, expected in (
            ("client_id", self._oauth.client_id),
            ("client_secret", self._oauth.client_secret),
        ):
            if not form.get(name) or expected not in {None, form[name]}:
                raise _refused("invalid_client", f"missing or invalid {name}", "BAD_CLIENT")
        given = form.get("refresh_token")
        if not given or self._refresh_token not in {None, given}:
            raise _refused("invalid_grant", "refresh token is invalid, expired or revoked", "BAD_REFRESH_TOKEN")
        self.refreshes += 1
        self._refresh_token = f"sandbox-refresh-{self.refreshes}" if self._oauth.rotate else given
        access_token = f"sandbox-access-{self.refreshes}"
        self._issued[access_token] = now + self._oauth.expires_in
        return {
            "token_type": "bearer",
            "refresh_token": self._refresh_token,
            "access_token": access_token,
            "expires_in": self._oauth.expires_in,
        }


def bearer(authorization: str | None) -> str:
    """The token of an Authorization header; empty where there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refused(error: str, description: str, status: str) -> HubSpotError:
    """400 of the token endpoint, with its own form of ``status`` (documented for refresh)."""
    return HubSpotError(400, description, extra={"error": error, "error_description": description, "status": status})
