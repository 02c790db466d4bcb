"""What is wrong is said in one sentence, before anything is sent and with no file changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loader.sandbox import Sandbox
from tests.cli.conftest import CONTACTS, Run, contents

GOOD = "from_id,to_id\n101,201\n"


@pytest.fixture
def refused(sandbox: Sandbox, run: Run) -> Callable[..., str]:
    """Run `load` and expect exit 2, one sentence, no request that writes, and the folder as it was."""

    def check(*arguments: str) -> str:
        before = contents()
        done = run("load", *arguments)
        assert done.code == 2, done.err
        assert done.err.startswith("association-loader: ")
        assert done.err.count("\n") == 1, done.err
        assert done.out == ""
        assert sandbox.count("PUT") == 0
        assert contents() == before
        return str(done.err)

    return check


def test_a_file_that_is_not_there(refused: Run) -> None:
    assert "nowhere.csv" in refused("nowhere.csv", *CONTACTS)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("content", ["", "\n\n", "from_id;to_id", "\ufeff"])
def test_an_empty_file(content: str, refused: Run, run: Run) -> None:
    """Nothing to read is refused; a header alone is an empty load, which is no error."""
    Path("a.csv").write_text(content)
    if "from_id" in content:
        assert run("load", "a.csv", *CONTACTS).code == 0
    else:
        assert "a.csv" in refused("a.csv", *CONTACTS)


def test_a_column_that_is_not_there(refused: Run) -> None:
    """Both ways: no column for a field, and --column naming one that the file has not."""
    Path("a.csv").write_text("from_id,company\n101,201\n")
    assert "company" in refused("a.csv", *CONTACTS)
    Path("a.csv").write_text(GOOD)
    assert "Contact Key" in refused("a.csv", *CONTACTS, "--column", "object_id=Contact Key")


def test_a_second_header_further_down(refused: Run) -> None:
    """Two files put together: the second one's columns are the other way round, and nothing of either is sent."""
    Path("a.csv").write_text("from_id,to_id\n101,201\nto_id,from_id\n202,102\n")
    said = refused("a.csv", *CONTACTS)
    assert "a.csv: row 3 is a header of its own" in said
    assert '"to_id", "from_id"' in said


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--type-id", "99x"], "99x"),
        (["--type-id", "280"], "279"),
        (["--from", "contcts", "--to", "companies"], "contacts"),
        (["--label", "Decision maker"], "Decision maker"),
        (["--category", "MINE"], "MINE"),
    ],
)
def test_an_option_that_is_right_for_no_row(wrong: list[str], said: str, refused: Run) -> None:
    """A type id of the other direction, an unknown name: the right ones are named."""
    Path("a.csv").write_text(GOOD)
    assert said in refused("a.csv", *(wrong if "--from" in wrong else [*CONTACTS, *wrong]))


def test_no_token(refused: Run, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Where to put it stands in the sentence; no connection is opened."""
    Path("a.csv").write_text(GOOD)
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    assert "HUBSPOT_ACCESS_TOKEN" in refused("a.csv", *CONTACTS)
    assert sandbox.count() == 0


def test_a_token_that_cannot_be_one(refused: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break would let it write headers; it is not shown."""
    Path("a.csv").write_text(GOOD)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat\r\nX-Evil: 1")
    assert "Evil" not in refused("a.csv", *CONTACTS)


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.hubapi.com", "http://0.0.0.0:1", "http://127.0.0.1.evil.example", "ftp://127.0.0.1", "127.0.0.1"),
        *("https://api.hubapi.com.evil.example", "https://user:word@api.hubapi.com", "https://api.hubapi.com?x=1"),
        *("https://api.hubapi.com@evil.example", "https://evil.example", "https://api.hubapi.com:port", "https://"),
    ],
)
def test_a_base_url_that_would_give_the_token_away(url: str, refused: Run) -> None:
    """https to HubSpot, or http to this machine; nothing else without --trust-host."""
    Path("a.csv").write_text(GOOD)
    assert "--base-url" in refused("a.csv", *CONTACTS, "--base-url", url)


@pytest.mark.parametrize(
    "results", ["nowhere/r.csv", "there", "there.csv", "r.xlsx", "r", "link.csv", "a.csv", "/dev/full"]
)
def test_results_that_cannot_be_written(results: str, refused: Run) -> None:
    """No folder, a folder, an ending that is none, a symbolic link, an input: refused before anything is sent."""
    Path("a.csv").write_text(GOOD)
    Path("there").mkdir()
    Path("there.csv").mkdir()
    Path("link.csv").symlink_to(Path("a.csv"))
    assert results in refused("a.csv", *CONTACTS, "--results", results)


def test_failures_that_would_overwrite_something(refused: Run) -> None:
    """An input, or another file of the same run."""
    Path("a.csv").write_text(GOOD)
    for name in ("a.csv", "r.csv", "r.journal", "r.summary.json", "r.verify.csv", "./r.undo.csv"):
        assert name.removeprefix("./") in refused("a.csv", *CONTACTS, "--results", "r.csv", "--failures", name)


def test_a_log_file_that_is_an_input(refused: Run) -> None:
    """The log is not appended to the user's table."""
    Path("a.csv").write_text(GOOD)
    assert "a.csv" in refused("a.csv", *CONTACTS, "--log-file", "a.csv")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--rate", "fast"],
        ["--rate", "0/10"],
        ["--concurrency", "0"],
        ["--max-attempts", "0"],
        ["--max-failures", "120%"],
        ["--max-duration", "soon"],
        ["--limit", "0"],
        ["--column", "id=x"],
        ["--column", "object_id=a", "--column", "object_id=b"],
        ["--token", "x"],
        ["--token-file", "nowhere"],
        ["--format", "docx"],
        ["--delimiter", "ab"],
        ["--timeout", "0"],
        ["--nonsense"],
        ["--api-version", "v3"],
        *([word, "-"] for word in ("--failures", "--journal", "--log-file", "--metrics-file", "--config")),
    ],
)
def test_an_option_that_means_nothing(wrong: list[str], refused: Run) -> None:
    """Each names the option; there is no option for a token."""
    Path("a.csv").write_text(GOOD)
    assert wrong[0] in refused("a.csv", *CONTACTS, *wrong)


def test_no_input(refused: Run) -> None:
    assert "standard input" in refused(*CONTACTS)


def test_no_object_types_at_all_rejects_the_rows(sandbox: Sandbox, run: Run) -> None:
    """There is no built-in object type: the rows say what is missing."""
    Path("a.csv").write_text(GOOD)
    done = run("load", "a.csv")
    assert done.code in (1, 2)
    assert "--from" in done.err
    assert sandbox.count("PUT") == 0
