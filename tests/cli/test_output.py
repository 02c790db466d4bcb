"""Where words go: people read standard error, programs standard output; and nobody reading stops nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from loader import cli, terminal
from loader.events import Waiting
from loader.run import session
from loader.sandbox import Sandbox
from loader.send import waiting
from loader.show import screen
from tests.cli.conftest import Run

ROWS = "from_id,to_id\n101,201\n102,202\nx,203\n"


def test_standard_output_is_empty_without_json(sandbox: Sandbox, load: Run) -> None:
    """The counts, the files and the next command stand on standard error."""
    done = load("a.csv", text=ROWS)
    assert done.out == ""
    assert "a.results.csv" in done.err
    assert "a.failures.csv" in done.err
    assert "Next: association-loader load a.failures.csv" in done.err


def test_json_is_one_object_a_line_and_the_last_is_the_summary(sandbox: Sandbox, load: Run) -> None:
    """And the words for people stay where they were."""
    done = load("a.csv", "--json", text=ROWS)
    events = done.events
    assert all(isinstance(event, dict) for event in events)
    last, written = events[-1], json.loads(Path("a.summary.json").read_text())
    assert {key: last[key] for key in written} == written
    assert "Results: a.results.csv" in done.err


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("again", [False, True])
def test_quiet_says_nothing_when_nothing_is_wrong(again: bool, sandbox: Sandbox, load: Run) -> None:
    """Not a byte on either stream; --json still speaks to programs."""
    Path("a.csv").write_text(ROWS)
    if again:
        load("a.csv")
    assert load("a.csv", "--quiet")[1:] == ("", "")
    done = load("a.csv", "--quiet", "--json")
    assert done.err == ""
    assert done.events[-1]["exit_code"] == 1


def test_the_log_file_has_what_happened_and_how_it_ended(sandbox: Sandbox, load: Run) -> None:
    """One JSON object a line with its time, appended from run to run; an error is in it, too."""
    load("a.csv", "--log-file", "log", "--quiet", text=ROWS)
    load("nowhere.csv", "--log-file", "log", "--quiet")
    events = [json.loads(line) for line in Path("log").read_text().splitlines()]
    assert all(event["at"] for event in events)
    assert [event["rows"]["created"] for event in events if event["event"] == "summary"] == [2]
    assert "nowhere.csv" in events[-1]["message"]
    assert Path("log").stat().st_mode & 0o777 == 0o600


def test_control_characters_of_a_cell_reach_no_terminal(sandbox: Sandbox, load: Run) -> None:
    """They are shown escaped, on the screen as in the messages."""
    done = load("a.csv", "--label", "\x1b]0;evil\x07", text="from_id,to_id\n\x1b[2J1,201\n")
    assert "\x1b" not in done.err + done.out
    load("a.csv")
    assert "\x1b" not in Path("a.results.csv").read_text().replace("\x1b[2J1", "", 1)


def test_a_bug_is_exit_70_one_line_and_a_traceback_without_the_token(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback is in the log file that was asked for, else in one that the line names."""
    Path("a.csv").write_text(ROWS)

    def fail(*_: object) -> int:
        raise ZeroDivisionError(f"with Bearer {os.environ['HUBSPOT_ACCESS_TOKEN']} in hand")

    monkeypatch.setattr(terminal, "run", fail)
    done = run("load", "a.csv", "--log-file", "log")
    assert (done.code, done.err.count("\n")) == (70, 1)
    assert "report log" in done.err
    assert "Traceback" in Path("log").read_text()
    assert "ZeroDivisionError" in Path("log").read_text()
    done = run("load", "a.csv")
    assert done.code == 70
    path = Path(re.findall(r"report (\S+)", done.err)[0])
    text = path.read_text()
    path.unlink()
    assert "fail" in text
    assert os.environ["HUBSPOT_ACCESS_TOKEN"] not in text


def test_a_full_log_does_not_stop_the_load(sandbox: Sandbox, load: Run) -> None:
    """What counts is in the journal."""
    done = load("a.csv", "--log-file", "/dev/full", "--quiet", text=ROWS)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "log file" in done.err
    assert sandbox.count("PUT") == 2


def test_no_command_shows_the_help_and_is_a_usage_error(run: Run) -> None:
    """On standard error: a program that reads standard output gets nothing."""
    done = run()
    assert (done.code, done.out) == (2, "")
    assert "Usage: association-loader" in done.err


@pytest.mark.parametrize("command", ["", "load", "plan", "sandbox"])
def test_help_reads_well(command: str, run: Run) -> None:
    """Every option has a sentence, no line is cut off, and it fits a terminal."""
    done = run(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert "..." not in done.out.replace("INPUT...", "").replace("[ARGS]...", "").replace("COMMAND [ARGS]", "")
    assert max(map(len, done.out.splitlines())) <= 100
    if command:
        for parameter in cli.cli.commands[command].params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{parameter.name} has no help"


def test_the_command_answers_at_once() -> None:
    heavy = "{'pandas', 'numpy', 'aiohttp', 'pyarrow', 'rich', 'asyncio', 'sqlite3'}"
    for program in ("import loader", "import loader.cli; loader.cli.run(['load', '--help'])"):
        check = f"import sys; {program}; print('HEAVY', sorted({heavy} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=20)
        assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.slow
def test_python_m_loader_is_the_command(start: Run) -> None:
    """And it calls itself by its name."""
    done = start("--version").wait()
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("association-loader, version ")


def test_in_a_pipe_a_wait_is_said_at_once_and_then_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Half a minute without a word looks like a command that hangs."""
    shown = screen.Screen()
    for seconds in (3, 4, 5):
        shown(Waiting(f"Copying a.csv: {seconds} s", trouble=False))
    shown.close()
    assert capsys.readouterr().err == "Copying a.csv: 3 s\n"


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("verb", ["plan", "load", "labels", "doctor"])
def test_no_command_is_silent_for_long(verb: str, hubspot: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for an answer, it says what it does or waits for, once a second: here thirty times as often."""
    Path("a.csv").write_text("from_id,to_id\n101,201\n")
    monkeypatch.setattr(session, "SECONDS_BETWEEN_WAITING", 0.03)
    monkeypatch.setattr(session, "SILENT_SECONDS", 0.05)
    says = {"labels": "Asking HubSpot: "}.get(verb, "Waiting for 127.0.0.1:")
    monkeypatch.setattr(waiting, "SLOW_AFTER", 9.0 if verb == "labels" else 0.1)
    monkeypatch.setattr(screen, "SECONDS_BETWEEN_LINES", 0.0)
    types = ["contacts", "companies"]
    given = {"labels": types, "doctor": []}.get(verb, ["a.csv", "--from", types[0], "--to", types[1]])
    with hubspot(latency="250ms"):
        done = run(verb, *given)
    assert done.code == 0
    assert says in done.err
