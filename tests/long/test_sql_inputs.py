"""Rows of a real PostgreSQL: the results of the same rows in a file, as little memory, and nothing written there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import psycopg
import pytest

import loader
from loader.sandbox import Sandbox, SandboxThread
from tests.long.postgres import PASSWORD, USER, postgres
from tests.slow.command import command
from tests.written import hold_nowhere

ROWS = 100_000
MOST_MORE_MEMORY = 60 << 20
LOAD = ("--from", "contacts", "--to", "companies", "--rate", "99999/1", "--method", "batch", "--results", "r.csv")
MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss, flush=True)
os._exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command and prints its peak memory. In a process that is small itself: what a process had before it became
another program counts as that one's.
"""

DIFFERS_EACH_TIME = ["input", "finished_at", "correlation_id"]
LINKS = "SELECT object_id, to_object_id FROM links ORDER BY place"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a database with a table of links."""
    with postgres() as address, psycopg.connect(address) as made:
        made.execute("CREATE TABLE links (place int PRIMARY KEY, object_id bigint, to_object_id text)")
        made.execute("INSERT INTO links SELECT i, 7 * i, i % 9973 + 1 FROM generate_series(1, 100000) AS i")
        made.commit()
        yield address


@pytest.fixture
def asked(address: str) -> Iterator[Callable[[str], Any]]:
    """Run a statement in the database, on a connection of the test's own."""
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        yield connection.execute


@dataclass(kw_only=True)
class Ended:
    """A command that ended: its exit code, what it said, and the most memory that it had, in bytes."""

    code: int
    said: str
    memory: int


def loaded(sandbox: Sandbox, folder: Path, address: str, *words: str) -> Ended:
    folder.mkdir(exist_ok=True)
    with (folder / "said.txt").open("wb") as said:
        environment = {"ASSOCIATION_LOADER_DATABASE_URL": address, "HUBSPOT_BASE_URL": sandbox.url}
        measured = [sys.executable, "-c", MEASURED, sys.executable, "-m", "loader", "load", *words, *LOAD]
        done = subprocess.run(
            measured,
            cwd=folder,
            env={**os.environ, "HUBSPOT_ACCESS_TOKEN": "any", **environment},
            stdout=subprocess.PIPE,
            stderr=said,
            check=False,
        )
    for secret in (USER, PASSWORD, quote(PASSWORD, safe="")):
        hold_nowhere(secret, folder)
    text = (folder / "said.txt").read_text()
    return Ended(code=done.returncode, said=" ".join(text.split()), memory=int(done.stdout) << 10)


def results(folder: Path) -> pd.DataFrame:
    found = pd.read_csv(folder / "r.csv", dtype="str", keep_default_na=False).drop(columns=DIFFERS_EACH_TIME)
    return found.assign(row=found["row"].astype(int)).sort_values("row", ignore_index=True)


def test_a_table_gives_the_results_of_the_same_rows_in_a_file(address: str, tmp_path: Path) -> None:
    """But for the input's name; it takes hardly more memory, and what logs everything knows no secret."""
    pd.DataFrame(
        {
            "object_id": [7 * row for row in range(1, ROWS + 1)],
            "to_object_id": [row % 9973 + 1 for row in range(1, ROWS + 1)],
        }
    ).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "links.sql").write_text(f"{LINKS};")
    ends = {}
    for name, words in {
        "file": (str(tmp_path / "rows.csv"),),
        "database": ("--sql-file", str(tmp_path / "links.sql"), "--log-file", "log.jsonl", "--json"),
    }.items():
        with SandboxThread() as sandbox:
            ends[name] = loaded(sandbox, tmp_path / name, address, *words)
        assert ends[name].code == 0, ends[name].said
        print(f"{name}: {ends[name].memory / (1 << 20):.0f} MB")
    expected = results(tmp_path / "file")
    assert len(expected) == ROWS
    pd.testing.assert_frame_equal(results(tmp_path / "database"), expected)
    assert ends["database"].memory - ends["file"].memory < MOST_MORE_MEMORY


def test_killed_and_resumed_it_loads_every_row_once(address: str, asked: Callable[[str], Any], tmp_path: Path) -> None:
    """Rows that have changed meanwhile are refused in a sentence."""
    with SandboxThread(latency="30ms") as sandbox:
        slow = (*LOAD, "--concurrency", "1")
        process = command(sandbox, tmp_path, "load", "--sql", LINKS, *slow, ASSOCIATION_LOADER_DATABASE_URL=address)
        while len(sandbox.requests) < 10:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        asked("UPDATE links SET to_object_id = '999999' WHERE place = 77777")
        changed = loaded(sandbox, tmp_path, address, "--sql", LINKS)
        asked("UPDATE links SET to_object_id = 77777 % 9973 + 1 WHERE place = 77777")
        assert changed.code == 2
        assert "query (the query or its rows) has changed since its last load, which did not finish" in changed.said
        ended = loaded(sandbox, tmp_path, address, "--sql", LINKS)
        assert ended.code == 0, ended.said
        assert "Resuming" in ended.said
        assert list(results(tmp_path)["row"]) == list(range(2, ROWS + 2))
        summary = json.loads((tmp_path / "r.summary.json").read_text())
        assert summary["rows"]["total"] == summary["rows"]["created"] + summary["rows"]["unchanged"] == ROWS
        assert not any("999999" in str(pair) for pair in sandbox.portal.pairs())


CELLS = {
    "101::bigint": "101",
    "9223372036854775807::bigint": "9223372036854775807",
    "103::numeric": "103",
    "104.000::numeric(12, 3)": "104",
    "105.5::numeric": "FRACTION",
    "'NaN'::numeric": "INVALID_RECORD_ID",
    "106::double precision": "106",
    "9007199254740992::double precision": "DIGITS_LOST",
    "'NaN'::double precision": "MISSING_RECORD_ID",
    "16777215::real": "16777215",
    "16777217::real": "DIGITS_LOST",
    "'107'::text": "107",
    "'108'::char(8)": "108",
    "'109'::bytea": "109",
    "NULL": "MISSING_RECORD_ID",
    "true": "INVALID_RECORD_ID",
    "date '2026-11-29'": "DATE",
    "timestamp 'infinity'": "INVALID_RECORD_ID",
    "timestamptz '20261-11-29'": "INVALID_RECORD_ID",
    "interval '1 day'": "INVALID_RECORD_ID",
    "'f7c5c0de-0000-4000-8000-000000000001'::uuid": "INVALID_RECORD_ID",
    "110::money": "INVALID_RECORD_ID",
    "'111'::jsonb": "111",
    "'{\"id\": 112}'::jsonb": "INVALID_RECORD_ID",
    "ARRAY[113, 114]": "113;114",
    "ARRAY[16777217]::real[]": "DIGITS_LOST",
    "ARRAY['115', NULL]": "115",
}
"""What a query gives as a to object id, and what becomes of it: the ids, or the reason why there is none."""


def test_each_type_is_judged_as_the_same_value_of_a_file(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No id is guessed, and no type ends the load."""
    monkeypatch.setenv("ASSOCIATION_LOADER_DATABASE_URL", address)
    monkeypatch.chdir(tmp_path)
    found = {}
    with SandboxThread() as sandbox:
        for number, cell in enumerate(CELLS):
            query = f"SELECT 1 AS object_id, {cell} AS to_object_id"
            report = loader.load_sync(
                sql=query,
                from_="contacts",
                to="companies",
                results=f"{number}.csv",
                base_url=sandbox.url,
                token="any",
            )
            lines = report.results
            became = lines["to_object_id"].where(lines["status"] == "created", lines["error_category"])
            found[cell] = ";".join(became)
    assert found == CELLS


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist'),
        ("SELECT * FORM links", 'syntax error at or near "FORM"'),
        ("SELECT objectid FROM links", 'HINT: Perhaps you meant to reference the column "links.object_id")'),
        ("SELECT 1 / 0 AS object_id", "division by zero"),
        ("SELECT pg_sleep(60)", "canceling statement due to statement timeout"),
        ("SELECT 1; DELETE FROM links", "cannot insert multiple commands into a prepared statement"),
        ("WITH gone AS (DELETE FROM links RETURNING *) SELECT * FROM gone", "must not contain data-modifying"),
        ("SELECT emptied()", "cannot execute DELETE in a read-only transaction"),
        ("SELECT emptied_all_the_same()", "transaction read-write mode must be set before any query"),
        ("SELECT nextval('numbers')", "cannot execute nextval() in a read-only transaction"),
        ("SELECT * INTO copied FROM links", "SELECT ... INTO is not allowed here"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "connection"),
    ],
)
def test_what_the_database_refuses_is_said_in_its_words(
    statement: str, said: str, address: str, asked: Callable[[str], Any], tmp_path: Path
) -> None:
    """In one sentence; whatever the statement is, nothing there changes."""
    asked("CREATE SEQUENCE IF NOT EXISTS numbers")
    asked("CREATE OR REPLACE FUNCTION emptied() RETURNS int LANGUAGE sql AS 'DELETE FROM links; SELECT 1'")
    asked(
        "CREATE OR REPLACE FUNCTION emptied_all_the_same() RETURNS int LANGUAGE plpgsql AS "
        "$$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM links; RETURN 1; END $$"
    )
    with SandboxThread() as sandbox:
        limited = f"{address}?options=-c%20statement_timeout%3D500"
        ended = loaded(sandbox, tmp_path / "x", limited, "--sql", statement, "--log-file", "log.jsonl")
    assert ended.code == 2, ended.said
    assert said in ended.said
    assert ended.said.startswith("association-loader: query: the database does not answer the query (")
    assert "Traceback" not in ended.said
    assert asked("SELECT count(*) FROM links").fetchone() == (ROWS,)
    assert asked("SELECT to_regclass('copied')").fetchone() == (None,)


def test_a_wrong_password_is_said_without_it(address: str, tmp_path: Path) -> None:
    """Nor with the user's name."""
    with SandboxThread() as sandbox:
        ended = loaded(sandbox, tmp_path / "x", address.replace("c0ffee", "tea-canary"), "--sql", LINKS)
    assert ended.code == 2
    assert 'cannot be opened (FATAL: password authentication failed for user "***")' in ended.said
    hold_nowhere("tea-canary", tmp_path)


def test_a_signal_ends_the_query_in_the_database_too(address: str, asked: Callable[[str], Any], tmp_path: Path) -> None:
    """Nobody waits for what nobody reads."""
    at_work = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    words = ("load", "--sql", "SELECT pg_sleep(3600) AS object_id", *LOAD)
    with SandboxThread() as sandbox:
        process = command(sandbox, tmp_path, *words, ASSOCIATION_LOADER_DATABASE_URL=address)
        while asked(at_work).fetchone() == (0,):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert asked(at_work).fetchone() == (0,)
