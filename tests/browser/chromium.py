"""A headless Chromium, driven over its DevTools protocol: as much of it as looking at a page takes.

`python tests/browser/chromium.py` installs Debian's chromium where there is none.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--headless",
    "--no-sandbox",  # A test often runs as root; the page is our own, and forbids scripts.
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)

SECONDS_TO_START = 60.0


def find() -> str | None:
    """Return the path of a Chromium, or None; the environment's CHROMIUM wins."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Look(NamedTuple):
    """How to look at a page: pixels wide, light or dark."""

    width: int
    scheme: Literal["light", "dark"]


class Seen(NamedTuple):
    """What was seen: complaints of the console, what was loaded besides the page, its width and its picture."""

    complaints: list[str]
    loaded: list[str]
    scroll_width: int
    client_width: int
    picture: bytes


class Page:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0
        self.events: list[dict[str, Any]] = []

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its answer; events that come meanwhile are kept."""
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        while True:
            message = await self._hear()
            if message.get("id") == self._asked:
                assert "error" not in message, f"{method}: {message['error']}"
                found: dict[str, Any] = message["result"]
                return found

    async def until(self, event: str) -> None:
        """Wait for an event that has not come yet."""
        while (await self._hear()).get("method") != event:
            pass

    async def _hear(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=SECONDS_TO_START)
        if "method" in message:
            self.events.append(message)
        return message

    async def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript comes to; the page's policy does not bind the inspector."""
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def look(self, address: str, look: Look, *, height: int | None = None, scale: float = 1) -> Seen:
        """Open an address, wait until it is loaded, and return what is seen: all of it, or its upper part."""
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        await self.ask("Emulation.setDeviceMetricsOverride", width=look.width, height=900, deviceScaleFactor=1,
                       mobile=look.width < 600)  # fmt: skip
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": look.scheme}])
        await self.ask("Page.navigate", url=address)
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            await self.until("Page.loadEventFired")
        root = "document.documentElement"
        widths = await self.value(f"[{root}.scrollWidth, {root}.clientWidth]")
        tall = height or await self.value(f"{root}.scrollHeight")
        clip = {"x": 0, "y": 0, "width": look.width, "height": tall, "scale": scale}
        picture = await self.ask("Page.captureScreenshot", captureBeyondViewport=True, format="png", clip=clip)
        wide, visible = widths
        return Seen(self._complaints(), self._loaded(address), wide, visible, base64.b64decode(picture["data"]))

    def _complaints(self) -> list[str]:
        methods = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [json.dumps(event["params"]) for event in self.events if event["method"] in methods]

    def _loaded(self, address: str) -> list[str]:
        requests = (event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent")
        return [each["request"]["url"] for each in requests if each["request"]["url"] != address]

    async def pdf(self) -> bytes:
        """Return the page as it would be printed."""
        return base64.b64decode((await self.ask("Page.printToPDF", printBackground=True))["data"])


class Browser:
    """A browser that runs until the block ends; it has a profile of its own, which is removed."""

    def __init__(self, program: str) -> None:
        self._program = program

    async def __aenter__(self) -> Self:
        self._profile = tempfile.mkdtemp(prefix="association-loader-browser-")
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._process = await asyncio.create_subprocess_exec(
            self._program, *FLAGS, f"--user-data-dir={self._profile}", "about:blank",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        self._session = aiohttp.ClientSession(trust_env=False)
        try:
            self._address = f"http://127.0.0.1:{await self._port()}"
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _port(self) -> int:
        port_file = Path(self._profile) / "DevToolsActivePort"
        async with asyncio.timeout(SECONDS_TO_START):
            while True:
                assert self._process.returncode is None, f"{self._program} ended by itself"
                with suppress(FileNotFoundError, IndexError, ValueError):
                    return int(port_file.read_text().splitlines()[0])
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Open an empty page for a block."""
        async with self._session.put(f"{self._address}/json/new") as answer:
            target: Mapping[str, str] = await answer.json(content_type=None)
        async with self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=2**28) as socket:
            yield Page(socket)
        async with self._session.get(f"{self._address}/json/close/{target['id']}"):
            pass

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


def install() -> int:
    """Install Debian's chromium where there is none; return an exit code."""
    if find() is not None:
        return 0
    if shutil.which("apt-get") is None:
        print("make test-browser needs Chromium, and this is no Debian: install it, or name it with CHROMIUM=/path")
        return 1
    become = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    print("Installing Debian's chromium; this takes a few minutes.")
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
        if subprocess.run([*become, "apt-get", "--quiet=2", *words], check=False).returncode:
            print("make test-browser could not install Chromium: run `apt-get install chromium` as root, or name one "
                  "with CHROMIUM=/path")  # fmt: skip
            return 1
    return 0 if find() else 1


if __name__ == "__main__":
    sys.exit(install())
