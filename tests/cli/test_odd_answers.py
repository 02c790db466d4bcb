"""Answers as nobody documents them: with the token in them, endless, or of no use."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONTACTS, TOKEN, Run, lines

PAIR = {"fromObjectTypeId": "0-1", "fromObjectId": 101, "toObjectTypeId": "0-2", "toObjectId": 201}
PLAIN = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}
BOSS = {"category": "USER_DEFINED", "typeId": 7, "label": "Boss"}
ESCAPED = "".join(f"\\u{ord(character):04x}" for character in TOKEN)


def answering(route: str, body: object, status: int = 200, **more: Any) -> dict[str, Any]:
    """Return a fault: such an answer to every request of a kind."""
    return {"fault": str(status), "route": route, "body": body, "content_type": "application/json", **more}


def created(**more: object) -> str:
    return json.dumps({**PAIR, **more})


ECHOES = {
    "a label": answering("pair", created(labels=["Boss", f"for {TOKEN}"]), 201),
    "a label in escapes": answering("pair", created(labels=["@"]).replace("@", ESCAPED), 201),
    "a resource id": answering("pair", created(createdResourceId=TOKEN), 201),
    "a message cut within it": answering("pair", {"message": "x" * 490 + TOKEN}, 400),
    "a category": answering("pair", {"message": "no", "category": f"A {TOKEN}"}, 400),
    "a page": answering("pair", "<html>" + "y" * 180 + TOKEN, 404),
    "a header": answering("pair", {"message": "no"}, 400, headers={"X-HubSpot-Correlation-Id": TOKEN}),
    "a redirect": answering("pair", "", 302, headers={"Location": f"https://{TOKEN}.example/"}),
    "the portal's labels": answering("labels", {"results": [PLAIN, {**BOSS, "label": f"Boss {TOKEN}"}]}),
    "the portal's categories": answering("labels", {"results": [{**BOSS, "category": TOKEN}]}),
    "the portal's name": answering("details", {"portalId": TOKEN}),
    "what there was": answering("batch/read", {"results": [{"from": {"id": TOKEN}, "to": []}]}, 207),
}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("where", ECHOES)
def test_a_token_in_an_answer_is_shown_nowhere(hubspot: Run, load: Run, where: str) -> None:
    """Not in half, either; `run` looks through the screen and every file of the folder."""
    Path("a.csv").write_text("from_id,to_id,label\n101,201,\n102,202,Bos\n")
    with hubspot(faults=[ECHOES[where]]):
        done = load("a.csv", "--max-attempts", "1", "--max-duration", "0.4s", "--json")
    assert done.code in (0, 1, 5)
    written = "".join(file.read_text("utf-8", "replace") for file in Path().iterdir())
    assert TOKEN[:10] not in done.out + done.err + written


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("labels", "method"),
    [
        (["M" * 1_000_000], "put"),
        ([f"Label {number}" for number in range(50_000)], "batch"),
        ([["nested"]] * 1000, "put"),
        ([{"a": "b" * 10**5}], "batch"),
    ],
    ids=["a megabyte", "fifty thousand", "lists", "an object"],
)
def test_endless_labels_in_an_answer_are_cut(hubspot: Run, load: Run, labels: list[Any], method: str) -> None:
    """The row is created, and its line and its journal stay small."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    answers = {
        "put": answering("pair", created(labels=labels), 201),
        "batch": answering("batch/create", {"status": "COMPLETE", "results": [{**PAIR, "labels": labels}]}, 201),
    }
    with hubspot(faults=[answers[method]]):
        assert load("a.csv", "--method", method).code == 0
    assert [line["status"] for line in lines("a.results.csv")] == ["created"]
    assert Path("a.results.csv").stat().st_size < 30_000
    assert Path("a.journal").stat().st_size < 300_000


UNUSABLE = {
    "beyond 64 bits": {**BOSS, "typeId": 2**70},
    "beyond 32 bits": {**BOSS, "typeId": 2**31},
    "thousands of digits": {**BOSS, "typeId": "9" * 5000},
    "negative": {**BOSS, "typeId": -7},
    "a fraction": {**BOSS, "typeId": 7.5},
    "true": {**BOSS, "typeId": True},
    "no id": {"category": "USER_DEFINED", "label": "Boss"},
    "a category in no form": {**BOSS, "category": "user defined?"},
    "an endless category": {**BOSS, "category": "A" * 100_000},
    "no category": {**BOSS, "category": None},
    "no object": "Boss",
}


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("entry", UNUSABLE)
def test_an_unusable_association_type_stops_the_load(hubspot: Run, run: Run, load: Run, entry: str) -> None:
    """One sentence and exit 5, for a load as for the list of labels; and no bug, and no row rejected for it."""
    Path("a.csv").write_text("from_id,to_id,label\n101,201,Boss\n")
    with hubspot(faults=[answering("labels", {"results": [PLAIN, UNUSABLE[entry]]})]) as sandbox:
        for done in (load("a.csv", "--quiet"), run("labels", "contacts", "companies")):
            assert done.code == 5
            assert "cannot be used: the association types from 0-1 to 0-2 hold one that cannot be used" in done.err
            assert len(done.err) < 800
        assert sandbox.count("PUT") == 0


def test_a_category_that_hubspot_adds_is_sent_as_it_is(hubspot: Run, load: Run) -> None:
    """It is in HubSpot's form, so HubSpot is the one to judge it; a type id may be text, too."""
    entries = [PLAIN, {**BOSS, "category": "PARTNER_DEFINED", "typeId": "7"}]
    faults = [answering("labels", {"results": entries}), answering("pair", created(), 201)]
    with hubspot(faults=faults):
        assert load("a.csv", text="from_id,to_id,label\n101,201,Boss\n").code == 0
    (line,) = lines("a.results.csv")
    assert (line["association_category"], line["association_type_id"]) == ("PARTNER_DEFINED", "7")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("label", ["x" * 1_000_000, "Bo\ud800ss", "Bo\x1b[31mss"], ids=["endless", "half", "escape"])
def test_an_odd_label_of_the_portal_can_be_shown(hubspot: Run, run: Run, load: Run, label: str) -> None:
    """Named by its type id, it stands in results and messages, cut and without what no file can hold."""
    Path("a.csv").write_text("from_id,to_id,type_id\n101,201,7\n")
    faults = [answering("labels", {"results": [PLAIN, {**BOSS, "label": label}]}), answering("pair", created(), 201)]
    with hubspot(faults=faults):
        assert load("a.csv", "--column", "association_type_id=type_id", "--category", "USER_DEFINED").code == 0
        assert run("labels", "contacts", "companies").code == 0
    assert Path("a.results.csv").stat().st_size < 3000


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("most", "milliseconds"), [("1", "600000"), ("1", "10000"), ("100", "86400000")])
def test_a_rate_limit_of_a_proxy_is_ignored(hubspot: Run, run: Run, most: str, milliseconds: str) -> None:
    """A proxy's answer named it, once: it is said, and the load goes on as fast as before."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{number},201\n" for number in range(101, 108)))
    limit = {"X-HubSpot-RateLimit-Max": most, "X-HubSpot-RateLimit-Interval-Milliseconds": milliseconds}
    with hubspot(faults=[answering("details", {"portalId": 7}, headers=limit)]) as sandbox:
        done = run("load", "a.csv", *CONTACTS, "--max-duration", "20s")
        assert done.code == 0
        assert sandbox.count("PUT") == 7
    assert f"a limit of {most} requests per {int(milliseconds) / 1000:g} s" in " ".join(done.err.split())


@contextmanager
def old_proxy(monkeypatch: pytest.MonkeyPatch, url: str, *, stray: int = 0) -> Iterator[list[str]]:
    """Stand between the loader and a server, speak HTTP/1.0, and answer the first `stray` PUTs with 101."""
    seen: list[str] = []

    class Between(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            seen.append(self.command)
            if self.command == "PUT" and seen.count("PUT") <= stray:
                self.send_response(101)
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            asked = urllib.request.Request(url + self.path, body or None, headers, method=self.command)  # noqa: S310
            with urllib.request.urlopen(asked) as answer:  # noqa: S310 - a sandbox on this machine
                self.send_response(answer.status)
                self.end_headers()  # No length: the body ends where the connection does.
                self.wfile.write(answer.read())

        do_GET = do_PUT = do_POST = pass_on  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HUBSPOT_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield seen
        server.shutdown()
        thread.join()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("stray", [0, 3])
def test_http_1_0_and_101_cost_no_row(hubspot: Run, load: Run, monkeypatch: pytest.MonkeyPatch, stray: int) -> None:
    """Connections that close after each answer are made anew, and a 101 is no answer: the request is sent again."""
    Path("a.csv").write_text("from_id,to_id\n" + "".join(f"{number},201\n" for number in range(101, 121)))
    with hubspot() as sandbox, old_proxy(monkeypatch, sandbox.url, stray=stray) as seen:
        assert load("a.csv").code == 0
        assert len(sandbox.portal.pairs()) == 20
    assert [line["status"] for line in lines("a.results.csv")] == ["created"] * 20
    assert seen.count("PUT") == 20 + stray


def test_nothing_but_101_fails_in_a_sentence(hubspot: Run, load: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that a proxy may be between, and no row is called wrong for it."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    with hubspot() as sandbox, old_proxy(monkeypatch, sandbox.url, stray=1000):
        assert load("a.csv", "--max-duration", "0.5s", "--max-attempts", "1").code == 5
    assert not lines("a.results.csv")
