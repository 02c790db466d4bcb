"""The report in a real browser: nothing scrolls sideways, nothing complains, nothing comes to life."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from loader.run.report_page import report
from loader.show.fleet_table import ENDS
from loader.show.report import fleet_page
from loader.text import visible
from tests.browser.bad_night import bad_night
from tests.browser.chromium import Browser, Look, Seen, find
from tests.stages.every_reason import HOSTILE, every_plan, every_reason

NARROW, WIDE = 390, 1280

ALIVE = """
[...document.querySelectorAll('*')].filter(each =>
    ['SCRIPT', 'IMG', 'IFRAME', 'OBJECT', 'EMBED', 'A', 'FORM'].includes(each.tagName)
    || [...each.attributes].some(one => one.name.startsWith('on') || ['href', 'src', 'style'].includes(one.name))
).length
"""

TOO_WIDE = """
[...document.querySelectorAll('main *')].filter(each => !each.closest('.scroll')
    && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length
"""


class Known(NamedTuple):
    """A page, how often at least the hostile text is to be seen in it, and how many links it has."""

    path: Path
    hostile: int
    links: int = 0


class Found(NamedTuple):
    """What was seen, all text of the page, how many elements could do something, and how many are too wide."""

    seen: Seen
    text: str
    alive: int
    too_wide: int


class Eye:
    """One browser for all tests, in an event loop of its own."""

    def __init__(self, runner: asyncio.Runner, browser: Browser) -> None:
        self._runner = runner
        self._browser = browser

    def look(self, page: Path, look: Look) -> Found:
        """Open a page."""

        async def looked() -> Found:
            async with self._browser.page() as opened:
                seen = await opened.look(page.as_uri(), look)
                text = await opened.value("document.body.innerText")
                return Found(seen, text, await opened.value(ALIVE), await opened.value(TOO_WIDE))

        return self._runner.run(looked())

    def printed(self, page: Path) -> bytes:
        """Return a page as it would be printed by who reads it in the dark."""

        async def printed() -> bytes:
            async with self._browser.page() as opened:
                await opened.look(page.as_uri(), Look(WIDE, "dark"))
                return await opened.pdf()

        return self._runner.run(printed())


def every_account() -> dict[str, Any]:
    """Return the summary of a fleet in which accounts ended in every way, with names that nobody should give."""
    counts = {"total": 1_234_567, "created": 1_000_000, "unchanged": 234_000, "replaced": 9, "failed": 300}
    rows = {**counts, "rejected": 208, "pending": 50}
    job = {"rows": rows, "failures_by_reason": {"INVALID_OBJECT_IDS": 300, "LEADING_ZERO": 200, HOSTILE: 8}}
    portals = [
        {
            "profile": f"{HOSTILE} {code}",
            "portal_id": "9223372036854775807",
            "exit_code": code,
            "jobs": [job] * (code == 1) * 4,
            "results": {f"{HOSTILE} {number}": f"javascript:{number}.results.csv" for number in range(4) if code == 1},
            "errors": {"": HOSTILE, HOSTILE: HOSTILE},
            "skipped": 1,
            "taken_over": 1,
            "not_provable": 7,
        }
        for code in (None, *ENDS)
    ]
    return {
        "command": f"association-loader fleet run '{HOSTILE}'",
        "version": "1.0",
        "started_at": "2026-11-29T02:00:00.000Z",
        "finished_at": "2026-11-29T02:41:07.120Z",
        "exit_code": 70,
        "rows": {name: 4 * count for name, count in rows.items()},
        "failures_by_reason": {code: 4 * count for code, count in job["failures_by_reason"].items()},
        "portals": portals,
        "next_command": f"association-loader fleet run '{HOSTILE}'",
    }


@pytest.fixture(scope="module")
def eye() -> Iterator[Eye]:
    """The browser; `make test-browser` installs one."""
    program = find()
    assert program, "there is no Chromium: python tests/browser/chromium.py installs Debian's"
    with asyncio.Runner() as runner:
        browser = Browser(program)
        runner.run(browser.__aenter__())
        yield Eye(runner, browser)
        runner.run(browser.__aexit__())


@pytest.fixture(scope="module", params=["every reason", "every plan", "every account", "bad night"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Three pages made by hand in which everything occurs, and one of a real load in which much went wrong."""
    folder = tmp_path_factory.mktemp("page")
    if request.param == "every reason":
        return Known(report(str(every_reason(folder))), 200)
    if request.param == "every plan":
        (folder / "plan.html").write_text(every_plan(), "utf-8")
        return Known(folder / "plan.html", 120)
    if request.param == "every account":
        (folder / "fleet.html").write_text(fleet_page(every_account(), name=HOSTILE, stopped=HOSTILE), "utf-8")
        return Known(folder / "fleet.html", 20, links=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSOCIATION_LOADER_RATE", "500/1")
        return Known(bad_night(folder, rows=300, rate="off", storms=[{"fault": "429", "range": [100, 110]}]), 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_report_is_good_to_look_at(
    width: int, scheme: Literal["light", "dark"], eye: Eye, page: Known, tmp_path: Path
) -> None:
    """Wide or narrow, light or dark: it fits, is silent, loads nothing, and shows hostile text as text."""
    found = eye.look(page.path, Look(width, scheme))
    picture = tmp_path / f"{width}-{scheme}.png"
    picture.write_bytes(found.seen.picture)
    print(f"a picture of it: {picture}")
    assert found.seen.complaints == []
    assert found.seen.loaded == []
    assert found.seen.scroll_width <= found.seen.client_width
    assert found.too_wide == 0
    assert found.alive == page.links
    assert found.text.count(visible(HOSTILE)) >= page.hostile


def test_light_and_dark_differ(eye: Eye, page: Known) -> None:
    """The page follows what its reader prefers."""
    light, dark = (eye.look(page.path, Look(WIDE, scheme)).seen.picture for scheme in ("light", "dark"))
    assert light != dark


def test_the_report_can_be_printed(eye: Eye, page: Known) -> None:
    """Whatever went wrong."""
    assert eye.printed(page.path).startswith(b"%PDF")


def test_a_page_that_is_not_silent_is_found_out(eye: Eye, tmp_path: Path) -> None:
    """The checks above can fail: a page with all that is forbidden fails each of them."""
    (tmp_path / "bad.html").write_text(
        "<!doctype html><main><div style='width: 3000px'>wide</div><img src='nowhere.png' onerror='1'>"
        "<script>console.error('here')</script></main>"
    )
    found = eye.look(tmp_path / "bad.html", Look(NARROW, "light"))
    assert "here" in "".join(found.seen.complaints)
    assert [address.rpartition("/")[2] for address in found.seen.loaded] == ["nowhere.png"]
    assert found.seen.scroll_width > found.seen.client_width
    assert found.alive == 3
    assert found.too_wide > 0
