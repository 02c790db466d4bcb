"""What requests wait for is said in a sentence: who does not answer, since when, and until when it is tried."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import pytest

from loader.errors import ConnectionFault
from loader.send import replies
from loader.send.replies import Reply
from tests.stages.fake_time import run
from tests.stages.scripted_server import NOW, OK, PUT, Server, answer, in_turn, make

REFUSED = ConnectionFault("the connection failed: Connection refused", category="CONNECTION")


def sentences(server: Server, seconds: Iterable[float], *, attempts: int | None = None) -> list[str]:
    """Make one call, and return what is said at these seconds after its beginning."""

    async def watched() -> list[str]:
        gateway = make(server, host="127.0.0.1:8642")
        call = asyncio.create_task(gateway.call(PUT, replies.fields, max_attempts=attempts))
        found, now = [], 0.0
        for moment in seconds:
            await asyncio.sleep(moment - now)
            now = moment
            found.append(gateway.waits_for())
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return found

    return run(watched)


def test_an_outage_is_named_after_two_seconds() -> None:
    """The moments are those of this machine's time zone; it is tried for a quarter of an hour."""
    early, later = sentences(Server(in_turn(then=REFUSED)), [1, 60])
    began = (NOW - timedelta(seconds=60)).astimezone()
    assert early == ""
    assert later.startswith("127.0.0.1:8642 has not answered since ")
    assert "(the connection failed: Connection refused)" in later
    assert later.endswith(f"trying until {began + timedelta(seconds=900):%H:%M:%S}")


def test_a_question_that_is_given_up_says_how_often_it_is_tried() -> None:
    """A plan does not wait a quarter of an hour."""
    (said,) = sentences(Server(in_turn(then=REFUSED)), [2.2], attempts=8)
    assert "attempts left" in said


def test_a_pause_is_named_with_its_seconds() -> None:
    """A server that answers 429 is working, however long that lasts."""
    server = Server(in_turn(answer(429, {"policyName": "TEN_SECONDLY_ROLLING"}, retry_after="7"), then=OK))
    during, after = sentences(server, [1, 9])
    assert during == "127.0.0.1:8642 asks for a pause (429): 7 s left"
    assert after == ""


@pytest.mark.parametrize(("latency", "said"), [(3.0, ""), (9.0, "Waiting for 127.0.0.1:8642 to answer, for 6 s now")])
def test_a_slow_answer_is_named_after_five_seconds(latency: float, said: str) -> None:
    """One that takes three is not mentioned."""
    assert sentences(Server(in_turn(then=OK), latency=latency), [6]) == [said]


def test_the_next_answer_ends_it() -> None:
    server = Server(in_turn(*[REFUSED] * 3, then=Reply(400, {}, b"{}")))
    assert sentences(server, [60]) == [""]
