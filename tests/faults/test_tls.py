"""TLS that does not hold: nothing is sent to a server that cannot show who it is."""

import ssl

import aiohttp
import pytest
import trustme

from tests.faults.certificates import AUTHORITY, certificate
from tests.faults.conftest import MakeWorld
from tests.faults.proxy import Certificate, Proxy
from tests.faults.test_answers import CONCURRENCY
from tests.faults.test_connections import behind
from tests.faults.world import once

WRONG: dict[str, Certificate] = {
    "signed by itself": certificate(authority=trustme.CA()),
    "expired": certificate(days=-1),
    "of another host": certificate("api.hubapi.com"),
}


@pytest.fixture(autouse=True)
def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system trust the made-up authority; aiohttp asks the system when it is imported."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", WRONG)
def test_a_certificate_that_does_not_hold_stops_the_load(make_world: MakeWorld, kind: str) -> None:
    """Item 40: exit code 3 before anything is sent, and no option turns the check off; mended, the load goes on."""
    world = make_world(10)
    with Proxy(world.sandbox.url, certificate=WRONG[kind]) as proxy:
        ending = behind(world, proxy).load(*CONCURRENCY, exit_code=3)
        assert "certificate is not valid" in ending.said
        assert ending.summary["rows"]["pending"] == 10
        assert not world.sandbox.requests
        proxy.change(certificate())
        world.goes_on_and_completes(*CONCURRENCY)


@pytest.mark.slow
def test_a_certificate_that_changes_in_the_middle_stops_the_load(make_world: MakeWorld) -> None:
    """Item 40: no row has failed, and with a right one the load goes on."""
    world = make_world(60, latency="10ms")
    with Proxy(world.sandbox.url, certificate=certificate()) as proxy:
        with once(lambda: len(world.puts()) >= 10, lambda: proxy.change(WRONG["expired"])):
            ending = behind(world, proxy).load(*CONCURRENCY, exit_code=3)
        assert ending.rows("failed") == set()
        assert ending.summary["rows"]["pending"] > 0
        proxy.change(certificate())
        world.goes_on_and_completes(*CONCURRENCY)


def test_a_port_without_tls_is_told_apart(make_world: MakeWorld) -> None:
    """Item 40: https to a port that speaks http: what to look at is named, and the token did not leave."""
    world = make_world(10)
    ending = world.load(*CONCURRENCY, HUBSPOT_BASE_URL=world.sandbox.url.replace("http:", "https:"), exit_code=3)
    assert "does not use encryption (TLS)" in ending.said
    assert not world.sandbox.requests
