"""Every fault of the sandbox on a real socket: what the client's side sees, and whether the write was applied."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientError, ClientSession

from loader.sandbox import Sandbox

PAIR = "/crm/v4/objects/contacts/101/associations/companies/201"
SPECS = b'[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]'


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Any

    def json(self) -> Any:
        return json.loads(self.body)


async def put(sandbox: Sandbox, path: str = PAIR) -> Reply:
    """One PUT that follows no redirect, on a connection of its own."""
    headers = {"Authorization": "Bearer any"}
    async with (
        ClientSession(auto_decompress=False) as session,
        session.put(sandbox.url + path, data=SPECS, headers=headers, allow_redirects=False) as answer,
    ):
        return Reply(answer.status, await answer.read(), answer.headers)


async def struck_by(faults: Any) -> Reply:
    """Return the answer to a PUT that a fault strikes."""
    async with Sandbox(faults=faults) as sandbox:
        return await put(sandbox)


async def raw_put(sandbox: Sandbox) -> bytes:
    """Everything that comes back on a connection until its end; raises ConnectionResetError on an RST."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    try:
        head = "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer any\r\nConnection: close\r\nContent-Length: {}"
        writer.write(head.format(PAIR, len(SPECS)).encode() + b"\r\n\r\n" + SPECS)
        received = b""
        while part := await reader.read(65536):
            received += part
        return received
    finally:
        writer.transport.abort()


async def until(happened: Callable[[], bool]) -> None:
    """Waits for something that the sandbox does in its own time, a second at most."""
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it has not happened within a second")


def in_turn(faults: Iterable[Any]) -> list[dict[str, Any]]:
    """Return a script in which each fault strikes once, in this order."""
    rules = [fault if isinstance(fault, dict) else {"fault": fault} for fault in faults]
    return [{**rule, "nth": number} for number, rule in enumerate(rules, 1)]


async def test_a_status_has_hubspots_body_or_a_gateways() -> None:
    """HubSpot's own refusals have its error shape, those of a gateway before it are a page."""
    own = [400, 404, 408, 409, 418, 423, 425, 477, 499, 500]
    gateways = [502, 503, 504, 521, 522, 523, 524, 525, 526, 599]
    async with Sandbox(faults=in_turn([*own, *gateways])) as sandbox:
        replies = [await put(sandbox) for _ in (*own, *gateways)]
        assert len(sandbox.portal.associations) == 0
    assert [reply.status for reply in replies] == [*own, *gateways]
    for reply in replies[: len(own)]:
        assert reply.json()["status"] == "error"
        assert reply.json()["correlationId"]
    for reply in replies[len(own) :]:
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.body.startswith(b"<html>")


async def test_a_status_can_be_applied_all_the_same() -> None:
    """An error after the work is done."""
    async with Sandbox(faults=[{"fault": 500, "applied": True}]) as sandbox:
        assert (await put(sandbox)).status == 500
        assert len(sandbox.portal.associations) == 1


@pytest.mark.parametrize(
    ("fault", "policy", "message"),
    [
        ("429", "TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit."),
        ("429-daily", "DAILY", "You have reached your daily limit."),
    ],
)
async def test_a_429_has_the_observed_body(fault: str, policy: str, message: str) -> None:
    """errorType and policyName, and no Retry-After."""
    reply = await struck_by(fault)
    assert reply.status == 429
    assert (reply.json()["errorType"], reply.json()["policyName"]) == ("RATE_LIMIT", policy)
    assert reply.json()["message"] == message
    assert "Retry-After" not in reply.headers


async def test_a_retry_after_can_say_anything() -> None:
    values = ["2", "Mon, 23 Nov 2026 23:59:59 GMT", "-1", "abc", "1e9", "0.5"]
    async with Sandbox(faults=in_turn({"fault": 429, "retry_after": value} for value in values)) as sandbox:
        assert [(await put(sandbox)).headers["Retry-After"] for _ in values] == values


async def test_a_477_says_when_to_come_back() -> None:
    """Documented: seconds, typically up to 24 hours."""
    async with Sandbox(faults="477") as sandbox:
        assert (await put(sandbox)).headers["Retry-After"] == "86400"


async def test_a_redirect_goes_where_the_script_says() -> None:
    statuses = [301, 302, 303, 307, 308]
    faults = in_turn({"fault": status, "location": "file:///etc/passwd"} for status in statuses)
    async with Sandbox(faults=faults) as sandbox:
        replies = [await put(sandbox) for _ in statuses]
    assert [reply.status for reply in replies] == statuses
    assert {reply.headers["Location"] for reply in replies} == {"file:///etc/passwd"}


@pytest.mark.parametrize(
    ("fault", "category"),
    [("401", "INVALID_AUTHENTICATION"), ("401-expired", "EXPIRED_AUTHENTICATION"), ("403", "MISSING_SCOPES")],
)
async def test_a_refused_token_has_the_observed_body(fault: str, category: str) -> None:
    """With the scopes in the 403's context."""
    reply = await struck_by(fault)
    assert (reply.status, reply.json()["category"]) == (int(fault[:3]), category)
    if fault == "403":
        assert reply.json()["errors"][0]["context"]["requiredScopes"]


async def test_a_token_can_expire_in_the_middle() -> None:
    """From the second request on that token is refused, without any further rule."""
    async with Sandbox(faults=[{"fault": "expire-token", "nth": 2}]) as sandbox:
        replies = [await put(sandbox) for _ in range(3)]
    assert [reply.status for reply in replies] == [201, 401, 401]
    assert replies[2].json()["category"] == "EXPIRED_AUTHENTICATION"


async def test_a_success_can_have_no_answer_in_it() -> None:
    answers = {
        "204": (204, b""), "201": (201, b""), "202": (202, b""), "empty": (200, b""), "list": (200, b"[]"),
        "null": (200, b"null"), "string": (200, b'"created"'),
    }  # fmt: skip
    async with Sandbox(faults=in_turn(answers)) as sandbox:
        replies = [await put(sandbox) for _ in answers]
    assert [(reply.status, reply.body) for reply in replies] == list(answers.values())


async def test_html_with_200_is_no_success() -> None:
    """A captive portal's page."""
    reply = await struck_by("html")
    assert (reply.status, reply.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


@pytest.mark.parametrize(("fault", "status"), [("200-errors", 200), ("207", 207)])
async def test_errors_can_come_with_a_success(fault: str, status: int) -> None:
    """numErrors, errors without context, and no results."""
    reply = await struck_by(fault)
    assert (reply.status, reply.json()["numErrors"], reply.json()["results"]) == (status, 1, [])
    assert reply.json()["errors"][0]["context"] == {}


async def test_a_batch_can_be_pending() -> None:
    async with Sandbox(faults="pending") as sandbox:
        assert (await put(sandbox)).json()["status"] == "PENDING"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("invalid-utf8", UnicodeDecodeError),
        ("deep", RecursionError),
        ("long-number", ValueError),
        ("truncated", json.JSONDecodeError),
    ],
)
async def test_an_answer_can_be_no_json_that_python_reads(fault: str, error: type[Exception]) -> None:
    """No UTF-8, endless nesting, a number of 5,000 digits, or cut in half, which an applied write's answer is."""
    async with Sandbox(faults=fault) as sandbox:
        reply = await put(sandbox)
        assert len(sandbox.portal.associations) == (fault == "truncated")
    with pytest.raises(error) as caught:
        reply.json()
    assert type(caught.value) is error


async def test_the_answer_can_have_the_ids_of_another_pair() -> None:
    """The write is applied to the right pair, the answer names another."""
    async with Sandbox(faults="other-ids") as sandbox:
        entity = (await put(sandbox)).json()
        assert list(sandbox.portal.pairs()) == [(("0-1", "101"), ("0-2", "201"))]
    assert (entity["fromObjectId"], entity["toObjectId"]) == (102, 202)


async def test_a_script_can_give_any_answer() -> None:
    rule = {"fault": 299, "body": {"a": 1}, "headers": {"X-Odd": "yes"}, "content_type": "text/odd"}
    bytes_rule = {"fault": 200, "body_base64": "AAH/"}
    async with Sandbox(faults=[{**rule, "nth": 1}, bytes_rule]) as sandbox:
        first, second = await put(sandbox), await put(sandbox)
    assert (first.status, first.json(), first.headers["X-Odd"]) == (299, {"a": 1}, "yes")
    assert first.headers["Content-Type"] == "text/odd"
    assert second.body == b"\x00\x01\xff"


async def test_interim_answers_come_before_the_true_one() -> None:
    """100, 102 and 103, as often as wanted."""
    async with Sandbox(faults=[{"fault": "interim", "interim": [103, 100, 102, 103]}]) as sandbox:
        received = await raw_put(sandbox)
        assert (await put(sandbox)).status == 201
    lines = [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1")]
    assert [int(line.split()[1]) for line in lines] == [103, 100, 102, 103, 201]


async def test_an_answer_can_be_late() -> None:
    """The write is applied before the pause."""
    rules = [{"fault": "late", "seconds": 60, "nth": 1}, {"fault": "late", "seconds": 0.01}]
    async with Sandbox(faults=rules) as sandbox:
        asking = asyncio.create_task(put(sandbox))
        await until(lambda: bool(sandbox.requests))
        assert len(sandbox.portal.associations) == 1
        assert not asking.done()
        asking.cancel()
        assert (await put(sandbox)).status == 201


@pytest.mark.parametrize(
    ("fault", "applied"),
    [("reset", False), ([{"fault": "reset", "applied": True}], True), ("reset-head", True), ("reset-body", True)],
)
async def test_a_reset_is_an_rst_before_or_after_the_write(fault: Any, applied: bool) -> None:
    async with Sandbox(faults=fault) as sandbox:
        with pytest.raises(ConnectionResetError):
            await raw_put(sandbox)
        assert len(sandbox.portal.associations) == applied
        assert sandbox.count(status=0) == 1


@pytest.mark.parametrize(
    ("fault", "received"),
    [("close", 0), ("close-head", 20), ("close-body", 120)],
)
async def test_a_close_leaves_less_than_an_answer(fault: str, received: int) -> None:
    """Nothing, a part of the head, or the head and a part of the body."""
    async with Sandbox(faults=fault) as sandbox:
        got = await raw_put(sandbox)
        with pytest.raises(ClientError):
            await put(sandbox)
    assert len(got) >= received
    assert (b"\r\n\r\n" in got) == (fault == "close-body")


async def test_a_close_on_a_reused_connection_spares_the_first_request() -> None:
    """The second request on a connection is read and then dropped."""
    async with Sandbox(faults=[{"fault": "close-reused", "applied": True}]) as sandbox, ClientSession() as session:
        headers = {"Authorization": "Bearer any"}
        url = sandbox.url + PAIR
        async with session.put(url, data=SPECS, headers=headers) as answer:
            assert answer.status == 201
        # aiohttp repeats an idempotent request by itself on a new connection; POST it does not.
        batch = sandbox.url + "/crm/v4/associations/contacts/companies/batch/read"
        with pytest.raises(ClientError):
            await session.post(batch, json={"inputs": [{"id": "101"}]}, headers=headers)
        assert [each.connection for each in sandbox.requests] == [1, 1]
        assert [each.fault for each in sandbox.requests] == [None, "close-reused"]


async def test_a_close_after_the_answer_was_not_announced() -> None:
    """The whole answer without ``Connection: close``, then the end."""
    async with Sandbox(faults="close-after") as sandbox:
        received = await raw_put(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"close" not in head.lower()
    assert json.loads(body)["toObjectId"] == 201


@pytest.mark.parametrize(
    ("fault", "holds"),
    [
        ("chunked-short", lambda got: b"Transfer-Encoding: chunked" in got and not got.endswith(b"0\r\n\r\n")),
        ("garbage", lambda got: not got.startswith(b"HTTP/")),
        ("big-header", lambda got: len(got) > 20_000),
    ],
)
async def test_an_answer_can_be_no_proper_http(fault: str, holds: Callable[[bytes], bool]) -> None:
    """A chunk without an end, bytes of another protocol, a header of 20 kB: aiohttp's client takes none of them."""
    async with Sandbox(faults=fault) as sandbox:
        assert holds(await raw_put(sandbox))
        with pytest.raises(ClientError):
            await put(sandbox)


async def test_a_content_length_can_lie() -> None:
    """A whole body that is 100 bytes short of its length."""
    async with Sandbox(faults="length-long") as sandbox:
        received = await raw_put(sandbox)
        with pytest.raises(ClientError):
            await put(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body) + 100}".encode() in head
    assert json.loads(body)


async def test_a_stall_has_no_answer_and_ends_with_the_client() -> None:
    """The sandbox holds nothing back once the client has gone."""
    async with Sandbox(faults="stall") as sandbox:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asking := asyncio.create_task(raw_put(sandbox))), 0.05)
        assert sandbox.count() == 0
        asking.cancel()
        await until(lambda: bool(sandbox.count(status=0)))
        assert len(sandbox.portal.associations) == 0


async def test_the_sandbox_stops_while_a_request_is_stalled() -> None:
    """Leaving does not wait for it."""
    async with Sandbox(faults="stall") as sandbox:
        asking = asyncio.create_task(raw_put(sandbox))
        await until(lambda: bool(sandbox.requests))
    assert await asyncio.wait_for(asking, 1) == b""


async def test_a_drip_gives_a_byte_at_a_time() -> None:
    """Never silent for long, never done."""
    async with Sandbox(faults=[{"fault": "drip", "seconds": 0.002}]) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
        writer.write(b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % PAIR.encode())
        await reader.readuntil(b"\r\n\r\n")
        assert [len(await reader.read(100)) for _ in range(5)] == [1] * 5
        writer.transport.abort()


async def test_a_huge_body_is_streamed() -> None:
    """As many bytes as the script says, never all in memory."""
    reply = await struck_by([{"fault": "huge", "size": 3_000_001}])
    assert len(reply.body) == 3_000_001


async def test_a_huge_body_ends_with_the_client() -> None:
    """Who stops reading gets no more."""
    async with Sandbox(faults="huge") as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
        writer.write(b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % PAIR.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 1000000000" in head
        writer.transport.abort()
        await until(lambda: bool(sandbox.count(status=0)))


@pytest.mark.slow
async def test_a_gzip_bomb_unpacks_to_a_thousand_times_its_size() -> None:
    """And it is whole gzip: a client that does not look unpacks it all."""
    reply = await struck_by([{"fault": "gzip-bomb", "size": 20 << 20}])
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < 50_000
    assert len(gzip.decompress(reply.body)) == 20 << 20
    assert zlib.decompressobj(31).decompress(reply.body)[:1] == b" "


async def test_a_fault_can_be_about_one_pair_in_a_path_or_in_a_batch() -> None:
    batch = "/crm/v4/associations/contacts/companies/batch/"
    headers = {"Authorization": "Bearer any"}
    rule = {"fault": 500, "pair": ["101", "201"]}
    spec = json.loads(SPECS)
    async with Sandbox(faults=[rule]) as sandbox, ClientSession(sandbox.url, headers=headers) as session:
        assert (await put(sandbox)).status == 500
        assert (await put(sandbox, PAIR.replace("101", "102"))).status == 201
        for company, status in ((201, 500), (202, 201)):
            entry = {"from": {"id": "101"}, "to": {"id": str(company)}, "types": spec}
            async with session.post(batch + "create", json={"inputs": [entry]}) as answer:
                assert answer.status == status
        archive = {"inputs": [{"from": {"id": "101"}, "to": [{"id": "300"}, {"id": "201"}]}]}
        async with session.post(batch + "archive", json=archive) as answer:
            assert answer.status == 500


async def test_faults_of_a_seed_repeat_themselves() -> None:
    async def drawn(seed: int) -> list[str | None]:
        async with Sandbox(faults="500:0.5", seed=seed) as sandbox:
            for _ in range(20):
                await put(sandbox)
            return [each.fault for each in sandbox.requests]

    first, again, other = await drawn(1), await drawn(1), await drawn(2)
    assert first == again != other


async def test_requests_over_the_rate_do_not_reach_the_faults() -> None:
    """The limit stands before everything else."""
    async with Sandbox(faults=[{"fault": 500, "nth": 2}], rate="1/10", clock=lambda: 5.0) as sandbox:
        assert [(await put(sandbox)).status for _ in range(3)] == [201, 429, 429]
