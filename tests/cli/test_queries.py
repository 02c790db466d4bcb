"""Inputs by SQL: rows of a query are read as those of a file are, and nothing of the database's address is shown."""

import asyncio
import json
import logging
import re
import signal
import socketserver
import sqlite3
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import loader
from loader.errors import InputError
from loader.fetch import Watch, fetch_rows, order_note, query
from loader.fetch.fetched import patiently
from loader.journal import Journal
from loader.settings import Query, Secret
from tests.cli.conftest import CONTACTS, Process, Run, contents, lines, names, refused, until

VARIABLE = "ASSOCIATION_LOADER_DATABASE_URL"
CANARY = "c0ffee-canary-77d1"
LINKS = "SELECT object_id, to_object_id, label FROM links ORDER BY object_id"
ROWS: list[tuple[Any, ...]] = [(101, 201, None), (102, 202, "Boss"), (103, "x203", None)]
THINKING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) AS object_id FROM n"


@pytest.fixture
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SQLite database with a table of links, which the environment names."""
    with closing(sqlite3.connect(folder / "crm.db")) as made:
        made.execute("CREATE TABLE links (object_id, to_object_id, label)")
        made.executemany("INSERT INTO links VALUES (?, ?, ?)", ROWS)
        made.commit()
    monkeypatch.setenv(VARIABLE, "sqlite:///crm.db")
    return folder / "crm.db"


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as there:
        there.execute(statement)
        there.commit()


@pytest.fixture
def boss(hubspot: Run) -> Iterator[Any]:
    """A sandbox whose contacts and companies have the label that the rows name."""
    with hubspot(portal={"labels": [{"from": "contacts", "to": "companies", "label": "Boss"}]}) as running:
        yield running


# --- as a file


def test_a_query_is_loaded_as_the_same_rows_in_a_file_are(boss: Any, database: Path, load: Run) -> None:
    """The results differ in the input's name alone; the failures, once mended, load with the command that is shown."""
    Path("deals.csv").write_text("object_id,to_object_id,label\n" + "".join(f"{a},{b},{c or ''}\n" for a, b, c in ROWS))
    Path("links.sql").write_text(f"\ufeff-- every link\n{LINKS};\n")
    unlike = {"input", "created_resource_id", "correlation_id", "finished_at"}
    seen = {}
    for name, words in {
        "deals": ("deals.csv",),
        "query": ("--sql", LINKS),
        "links": ("--sql-file", "links.sql"),
    }.items():
        boss.reset()
        done = load(*words)
        assert done.code == 1, done.err
        found = lines(f"{name}.results.csv")  # They come as answers do.
        seen[found[0]["input"]] = [{key: line[key] for key in line.keys() - unlike} for line in found]
        assert f"Next: association-loader load {name}.failures.csv --from contacts" in done.err
    assert list(seen) == ["deals.csv", "query", "links.sql"]
    assert seen["query"] == seen["links.sql"] == seen["deals.csv"]
    Path("query.failures.csv").write_text(Path("query.failures.csv").read_text().replace("x203", "203"))
    assert load("query.failures.csv").code == 0


VALUES: list[Any] = [
    7,
    7.0,
    1.5,
    2.0**53,
    9007199254740993,
    "8",
    "1e5",
    "011",
    b"9",
    b"\xff",
    "",
    None,
    2**63 - 1,
    "a\0b",
]


def test_cells_are_judged_like_rows_from_python(database: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that cannot hold its digits rejects its row; no other id is guessed."""
    change(database, "DELETE FROM links")
    with closing(sqlite3.connect(database)) as there:
        there.executemany("INSERT INTO links VALUES (?, 1, '')", [(value,) for value in VALUES])
        there.commit()
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    asked = loader.plan_sync(
        sql="SELECT object_id, to_object_id FROM links ORDER BY rowid", from_="contacts", to="companies"
    )
    given = loader.plan_sync(
        [{"object_id": value, "to_object_id": 1} for value in VALUES], from_="contacts", to="companies"
    )
    assert asked.reasons == given.reasons
    assert asked.reasons["DIGITS_LOST"] == asked.reasons["FRACTION"] == 1
    found = {(each.reason, row.row, row.value) for each in asked.rejects for row in each.first}
    assert found == {(each.reason, row.row, row.value) for each in given.rejects for row in each.first}


@pytest.mark.slow
def test_every_verb_that_reads_takes_a_query(boss: Any, database: Path, run: Run, load: Run) -> None:
    """plan, verify, remove, the records of an export, a job file among files, and Python."""
    change(database, "DELETE FROM links WHERE to_object_id = 'x203'")
    assert "2 rows, 2 pairs" in run("plan", "--sql", LINKS, *CONTACTS).out
    assert load("--sql", LINKS).code == 0
    assert run("verify", "--sql", LINKS, *CONTACTS).code == 0
    done = run("export", "contacts", "companies", "--sql", "SELECT 102 AS object_id ORDER BY 1", "--output", "e.csv")
    assert done.code == 0, done.err
    exported = Path("e.csv").read_text()
    assert "102,0-2,202" in exported
    assert "101,0-2,201" not in exported
    assert run("remove", "--sql", LINKS, *CONTACTS, "--yes", "--whole-pair").code == 0
    Path("query.removed.results.csv").rename(Path("kept.csv"))
    Path("more.csv").write_text("object_id,to_object_id\n104,204\n")
    query = 'from = "contacts"\nto = "companies"\n'
    Path("job.toml").write_text(
        f'{query}results = "job.results.csv"\n[[input]]\npath = "more.csv"\n[[input]]\nsql = "{LINKS}"\n'
        f'[[input]]\nsql = "SELECT 105 AS a, 205 AS b ORDER BY 1"\n'
        '[input.column]\nobject_id = "a"\nto_object_id = "b"\n'
    )
    assert run("load", "--config", "job.toml", "--rate", "9999/1").code == 0
    assert set(re.findall(r"^(.*?),", Path("job.results.csv").read_text(), re.MULTILINE)) == {
        *("input", "more.csv", "query", "query (2)"),
    }
    report = loader.load_sync(sql=LINKS, from_="contacts", to="companies", results="python.results.csv")
    assert (report.exit_code, set(report.results["input"])) == (0, {"query"})


def test_a_run_is_resumed_with_the_same_rows_only(boss: Any, database: Path, load: Run) -> None:
    """Other rows, or another query, are refused before anything is sent; the journal keeps the query's text."""
    change(database, "DELETE FROM links WHERE to_object_id = 'x203'")
    assert load("--sql", LINKS, "--limit", "1").code == 0
    change(database, "UPDATE links SET to_object_id = 999 WHERE object_id = 102")
    for words in (("--sql", LINKS), ("--sql", f"{LINKS} DESC")):
        refused(load(*words), "query (the query or its rows) has changed since its last load, which did not finish.")
    change(database, "UPDATE links SET to_object_id = 202 WHERE object_id = 102")
    assert "Resuming: 1 of 2 rows left." in load("--sql", LINKS).err
    assert {pair for pair in boss.portal.pairs() if "999" in str(pair)} == set()
    with Journal(Path("query.journal"), read_only=True) as journal:
        assert journal.facts.copied == {"1": {"query": LINKS}}


@pytest.mark.parametrize(
    ("text", "is_ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order\n  by a limit 3;", True),
        ("SELECT a FROM t UNION SELECT b FROM u /* x */ ORDER BY 1", True),
        ("SELECT a FROM t", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) x", False),
        ("WITH x AS (SELECT a FROM t ORDER BY a) SELECT * FROM x", False),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT a FROM t -- ORDER BY a", False),
        ("SELECT 'ORDER BY' FROM t /* ORDER BY a */", False),
        ('SELECT "order" by_it, $x$ ORDER BY $x$ FROM t', False),
    ],
)
def test_a_query_without_order_is_noted(text: str, is_ordered: bool) -> None:
    """Only the outermost ORDER BY says in which order the rows come."""
    assert (order_note(Query(text=text, name="q", file_name="q", database=Secret("x"))) is None) is is_ordered


def test_the_plan_says_what_a_query_gave(database: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows, also when there are none, and that their order is not fixed."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    said = " ".join(run("plan", "--sql", "SELECT object_id, to_object_id FROM links WHERE 0", *CONTACTS).out.split())
    assert "query: 0 records, sql" in said
    assert "The query gives no rows; there is nothing to load." in said
    assert "The query has no ORDER BY" in said


# --- what is refused


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM links", "does not begin with SELECT or WITH"),
        ("-- SELECT\nDROP TABLE links", "does not begin with SELECT or WITH"),
        ("PRAGMA user_version = 3", "does not begin with SELECT or WITH"),
        ("WITH x AS (SELECT 1) DELETE FROM links", "attempt to write a readonly database"),
        ("SELECT 1; DELETE FROM links", "one statement at a time"),
        ("SELECT * FROM nowhere", "no such table: nowhere"),
        ("SELECT * FORM links", 'near "FORM": syntax error'),
        ("SELECT '%s :x ?' AS a FROM links", 'The columns are "a".'),
    ],
)
def test_a_statement_that_gives_no_rows_is_refused(statement: str, said: str, database: Path, run: Run) -> None:
    """In one sentence with the database's own words; nothing is written there, whatever the statement is."""
    before = contents()
    refused(run("load", "--sql", statement, *CONTACTS), said)
    assert contents() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.csv", "--sql", LINKS), "inputs are given on the command line and by --sql or --sql-file: keep one"),
        (("--sql", LINKS, "--config", "job.toml"), "as [[input]] in the --config file and by --sql"),
        (("--sql", LINKS, "--sql-file", "q.sql"), "an input is one of a path, --sql and --sql-file: keep one"),
        (("--config", "both.toml"), "an input is one of a path, --sql and --sql-file: keep one"),
        (("--sql-file", "nowhere.sql"), "--sql-file nowhere.sql cannot be read"),
        (("--database-url", f"postgresql://ada:{CANARY}@h/x"), "No such option '--database-url'"),
        ((f"--database-url=postgresql://ada:{CANARY}@h/x",), "No such option '--database-url'"),
        (("--config", "url.toml"), "database-url is not an option of load"),
    ],
)
def test_a_query_that_is_given_wrongly_is_refused(words: tuple[str, ...], said: str, database: Path, run: Run) -> None:
    """Beside other inputs, twice, or with the database's address where everybody reads it."""
    Path("job.toml").write_text('[[input]]\npath = "a.csv"\n')
    Path("both.toml").write_text('[[input]]\npath = "a.csv"\nsql = "SELECT 1"\n')
    Path("url.toml").write_text(f'database-url = "postgresql://ada:{CANARY}@h/x"\n')
    done = run("load", *words)
    assert done.code == 2
    assert said in done.err
    assert CANARY not in done.err


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "a query needs a database: put its address into ASSOCIATION_LOADER_DATABASE_URL"),
        (f"host=h password={CANARY}", "is not the address of a database"),
        (f"postgresql://ada:{CANARY}-p@ss@{CANARY}/x", "and %40 for an @ in the password"),
        (f"postgresql://ada:x@h:{CANARY}/x", "is not the address of a database"),
        (f"nosuch://ada:{CANARY}@h/x", "begins with nosuch://, for which no package is installed"),
        (f"mysql+pymysql://ada:{CANARY}@h/x", "needs the driver pymysql, which is not installed: pip install pymysql"),
        ("sqlite:///nowhere.db", "unable to open database file"),
        (f"postgresql://{CANARY}:{CANARY}@127.0.0.1:1/x", "the database cannot be opened (Connection refused)"),
        (f"postgres://ada:x@{CANARY}.invalid/x", "the database cannot be opened (failed to resolve host '***'"),
    ],
)
def test_a_database_that_cannot_be_opened(address: str, said: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence; and no database is made where none is."""
    monkeypatch.setenv(VARIABLE, address)
    done = run("load", "--sql", LINKS, *CONTACTS, "--log-file", "log.jsonl")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert CANARY not in done.err
    assert names() in ([], ["log.jsonl"])


def test_without_sqlalchemy_the_extra_is_named(database: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    refused(run("plan", "--sql", LINKS, *CONTACTS), "pip install 'association-loader[sql]'")


# --- secrets


class Refusing(socketserver.BaseRequestHandler):
    """Speaks PostgreSQL as far as refusing a user, whom it names with the password."""

    def handle(self) -> None:
        while (asked := self.request.recv(10_000)) and len(asked) == 8:
            self.request.sendall(b"N")  # no TLS
        fields = (
            f'SFATAL\0C28P01\0Mpassword authentication failed for user "user-{CANARY}" (pass/{CANARY})\0\0'.encode()
        )
        self.request.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


def test_no_address_is_written(run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong password, and a bug: neither user, password nor host is in a message, the log, the report or logging."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("psycopg").setLevel(logging.DEBUG)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"postgresql://user-{CANARY}:pass%2F{CANARY}@127.0.0.1:{server.server_address[1]}/x"
        monkeypatch.setenv(VARIABLE, address)
        refused = run("load", "--sql", LINKS, *CONTACTS, "--log-file", "log.jsonl", "--json")
        assert 'cannot be opened (FATAL: password authentication failed for user "***" (***))' in refused.err
        with pytest.raises(InputError) as raised:
            loader.load_sync(sql=LINKS, from_="contacts", to="companies")
        server.shutdown()

    def break_down(*_: object) -> None:
        raise RuntimeError(f"{address} is not understood: pass/{CANARY} of user-{CANARY}")

    monkeypatch.setattr(query, "_for_reading", break_down)
    monkeypatch.setattr(query._Reading, "__init__", break_down)
    broken = run("load", "--sql", LINKS, *CONTACTS, "--log-file", "log.jsonl")
    written = [file.read_text() for file in Path().iterdir()]
    for text in (*refused, *broken, "".join(traceback.format_exception(raised.value)), caplog.text, *written):
        assert CANARY not in str(text)
        assert "127.0.0.1" not in str(text)


# --- progress, and an early end


@pytest.mark.slow
def test_progress_is_shown_in_rows(database: Path) -> None:
    """How many there are so far, and how fast they come."""
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i AS object_id FROM n"
    )
    shown: list[str] = []
    asked = Query(text=many, name="many.sql", file_name="many.sql", database=Secret("sqlite:///crm.db"))
    fetched = fetch_rows(asked, Watch(doing=shown.append))
    with fetched.path.open() as file:
        assert json.loads(file.readline()) == ["object_id"]
        assert sum(1 for _ in file) == 100_000
    assert fetched.path.stat().st_mode & 0o077 == 0
    fetched.path.unlink()
    assert re.search(r"Reading many.sql from the database \([\d,]+ rows, [\d,]+ rows per second\)", shown[-1])


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("verb", ["load", "doctor"])
def test_a_signal_ends_a_slow_query(
    verb: str, database: Path, start: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, with the exit code of an interruption; its private file is removed."""
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setenv("TMPDIR", str(copies))
    process = start(verb, "--sql", THINKING, *CONTACTS)
    until(lambda: any(copies.iterdir()))
    process.send(signal.SIGINT)
    assert process.wait().code == 130
    assert not list(copies.iterdir())


def test_a_cancelled_query_ends(database: Path, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread, too, and no private copy is left."""
    monkeypatch.setattr(tempfile, "tempdir", "temporary")
    Path("temporary").mkdir()
    reading = threading.Event()

    def begun(*words: Any) -> Any:
        reading.set()
        return patiently(*words)

    monkeypatch.setattr(query, "patiently", begun)
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS object_id, x AS to_id FROM c"

    async def cancelled() -> None:
        task = asyncio.create_task(loader.load(sql=endless, from_="contacts", to="companies"))
        await asyncio.to_thread(reading.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not names("temporary/*")
        assert "fetch" not in {thread.name for thread in threading.enumerate()}

    asyncio.run(cancelled())
    assert not sandbox.requests
