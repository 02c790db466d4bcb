"""The report: everything is in it, everything is text, and nothing in it can do anything."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loader.errors import UsageError
from loader.events import STATES
from loader.journal import Facts, Journal, PastCommand
from loader.journal.for_report import MOST_EXAMPLES, failures, sent_kinds
from loader.reasons import REASONS
from loader.run.report_page import report
from loader.show.pace import Bucket, Pace
from loader.show.report.over_time import MOST_LINES, lines, plots
from loader.show.report.page import COLOURS, bar, check_report, write_report
from loader.show.report.plots import Axis, Plot, Series, plot
from loader.text import visible
from tests.stages.every_reason import HOSTILE, every_plan, every_reason
from tests.stages.staged import NOW, Row, chunk, claim, created, failed, link, reject, stage

VOID = {"meta"}
"""The elements of the page that have no end."""


class Read(HTMLParser):
    """A page as a browser takes it apart: its tags, their attributes, and what people see of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: dict[str, list[str]] = {}
        self.seen: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a tag."""
        self.tags[tag] += 1
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold the end of a tag against its beginning."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take in what is seen."""
        if self._open and self._open[-1] != "style":
            self.seen.append(data)

    @property
    def words(self) -> str:
        """Everything that is seen, in its order."""
        return " ".join("".join(self.seen).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a run in which everything occurs."""
    folder = tmp_path_factory.mktemp("report")
    every_reason(folder)
    return report(str(folder / "r.csv")).read_text("utf-8")


def test_every_reason_stands_there_with_its_cause_and_what_to_do(page: str) -> None:
    """Also new ones of HubSpot, which are not known yet."""
    words = Read(page).words
    for code, reason in REASONS.items():
        assert code in words
        assert reason.cause in words
        assert reason.mend.replace("`", "") in words
    assert "NEW_AT_HUBSPOT" in words


@pytest.fixture(params=["run", "plan"])
def any_page(request: pytest.FixtureRequest, page: str) -> str:
    """The page of a run, or of a plan, in which everything occurs."""
    return page if request.param == "run" else every_plan()


def test_what_a_cell_or_an_answer_holds_is_text_and_nothing_else(any_page: str) -> None:
    """It is seen as it stands, its control characters escaped; it becomes no tag and no attribute."""
    page, read = any_page, Read(any_page)
    assert read.words.count(visible(HOSTILE)) > 120
    assert not set(read.tags) & {"script", "img", "iframe", "object", "embed", "a", "link", "form", "input", "base"}
    assert set(read.attributes) <= {
        "aria-labelledby", "charset", "class", "content", "d", "data-name", "height", "http-equiv", "id", "lang",
        "name", "preserveaspectratio", "role", "scope", "tabindex", "viewbox", "width", "x", "x1", "x2", "y", "y1",
        "y2",
    }  # fmt: skip
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def test_the_page_forbids_itself_everything_but_its_own_style(any_page: str) -> None:
    """The policy comes before all else, and names the one style by what it is."""
    page = any_page
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    fingerprint = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{fingerprint}'; base-uri 'none'; form-action 'none'"
    assert unescape(policy) == allowed
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.search(r"url\(|@import|https?://(?!127)", style)


def test_a_plot_is_read_aloud_and_has_its_figures_as_a_table(page: str) -> None:
    """Every drawing has a title and a description of its own."""
    read = Read(page)
    assert read.tags["figure"] == 4
    assert read.tags["desc"] == 4
    assert read.attributes["role"] == ["img"] * 5
    named = [name for names in read.attributes["aria-labelledby"] for name in names.split()]
    assert set(named) <= set(read.attributes["id"])
    assert "The same in figures" in read.words


ROWS: list[Row] = [*(link(2 + n, 1 + n, 9) for n in range(8)), reject(20, "1E+5", "9"), reject(21, "x", "9")]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A run of ten rows: five refused for one reason, one for a finer one, one created, one pending, two rejected."""
    with Journal(stage(tmp_path, [chunk(ROWS)])) as opened:
        pairs = claim(opened, 7)
        finer = failed(pairs[5], message="no (INVALID_OBJECT_IDS: CONTACT=6 is not valid)")
        refused = [failed(pair, message=f"no {pair.object_id}") for pair in pairs[:5]]
        opened.record([*refused, finer, created(pairs[6])], {})
        yield opened


def test_failures_are_grouped_by_what_is_to_be_done(journal: Journal) -> None:
    """Messages differ by the ids they name; a finer code in one is another reason. The most frequent comes first."""
    found = failures(journal)
    assert [(each.category, each.rows, len(each.examples)) for each in found] == [
        ("VALIDATION_ERROR", 5, 5),
        ("INVALID_RECORD_ID", 2, 2),
        ("VALIDATION_ERROR", 1, 1),
    ]
    assert [line.row for line in found[0].examples] == [2, 3, 4, 5, 6]
    assert [(line.row, line.object_id) for line in found[1].examples] == [(20, "1E+5"), (21, "x")]
    assert found[2].reason is REASONS["INVALID_OBJECT_IDS"]


def test_a_reason_of_many_rows_names_the_first_of_them(tmp_path: Path) -> None:
    """One in full, some by their numbers, the rest by how many they are."""
    stage(tmp_path, [chunk([reject(row, "x", "9") for row in range(2, 102)])])
    words = Read(report(str(tmp_path / "r.csv")).read_text("utf-8")).words
    assert f"Also rows 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and {100 - MOST_EXAMPLES} more." in words
    assert words.count("row 2 is wrong") == 1
    assert "row 3 is wrong" not in words


def test_rows_beyond_a_limit_are_left_out(journal: Journal) -> None:
    """They may yet go well."""
    journal.limit(7)
    assert "INVALID_RECORD_ID" not in [each.category for each in failures(journal)]


def test_rows_are_counted_by_kind(journal: Journal) -> None:
    """However many rows ask for the same."""
    (kind,) = sent_kinds(journal)
    assert (kind.rows, kind.object_type, kind.to_object_type, kind.type_id) == (8, "0-1", "0-2", 279)


def test_a_run_that_sent_nothing_has_a_report_too(tmp_path: Path) -> None:
    """Without plots, and without facts that are not there."""
    stage(tmp_path, [chunk([link(2, 1, 9)])])
    words = Read(report(str(tmp_path / "r.csv")).read_text("utf-8")).words
    assert "0 of 1 rows are associated, 1 are not sent yet." in words
    assert STATES["planned"] in words
    assert "Over time" not in words
    assert "None" not in words


def test_a_day_is_a_table_of_few_lines() -> None:
    """A few lines, whose counts add up."""
    pace = Pace()
    for second in range(400):
        pace.add(second, Bucket(requests=2))
    table = list(lines(pace))
    assert len(table) <= MOST_LINES
    assert sum(int(requests) for _, requests, *_ in table) == 800


def drawn(pace: Pace, **facts: Any) -> list[Plot]:
    """Return the plots of a run with this series."""
    return plots(pace, Facts(**facts))


def test_later_commands_are_marked() -> None:
    """The time between is not in the plots, so they say where it was."""
    pace = Pace()
    pace.add(50, Bucket(requests=2))
    commands = tuple(PastCommand(began_at=NOW, after_seconds=seconds) for seconds in (0.0, 20.0))
    assert [len(each.went_on_at) for each in drawn(pace, commands=commands)] == [1, 1, 0, 0]
    assert not any(each.went_on_at for each in drawn(pace, commands=commands[:1]))


def test_nothing_wrong_is_said_in_words() -> None:
    """An empty plot would be looked at twice."""
    pace = Pace()
    pace.add(0, Bucket(requests=2))
    words = [each.described for each in drawn(pace) if not each.paths]
    assert words == ["None: every request was answered at its first attempt.", "There was no answer."]


@pytest.mark.parametrize(
    "values", [[0.0], [None], [1e-9], [1e9], [None, 3.0, None, 4.0], [float(n) for n in range(480)]]
)
@pytest.mark.parametrize("form", ["steps", "line", "limit"])
def test_a_plot_stays_inside_its_frame(values: list[float | None], form: str) -> None:
    """Whatever its values, and with no number that a browser cannot read."""
    shown = plot("p", "P", "p", Axis(len(values), 2.0), [Series("s", form, "blue", values)])
    for path, _ in shown.paths:
        assert "nan" not in path
        assert "inf" not in path
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path):
            assert 0 <= float(x) <= shown.width
            assert 0 <= float(y) <= shown.height


def test_a_limit_far_above_is_named_and_not_drawn() -> None:
    """It would press everything else flat."""
    rows = Series("s", "steps", "blue", [10.0])
    near = plot("p", "P", "p", Axis(1, 1.0), [rows, Series("l", "limit", "ink", [19.0])])
    far = plot("p", "P", "p", Axis(1, 1.0), [rows, Series("l", "limit", "ink", [9e3])])
    assert [looks for _, looks in near.paths] == ["steps blue", "limit ink"]
    assert near.legend[1] == ("limit ink", "l")
    assert [looks for _, looks in far.paths] == ["steps blue"]
    assert far.legend[1] == ("limit ink", "l (9,000, above the scale)")


def test_a_bar_shows_even_the_smallest_part() -> None:
    """One failed row in a million is seen."""
    rows = dict.fromkeys(COLOURS, 0)
    parts = bar(rows | {"created": 999_999, "failed": 1})
    assert [(round(part.width), part.colour) for part in parts] == [(1000, "green"), (2, "red")]
    assert not list(bar(rows))


def test_a_link_a_folder_or_another_file_is_not_written_over(tmp_path: Path) -> None:
    """Not even where somebody asks for it."""
    for name, content in (("other.html", "<!doctype html>\n<p>mine"), ("load.csv", "a,b\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(UsageError, match="is not a report"):
            check_report(tmp_path / name)
    (tmp_path / "link.html").symlink_to(tmp_path / "new.html")
    with pytest.raises(UsageError, match="symbolic link"):
        check_report(tmp_path / "link.html")
    with pytest.raises(UsageError, match="is a folder"):
        check_report(tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        check_report(tmp_path / "nowhere" / "r.html")
    (tmp_path / "empty.html").touch()
    check_report(tmp_path / "empty.html")
    write_report(tmp_path / "empty.html", "page")
    assert (tmp_path / "empty.html").read_text() == "page"
