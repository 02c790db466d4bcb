"""The tables of a journal, and how its file is opened."""

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import msgspec

from loader.errors import JournalError, OtherFormat, RecordError

FORMAT = 11
"""Written into every journal (`PRAGMA user_version`); a journal of another format is refused, not guessed at."""

APPLICATION = 0x41534C44
"""Tells a journal from any other SQLite file (`PRAGMA application_id`)."""

TABLES = """
-- What the run is bound to, when it began, what it has used: see `facts`; each value is JSON.
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE inputs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL,
    header TEXT NOT NULL, to_columns TEXT NOT NULL,     -- JSON lists
    records INTEGER NOT NULL, without INTEGER NOT NULL
);

-- The records as they stood, a chunk in one blob, so that failed ones can be written out again.
CREATE TABLE records (id INTEGER PRIMARY KEY, input INTEGER NOT NULL, before INTEGER NOT NULL,
    first_row INTEGER NOT NULL, last_row INTEGER NOT NULL, body BLOB NOT NULL);

-- What rows ask for, as it is written and as it is sent: few, however many rows there are. `rows` are still to be
-- sent.
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    object_type TEXT NOT NULL, to_object_type TEXT NOT NULL, association_category TEXT NOT NULL,
    association_type_id TEXT NOT NULL, label TEXT NOT NULL, is_primary INTEGER NOT NULL, to_column TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0,
    from_type TEXT, to_type TEXT, category TEXT, type_id INTEGER, sent_label TEXT,
    inverse_category TEXT, inverse_type_id INTEGER      -- the same association from the other end, where that is known
);

-- What stood for each record in cells that hold several own keys, so that a failed row can be written out again.
CREATE TABLE own_parts (input INTEGER NOT NULL, row INTEGER NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (input, row, part)) WITHOUT ROWID;

CREATE TABLE rejects (id INTEGER PRIMARY KEY, input INTEGER NOT NULL, row INTEGER NOT NULL, part INTEGER NOT NULL,
    object_id TEXT NOT NULL, to_object_id TEXT NOT NULL, kind INTEGER NOT NULL,
    reason TEXT NOT NULL, message TEXT NOT NULL);

-- Two object types that rows link, from the end whose records are looked up; `records` how many there are, about.
CREATE TABLE type_pairs (id INTEGER PRIMARY KEY, object_type TEXT NOT NULL, to_object_type TEXT NOT NULL,
    records INTEGER NOT NULL);

-- What the association types of a direction are called from the other end, where that is known.
CREATE TABLE inverses (object_type TEXT NOT NULL, to_object_type TEXT NOT NULL, category TEXT NOT NULL,
    type_id INTEGER NOT NULL, other_category TEXT NOT NULL, other_type_id INTEGER NOT NULL,
    PRIMARY KEY (object_type, to_object_type, category, type_id)) WITHOUT ROWID;

-- The types asked for that name a primary record, with the end whose record can have only one; and those records, with
-- the pair that gives them theirs, and where that pair is first asked for.
CREATE TABLE singles (object_type TEXT NOT NULL, to_object_type TEXT NOT NULL, category TEXT NOT NULL,
    type_id INTEGER NOT NULL, single TEXT NOT NULL,
    PRIMARY KEY (object_type, to_object_type, category, type_id)) WITHOUT ROWID;
CREATE TABLE promoted (object_type TEXT NOT NULL, to_object_type TEXT NOT NULL, record INTEGER NOT NULL,
    pair INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (object_type, to_object_type, record)) WITHOUT ROWID;

-- What pairs are sent as: one request's direction and association types. `lookup_backward`: the pairs are
-- looked up by the record at their to end. `removes`: the types are taken off the pairs.
CREATE TABLE requests (id INTEGER PRIMARY KEY, object_type TEXT NOT NULL, to_object_type TEXT NOT NULL,
    types TEXT NOT NULL, lookup_backward INTEGER NOT NULL, removes INTEGER NOT NULL);

-- Pairs that are looked up and sent together, numbered in the order in which they are sent; written once. `columns` are
-- those of `columns.PlannedLot`, `first_place` is where the first of the pairs is asked for (see `columns.place`). A
-- lot's pairs are of one type pair, unless nothing is looked up. `turn` is 0, or, where a mirror takes something
-- off its pairs, 1 or 2 (see `Lots.turns`); they stand behind all others, and have a row for each label that goes, of
-- input 0 and row 0.
CREATE TABLE lots (id INTEGER PRIMARY KEY, type_pair INTEGER NOT NULL, first_pair INTEGER NOT NULL,
    pairs INTEGER NOT NULL, rows INTEGER NOT NULL, first_place INTEGER NOT NULL, columns BLOB NOT NULL,
    turn INTEGER NOT NULL DEFAULT 0);

-- The scope of a mirror. `scope_types` are kinds: the association types that may be taken off. `scope` has the records
-- that stand in the file, of one direction and in order, with what rows ask of each (see `columns.ScopeLot`); once they
-- were read, `associations` says how many of these types they have. `second_readings` has what is to go of pairs as
-- seen from the second one of their ends, until all are read from the first; `types` is NULL where no label stays then.
-- Nothing is taken off records that are `exempt`; a blank object type is any.
CREATE TABLE scope_types (kind INTEGER PRIMARY KEY);
CREATE TABLE scope (id INTEGER PRIMARY KEY, object_type TEXT NOT NULL, to_object_type TEXT NOT NULL,
    records INTEGER NOT NULL, pairs INTEGER NOT NULL, columns BLOB NOT NULL, associations INTEGER);
CREATE TABLE second_readings (object_type TEXT NOT NULL, to_object_type TEXT NOT NULL, object_id INTEGER NOT NULL,
    to_object_id INTEGER NOT NULL, types TEXT,
    PRIMARY KEY (object_type, object_id, to_object_type, to_object_id)) WITHOUT ROWID;
CREATE TABLE exempt (object_type TEXT NOT NULL, record INTEGER NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (object_type, record, why)) WITHOUT ROWID;

-- The before-images of pairs, from one number to another: what they were before they were first sent, never
-- overwritten. `there` is the set of types that rows ask for and that the pairs had then, and still when they were last
-- looked up (where types are taken off: had not); the rows of these types are unchanged. Written before the request,
-- also where there was nothing: after a crash in between, our own label must not pass for an old one. The sets of types
-- are few: each is stored once.
CREATE TABLE images (id INTEGER PRIMARY KEY, types TEXT NOT NULL UNIQUE);
CREATE TABLE befores (first_pair INTEGER PRIMARY KEY, last_pair INTEGER NOT NULL, image INTEGER NOT NULL,
    there INTEGER NOT NULL);

-- Pairs that were a record's primary ones until another pair was sent, from that record's end; never overwritten.
CREATE TABLE demoted (id INTEGER PRIMARY KEY, pair INTEGER NOT NULL,
    object_type TEXT NOT NULL, object_id INTEGER NOT NULL, to_object_type TEXT NOT NULL, to_object_id INTEGER NOT NULL,
    single TEXT NOT NULL, image INTEGER NOT NULL,
    UNIQUE (pair, object_id, to_object_id, single));

-- What requests came to; the pairs of one request with the same result share one; `rows` have it.
CREATE TABLE results (
    id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, status TEXT NOT NULL, http_status INTEGER,
    created_resource_id TEXT NOT NULL, labels TEXT NOT NULL, error_category TEXT NOT NULL, error_message TEXT NOT NULL,
    correlation_id TEXT NOT NULL, attempts INTEGER NOT NULL, finished_at TEXT NOT NULL,
    beside INTEGER NOT NULL             -- no row names its pairs: a mirror takes something off them
);

-- Which result the pairs from one number to another have, in the order in which that became known. Pairs are sent in
-- their order, so that few lines are enough for many.
CREATE TABLE outcomes (sequence INTEGER PRIMARY KEY, first_pair INTEGER NOT NULL UNIQUE, last_pair INTEGER NOT NULL,
    result INTEGER NOT NULL,
    unchanged INTEGER NOT NULL);    -- how many of each pair's rows do not share this result: they are unchanged
CREATE TRIGGER one_outcome BEFORE INSERT ON outcomes
WHEN new.last_pair < new.first_pair OR EXISTS (SELECT 1 FROM (
        SELECT last_pair FROM outcomes WHERE first_pair <= new.last_pair ORDER BY first_pair DESC LIMIT 1
    ) WHERE last_pair >= new.first_pair)
BEGIN SELECT RAISE(ABORT, 'a pair has one outcome'); END;

-- What became of those when the pairs that they lost to were taken back.
CREATE TABLE given_back (demoted INTEGER PRIMARY KEY, status TEXT NOT NULL);

-- What an undo was about to take back when its request left, and what became of each pair.
CREATE TABLE undoing (pair INTEGER PRIMARY KEY);
CREATE TABLE undone (sequence INTEGER PRIMARY KEY, pair INTEGER NOT NULL UNIQUE, status TEXT NOT NULL,
    error_category TEXT NOT NULL, error_message TEXT NOT NULL, finished_at TEXT NOT NULL);

-- How far `--limit` lets the run go: the last record's input and row; one line, the end of everything by default.
CREATE TABLE bound (input INTEGER NOT NULL, row INTEGER NOT NULL);
INSERT INTO bound VALUES (9223372036854775807, 0);
"""


def is_journal(path: Path) -> bool:
    """Return True for a journal of ours, whole or not; any other file's content is left alone."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION.to_bytes(4)  # SQLite's file format, 1.3


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open an installed journal: what is committed survives a power cut. Others may read it meanwhile.

    `read_only` changes no byte of it, not even to take over what a killed process left in its write-ahead log.
    """
    how = how_to_read(path) if read_only else "mode=rw"
    address = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    with closed_on_error(connection):
        _check(path, connection)
        for pragma in () if read_only else ("cache_size = -16000", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")
    return connection


def how_to_read(path: Path) -> str:
    """Return the parameters of SQLite's address of a journal that is read, and not changed in any byte."""
    # Without a log beside it, a plain read-only connection would make an empty one and leave it there; with one, it
    # would write into the log's index, which is only missing where the other two files were copied.
    log, index = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    # A log of a header at most, as a power cut may leave it, says nothing, and SQLite waits for it in vain.
    if not log.exists() or log.stat().st_size <= _LOG_HEADER:
        return "mode=ro&immutable=1"
    return "mode=ro&readonly_shm=1" if index.exists() else "mode=ro"


_LOG_HEADER = 32
"""SQLite's file format, 4.1."""


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close a connection that cannot be made ready: a newer Python warns of one that is left open."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Raise JournalError for a file that is no journal, or not a whole one, before a byte of it is changed."""
    after_a_crash = path.with_name(f"{path.name}-wal").exists()
    application, version, pages, page_size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version", "page_count", "page_size")
    )
    if application != APPLICATION:
        raise JournalError(f"{path} is not the journal of a load: move it away, or give another --results")
    if version != FORMAT:
        which = "an older" if version < FORMAT else "a newer"
        raise OtherFormat(
            f"{path}: {which} version of the loader wrote this journal (format {version}; this one reads {FORMAT}): "
            "continue with that version, or start over with --fresh, which keeps its files under another name"
        )
    if after_a_crash:
        whole = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    else:
        whole = path.stat().st_size >= pages * page_size
    if not whole:
        raise sqlite3.DatabaseError("a part of it is missing")


def scratch(path: Path) -> sqlite3.Connection:
    """Open a journal under construction: fast, and worthless until it is installed."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with closed_on_error(connection):
        # Of 4 MB, for pages and again for sorting: 32 were no faster for a million rows in any order, and 80 MB more.
        for pragma in ("cache_size = -4000", "journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(TABLES)
        for pragma in (f"application_id = {APPLICATION}", f"user_version = {FORMAT}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(
            "CREATE TEMP TABLE staged_rejects (input INTEGER, row INTEGER, part INTEGER, object_id TEXT,"
            " to_object_id TEXT, kind INTEGER, reason TEXT, message TEXT, field TEXT)"
        )
    return connection


def create(path: Path) -> None:
    """Make an empty file that only its owner may read; FileExistsError if there is one."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600))


def remove_journal(path: Path) -> None:
    """Remove a journal and what SQLite keeps beside it."""
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)


def output_names(journal: Path) -> list[str]:
    """Return the output files that a journal of any format names; none of a file that is no journal.

    Names are relative to the journal's folder, as a rule.
    """
    # Without a log beside it, a plain read-only connection would make an empty one and leave it there.
    how = "mode=ro" if journal.with_name(f"{journal.name}-wal").exists() else "mode=ro&immutable=1"
    address = f"file:{quote(os.fsencode(journal.resolve()))}?{how}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            # Formats before 8 had a key for each file.
            rows = connection.execute(
                "SELECT value FROM facts WHERE key IN ('outputs', 'kept_failures') OR key LIKE 'output.%'"
            ).fetchall()
    except sqlite3.DatabaseError:
        return []
    names: list[object] = []
    for (text,) in rows:
        with suppress(ValueError, TypeError):  # A value that is no JSON text names no file.
            value = json.loads(text)
            names += value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [name for name in names if isinstance(name, str)]


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Translate SQLite's errors: a full or failing disk stops the run, a broken file says what to do."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # A mistake of ours, not of the disk.
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) in _DAMAGE:  # Python's own such errors have none.
            raise _damaged(path, error) from error
        raise RecordError(
            f"{path}: the journal cannot be written ({error}), so nothing more is sent: free some space or fix the "
            "disk, then run the same command again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error


_DAMAGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR_SHORT_READ)
"""What SQLite says of a file that lacks a table, or its end; any other such error is the disk's."""


def _damaged(path: Path, error: sqlite3.DatabaseError) -> JournalError:
    return JournalError(
        f"{path}: the journal is damaged ({error}): move it and its results aside, then run the command again; "
        "rows that were already associated are sent once more, which changes nothing"
    )


def packed(rows: Sequence[int], columns: Sequence[Sequence[str]]) -> bytes:
    """Return a chunk of records as one blob: their rows, and their cells column by column."""
    try:
        text = msgspec.json.encode((rows, [*map(list, columns)]))
    except UnicodeEncodeError:  # Half a surrogate pair, as a damaged file may hold, is no UTF-8.
        text = json.dumps((rows, [*map(list, columns)])).encode("ascii")
    return zlib.compress(text, 1)


def unpacked(body: bytes) -> tuple[list[int], list[list[str]]]:
    """Return the rows and columns of a blob made by `packed`."""
    rows, columns = json.loads(zlib.decompress(body))
    return rows, columns


def storable(text: str) -> str:
    """Return the text as a table can hold it: a half of a surrogate pair, as a file's name may have, is escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
