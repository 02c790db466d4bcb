"""Where requests may go: to HubSpot or to this machine, as asked for and nowhere else (items 5 to 9)."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.configure import base_url
from loader.errors import UsageError
from loader.model import AssociationType, Pair
from loader.send import api
from tests.faults.certificates import AUTHORITY, certificate
from tests.faults.conftest import MakeWorld
from tests.faults.test_redirects import elsewhere, nobody_called
from tests.faults.world import CANARY

# --- 5: ids in paths

TYPES = (AssociationType("HUBSPOT_DEFINED", 279),)


def with_text(place: str, text: str) -> Pair:
    first, second = {"object_type": text}.get(place, "0-1"), {"object_id": text}.get(place, "101")
    third, fourth = {"to_object_type": text}.get(place, "0-2"), {"to_object_id": text}.get(place, "201")
    return Pair(1, first, second, third, fourth, TYPES, 1)


FEW = settings(max_examples=40, deadline=None)

NO_IDS = [
    "", "0", "01", "-1", "+1", "1.0", "1e3", "0x1", "1_0", " 1", "1 ", "1\n", "\n1", "1\r\nHost: evil", "1\x00",
    "..", "../..", "1/../2", "%2e%2e", "1%2f2", "1?x=1", "1#x", "1;2", "1,2", "1&x", "1\\2", "//evil.example",
    "\u0661\u0662", "\uff11\uff12", "\u00b2", "\u0967", "9223372036854775808", "12345678901234567890", "1" * 5000,
    "undefined", "null", "None", "nan", "\ufeff1", "1\u200b", "1\u202e2", "<1>", "'1", "=1",
]  # fmt: skip

NO_TYPES = [
    "", "..", ".", "0-1/2", "contacts?x", "contacts#", "con tacts", "contacts\n", "%30", "a%2fb", "\u0441", "x" * 201,
    "a.b", "a;b", "\\", "\0",
]  # fmt: skip


@pytest.mark.parametrize("end", ["object_id", "to_object_id"])
def test_nothing_but_a_record_id_gets_into_a_path(end: str) -> None:
    """The last gate before the wire lets nothing else through, whatever built the pair."""
    for text in NO_IDS:
        for version in api.VERSIONS:
            with pytest.raises(ValueError, match="not a record id"):
                api.put(with_text(end, text), version)


@pytest.mark.parametrize("end", ["object_type", "to_object_type"])
def test_nothing_but_an_object_type_gets_into_a_path(end: str) -> None:
    for text in NO_TYPES:
        with pytest.raises(ValueError, match="not an object type"):
            api.put(with_text(end, text), "v4")
        with pytest.raises(ValueError, match="not an object type"):
            api.labels("0-1", text, "v4")


@FEW
@given(st.text("0129./%?#;:\\\n\r\0 \uff11\u0661-x", max_size=8))
def test_no_cell_changes_the_segments_of_a_path(text: str) -> None:
    """Either the gate refuses, or the path splits into exactly the segments that were meant."""
    pair = Pair(1, "0-1", text, "0-2", "201", TYPES, 1)
    with suppress(ValueError):
        path = api.put(pair, "v4").path
        assert path.split("/") == ["", "crm", "v4", "objects", "0-1", text, "associations", "0-2", "201"]
        assert path.isascii()
        assert text.isdigit()


def test_a_file_full_of_such_ids_sends_none_of_them(make_world: MakeWorld) -> None:
    """What arrives are ids; a cell that only wears blanks, invisible marks or a list's `;` around ids holds those."""
    plain = [text for text in NO_IDS if text.strip() == text and text]
    world = make_world([("1000", "500000"), *(("1000", text) for text in plain)])
    ending = world.run("--quiet")
    assert ending.exit_code == 1
    sent = {request.path for request in world.puts()}
    assert "/crm/v4/objects/0-1/1000/associations/0-2/500000" in sent
    assert sent <= {f"/crm/v4/objects/0-1/1000/associations/0-2/{number}" for number in (1, 2, 500_000)}
    assert ending.summary["rows"]["rejected"] >= len(plain) - 6


# --- 6: the base URL

AFTER_HUBSPOTS_HOST = [
    ".evil.example", "@evil.example", ":443@evil.example", "?x=1", "#x", "/path", "/..", "\\@evil.example",
    "\\evil.example", "%2eevil.example", ":port", ":99999", ":", "\nevil.example", "\r\nX-Evil: 1", " ",
]  # fmt: skip
OTHER_HOSTS = [
    "evil-hubapi.com", "hubapi.com.evil.example", "evilhubapi.com", "hubapi.com", "user:s3cret@api.hubapi.com",
    "api.hubapi.c\u043em", "api\u3002hubapi\u3002com", "[::ffff:93.184.216.34]", "evil.example", "",
]  # fmt: skip
NOT_THIS_MACHINE = [
    "api.hubapi.com", "0.0.0.0", "[::]", "127.0.0.1.evil.example", "localhost.evil.example", "127.1", "2130706433",
    "0x7f.0.0.1", "0177.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "[fe80::1%25eth0]", "[::1",
]  # fmt: skip
REFUSED = [
    *(f"https://api.hubapi.com{rest}" for rest in AFTER_HUBSPOTS_HOST),
    *(f"https://{host}" for host in OTHER_HOSTS),
    *(f"http://{host}" for host in NOT_THIS_MACHINE),
    *(" https://api.hubapi.com", "//api.hubapi.com", "api.hubapi.com", "ftp://127.0.0.1", "file:///etc/passwd", ""),
]
TAKEN = [
    *(f"https://api.hubapi.com{rest}" for rest in ("", "/", ":443")),
    *("HTTPS://API.HUBAPI.COM", "https://api-eu1.hubapi.com", "https://localhost"),
    *(f"http://{host}" for host in ("localhost:8642", "127.0.0.1:8642", "127.9.9.9", "[::1]:8642")),
]


def test_an_address_that_could_be_anybodys_is_refused() -> None:
    """In one sentence, which repeats no password; neither is it taken as one that is trusted by name."""
    for text in REFUSED:
        with pytest.raises(UsageError, match="--base-url") as caught:
            base_url(text)
        assert "s3cret" not in str(caught.value), text
        with pytest.raises(UsageError):
            base_url(text, ["trusted.example"])


def test_hubspot_and_this_machine_are_taken() -> None:
    assert [base_url(text) for text in TAKEN] == [text.rstrip("/") for text in TAKEN]


PARTS = ["api.hubapi.com", "localhost", "127.0.0.1", "evil", *r"a0.@:/?#\[]%-"]


@FEW
@given(st.sampled_from(["http://", "https://"]), st.lists(st.sampled_from(PARTS), max_size=6))
def test_an_address_that_is_taken_leads_where_the_sentence_says(scheme: str, rest: list[str]) -> None:
    """Whatever reader of URLs is asked: HubSpot by TLS, or this machine."""
    with suppress(UsageError):
        parts = urlsplit(base_url(scheme + "".join(rest)))
        host = parts.hostname or ""
        here = host in {"localhost", "::1"} or host.startswith("127.")
        assert here or (parts.scheme == "https" and host.endswith(".hubapi.com"))
        assert (parts.path, parts.query, parts.fragment, parts.username) == ("", "", "", None)


def test_another_host_is_trusted_only_by_its_whole_name_and_over_tls() -> None:
    assert base_url("https://gateway.example", ["gateway.example"]) == "https://gateway.example"
    for text in ("http://gateway.example", "https://sub.gateway.example", "https://gateway.example.evil.example"):
        with pytest.raises(UsageError):
            base_url(text, ["gateway.example"])


# --- 7: redirects, which test_redirects.py has more of


def test_a_redirect_of_a_token_request_carries_no_secret_along(make_world: MakeWorld) -> None:
    """Client secret and refresh token travel in a body, and a 307 asks for that body to be sent again elsewhere."""
    with elsewhere() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/oauth/v3/token"
        world = make_world(2, faults=[{"fault": "307", "path": "/oauth/", "location": url}])
        world.variables.update(
            HUBSPOT_ACCESS_TOKEN="",
            HUBSPOT_CLIENT_ID="1234",
            HUBSPOT_CLIENT_SECRET=f"{CANARY}-secret",
            HUBSPOT_REFRESH_TOKEN=f"{CANARY}-refresh",
        )
        ending = world.run("--quiet")
        assert ending.exit_code == 3
        assert "redirects to 127.0.0.1" in ending.said
        assert nobody_called(listener)
    assert world.puts() == []
    world.check_secrets()


# --- 8: proxies


def test_proxies_of_the_environment_get_no_connection(make_world: MakeWorld) -> None:
    """The whole command: requests with a bearer go to HubSpot itself, and nobody in between is asked."""
    with elsewhere() as listener:
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        world = make_world(3)
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "WS_PROXY")
        netrc = world.folder / "netrc"
        netrc.write_text("machine 127.0.0.1 login user password secret-of-netrc\n")
        netrc.chmod(0o600)
        world.variables.update(dict.fromkeys(names, proxy), NO_PROXY="", no_proxy="", NETRC=str(netrc))
        assert world.run("--quiet").exit_code == 0
        assert nobody_called(listener)
    assert world.sandbox.count("PUT") == 3


# --- 9: TLS


def test_no_option_or_variable_turns_checks_off() -> None:
    """Nothing in the loader's source makes a context of its own, or asks for none."""
    source = "".join(path.read_text("utf-8") for path in (Path(api.__file__).parents[1]).rglob("*.py"))
    for word in ("CERT_NONE", "check_hostname", "verify_mode", "ssl=", "verify_ssl", "_create_unverified"):
        assert word not in source


ASK = """
import asyncio, sys
from loader.errors import ApiError
from loader.send.api import Request
from loader.send.transport import Transport
async def main():
    for url in sys.argv[1:]:
        async with Transport(url, timeout=5, connections=1, user_agent="test") as sender:
            try:
                print((await sender.send(Request("GET", "/x"), "Bearer secret")).status)
            except ApiError as error:
                print(error.category)
asyncio.run(main())
"""


@pytest.mark.slow
async def test_the_systems_trust_decides_and_ssl_cert_file_adds_to_it(tmp_path: Path) -> None:
    """A gateway's own authority is named by SSL_CERT_FILE; a certificate must still be of today and of that host."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    urls, servers = [], []
    for made in (certificate(), certificate(days=-1), certificate("elsewhere.example")):
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=made())
        servers.append(server)
        urls.append(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))

    async def ask(**environment: str) -> list[str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASK, *urls),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        return (await process.communicate())[0].decode().split()

    try:
        trusting, plain = await asyncio.gather(ask(SSL_CERT_FILE=str(tmp_path / "trusted.pem")), ask())
    finally:
        for server in servers:
            server.close()
    assert trusting == ["200", "CERTIFICATE", "CERTIFICATE"]
    assert plain == ["CERTIFICATE"] * 3
    assert len(heard) == 1
