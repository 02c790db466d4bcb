"""Certificates of a made-up authority, made anew for each test."""

import ssl
from datetime import UTC, datetime, timedelta

import trustme

from tests.faults.proxy import Certificate

AUTHORITY = trustme.CA()


def certificate(name: str = "127.0.0.1", *, days: float = 1, authority: trustme.CA = AUTHORITY) -> Certificate:
    """Return a function that gives a server's side of TLS: a certificate for a name, valid for some days."""
    end = datetime.now(UTC) + timedelta(days=days)
    leaf = authority.issue_cert(name, not_before=end - timedelta(days=30), not_after=end)

    def context() -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(made)
        return made

    return context
