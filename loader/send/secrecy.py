"""Secrets taken out of answers before anybody reads them, and out of messages: a server may echo what it was sent.

Answers are cleaned here and not where texts are written, because a text may be cut on its way, and half of a secret is
not found any more.
"""

import re
from collections.abc import Iterable, Sequence

from loader.errors import ApiError
from loader.send.replies import Reply

SHORTEST = 8
"""Characters. A token made up for the sandbox, such as `any`, is part of words that an answer is made of."""

SHORTEST_IN_MESSAGES = 4
"""A token made up for the sandbox, `any` or `x`, would make stars of half the message."""

STARS = "***"

_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9A-Fa-f])|(.))", re.DOTALL)


def hidden(reply: Reply, secrets: Iterable[str]) -> Reply:
    """Return the answer with stars instead of secrets, in its body and its headers."""
    body, headers = reply.body, reply.headers
    for secret in filter(_is_recognizable, secrets):
        if b"\\" in body:
            body = _plain(body)
        body = body.replace(secret.encode(), STARS.encode())
        if any(secret in text for text in headers.values()):
            headers = {name.lower(): text.replace(secret, STARS) for name, text in headers.items()}
    return reply if body is reply.body and headers is reply.headers else Reply(reply.status, headers, body)


def _is_recognizable(secret: str) -> bool:
    # Digits alone may be part of any id.
    return len(secret) >= SHORTEST and not secret.isdigit()


def _plain(body: bytes) -> bytes:
    r"""Return JSON that says the same, with printable ASCII as it is: a token may be written `pat\u002dna1`."""
    return _ESCAPE.sub(_unescaped, body) if b"\\u00" in body or b"\\/" in body else body


def _unescaped(escape: re.Match[bytes]) -> bytes:
    character = bytes([int(escape[1], 16)]) if escape[1] else escape[2]
    if character in (b'"', b"\\", b"\x7f") or (not escape[1] and character != b"/"):
        return escape[0]
    return character


def hide(secrets: Sequence[str], error: ApiError) -> None:
    """Take secrets out of an error: a server may have echoed them."""
    error.message = without(secrets, error.message)
    error.category = without(secrets, error.category)
    error.correlation_id = without(secrets, error.correlation_id)
    error.args = (error.message,)


def without(secrets: Sequence[str], text: str) -> str:
    """Return the text with stars instead of secrets."""
    for secret in secrets:
        if len(secret) >= SHORTEST_IN_MESSAGES:
            text = text.replace(secret, STARS)
    return text
