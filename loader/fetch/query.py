"""The rows of a query, copied to a private file as they come; SQLAlchemy talks to each kind of database.

The file holds lines of JSON: the names of the columns, and then a list of texts for each row (`loader/read/jsonl.py`).
"""

import json
import logging
import math
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from loader.errors import InputError, LoaderError, UsageError
from loader.fetch.fetched import Fetched, Moved, Watch, patiently, private_copy
from loader.settings import DATABASE_URL, Query
from loader.text import counted, visible
from loader.values import DOUBLE_BITS, text_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

ROWS_AT_ONCE = 1000
"""Rows that are held in memory at once."""

SECONDS_TO_CANCEL = 2.0
"""Seconds that a database may take to cancel a query."""

_FLOAT4 = (700, 1021)
"""PostgreSQL's types `real` and `real[]`: floats of 24 bits, which its driver returns as Python floats of 53."""

_OTHER_FLOAT_BITS = 19
"""MySQL writes a FLOAT with six digits, and no driver says so: from 2 to this power on, digits may be lost."""

_DATES = ("date", "timestamp", "timestamptz", "interval")
"""Read as text, because Python has no `infinity` and no year 10000."""

_FIRST_WORDS = frozenset({"select", "with", "values", "table"})
"""A query must begin with one of these, as not every driver can keep other statements from writing."""

_LOG = "association-loader"

_LONGEST = 300

_SKIPPED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$", re.DOTALL)
"""Comments and quoted texts and names."""

_ABOUT_SERVER = re.compile(
    r"(?:connection failed:\s)?connection\sto\sserver\s(?:at|on\ssocket)\s.*?\sfailed:\s"
    r"|(?<=host\s)\"[^\"]*\"(?:\s\([^)]*\))?"
)
"""Patterns of psycopg's texts about which server it is, also by the IP address of its name."""


def fetch_rows(query: Query, watch: Watch) -> Fetched:
    """Return a private copy of the rows of a query, run read-only if the database allows that.

    Raises UsageError if it is not a query or a driver is not installed, InputError if the database cannot be opened or
    refuses the query, and the error that stops the command; the query is then cancelled.
    """
    if "".join(_words(query.text)[:1]) not in _FIRST_WORDS:
        raise UsageError(
            f"{visible(query.name)}: does not begin with SELECT or WITH, and only a query that gives rows is run."
        )
    reading = _Reading(query, _engine(query, watch.timeout))
    try:
        with private_copy() as (path, file):
            # No time limit: a database has its own setting for that.
            waiting = replace(watch, timeout=math.inf)
            patiently(
                f"Reading {visible(query.name)} from the database",
                lambda moved: reading.copy(file, moved),
                waiting,
                lambda rows: counted(rows, "row"),
            )
            return Fetched(name=query.name, file_name=query.file_name, path=path, facts={"query": query.text})
    finally:
        reading.end()


def order_note(query: Query) -> str | None:
    """Return the note for a query without ORDER BY, judged by the words outside of brackets, quotes and comments.

    It cannot see whether the order is complete, and a query in brackets counts as one without.
    """
    words = _words(query.text)
    if ("order", "by") in pairwise(words):
        return None
    return (
        "The query has no ORDER BY, so the database may give its rows in another order each time: a row number means "
        "this run alone, and a run that stopped can be resumed only if the order is the same; add ORDER BY."
    )


def _words(text: str) -> list[str]:
    """Return the lower-case words of a query outside of brackets, quotes and comments."""
    words, depth = list[str](), 0
    for found in re.finditer(r"[(\[]|[)\]]|\w+", _SKIPPED.sub(" ", text)):
        if found[0] in "([":
            depth += 1
        elif found[0] in ")]":
            depth -= 1
        elif not depth:
            words.append(found[0].lower())
    return words


@dataclass(slots=True)
class _Reading:
    """One query in a thread of its own; another thread may cancel it."""

    query: Query
    engine: "Engine"
    driver: Any = None
    """The driver's connection, while it is open."""
    ended: threading.Event = field(default_factory=threading.Event)

    def copy(self, file: BinaryIO, moved: Moved) -> None:
        """Write the columns and the rows; raises InputError."""
        try:
            with _silent_driver(), self._connected() as connection:
                moved.count(0)  # The command may have been stopped meanwhile.
                self._write(file, connection, moved)
        finally:
            self.engine.dispose()
            self.ended.set()

    def end(self) -> None:
        """Cancel an unfinished query."""
        if self.ended.is_set() or self.driver is None:
            return
        with suppress(Exception):  # Ignore any error: the thread and its connection end with the process.
            if hasattr(self.driver, "cancel_safe"):  # psycopg
                self.driver.cancel_safe(timeout=SECONDS_TO_CANCEL)
            else:  # SQLite's drivers, and others
                (getattr(self.driver, "interrupt", None) or self.driver.cancel)()
        self.ended.wait(SECONDS_TO_CANCEL)

    @contextmanager
    def _connected(self) -> Iterator["Connection"]:
        """Yield a read-only connection, if the database has that."""
        with self._explained(
            "cannot be opened", f"check {DATABASE_URL}, and whether the database can be reached from here"
        ):
            connection = self.engine.connect()
        try:
            self.driver = connection.connection.driver_connection
            backend = self.engine.dialect.name
            if backend == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            if backend == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
                if hasattr(self.driver, "adapters"):
                    from psycopg.types.string import TextLoader  # noqa: PLC0415 - only who uses it waits for it

                    for name in _DATES:
                        self.driver.adapters.register_loader(name, TextLoader)
            yield connection
        finally:
            with suppress(Exception):  # Nothing was written, so nothing is lost with a connection that is broken.
                connection.close()

    def _write(self, file: BinaryIO, connection: "Connection", moved: Moved) -> None:
        # `no_parameters`: a % or a : in the text is not a placeholder.
        options = {"stream_results": True, "max_row_buffer": ROWS_AT_ONCE, "no_parameters": True}
        with self._explained("does not answer the query", "correct it, or run again when the database can answer it"):
            result = connection.exec_driver_sql(self.query.text.strip().rstrip(";"), execution_options=options)
            if not result.returns_rows:
                raise InputError(f"{visible(self.query.name)}: gives no rows at all, not even columns; write a SELECT.")
            columns: Sequence[Any] = result.cursor.description
            bits = [self._float_bits(column[1]) for column in columns]
            _put(file, [[str(column[0]) for column in columns]], self.query.name)
            for rows in result.partitions(ROWS_AT_ONCE):
                texts = [[text_of(*each) or "" for each in zip(row, bits, strict=True)] for row in rows]
                _put(file, texts, self.query.name)
                moved.count(len(rows))

    def _float_bits(self, type_code: object) -> int:
        """Return how many bits hold the digits of a column's floats, if it has any."""
        if self.engine.dialect.name == "postgresql":
            return 24 if type_code in _FLOAT4 else DOUBLE_BITS
        return DOUBLE_BITS if self.engine.dialect.name == "sqlite" else _OTHER_FLOAT_BITS

    @contextmanager
    def _explained(self, what: str, mend: str) -> Iterator[None]:
        """Turn any error of a driver into InputError, in the database's own words, without secrets."""
        try:
            yield
        except LoaderError:
            raise
        except Exception as error:  # Each driver has its own errors.
            words = _in_its_words(error, self.query)
            # A traceback in the caller's program would show the database's address.
            raise InputError(f"{visible(self.query.name)}: the database {what} ({words}); {mend}.") from None


def _put(file: BinaryIO, rows: Sequence[Sequence[str]], name: str) -> None:
    try:
        file.write("".join(f"{json.dumps(row)}\n" for row in rows).encode())
    except OSError as error:
        raise InputError(
            f"{visible(name)}: cannot be copied to {tempfile.gettempdir()} ({error.strerror}); free some space there, "
            "or name another folder in TMPDIR."
        ) from None


def _in_its_words(error: Exception, query: Query) -> str:
    """Return a database's message in one line, without the names of server and user."""
    text = str(getattr(error, "orig", None) or error).partition("Multiple connection attempts failed")[0]
    # psycopg shows the place in its own form of the query, and explains on lines with a tab.
    lines = [line.strip() for line in text.splitlines() if not line.startswith(("LINE ", " ", "\t"))]
    text = _ABOUT_SERVER.sub("", " ".join(filter(None, lines)))
    for secret in sorted(query.secrets(), key=len, reverse=True):
        # A short secret may be part of any word.
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)" if len(secret) < 4 else re.escape(secret), "***", text)
    return visible(text[:_LONGEST].rstrip(". ")) or type(error).__name__


@contextmanager
def _silent_driver() -> Iterator[None]:
    """Keep the driver from logging for this thread: it names the server and the user."""
    own = threading.get_ident()
    logger = logging.getLogger("psycopg")

    def is_other(record: logging.LogRecord) -> bool:
        return record.thread != own

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _engine(query: Query, timeout: float) -> "Engine":
    """Return a function that opens the database; raises UsageError if that is not possible."""
    try:
        from sqlalchemy import create_engine, make_url  # noqa: PLC0415 - only who queries a database waits for it
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415
        from sqlalchemy.pool import NullPool  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{visible(query.name)}: a query needs SQLAlchemy, which is not installed: pip install "
            "'association-loader[sql]'"
        ) from error
    try:
        url = make_url(query.database.reveal())
    except (ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise UsageError(
            f"{DATABASE_URL} is not the address of a database: write it like postgresql://user:password@host/database, "
            "and %40 for an @ in the password"
        ) from None
    for name in (f"sqlalchemy.engine.Engine.{_LOG}", f"sqlalchemy.pool.impl.NullPool.{_LOG}"):
        logging.getLogger(name).disabled = True  # Their log lines name the server and the user.
    try:
        return create_engine(_for_reading(url, timeout), poolclass=NullPool, logging_name=_LOG, pool_logging_name=_LOG)
    except NoSuchModuleError:
        raise UsageError(
            f"{DATABASE_URL} begins with {url.drivername}://, for which no package is installed: PostgreSQL is "
            "postgresql://, SQLite sqlite:///, and others come with a package for SQLAlchemy"
        ) from None
    except ModuleNotFoundError as error:
        package = "'association-loader[sql]'" if error.name == "psycopg" else str(error.name)
        raise UsageError(
            f"{DATABASE_URL} needs the driver {error.name}, which is not installed: pip install {package}"
        ) from None
    except Exception as error:  # Each dialect has its own error.
        raise UsageError(f"{DATABASE_URL} cannot be used ({_in_its_words(error, query)}): correct it") from None


def _for_reading(url: "URL", timeout: float) -> "URL":
    """Return an address with the driver of our extra; for SQLite so that a missing file is not created."""
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername.startswith("postgresql+psycopg") and "connect_timeout" not in url.query:
        return url.update_query_dict({"connect_timeout": str(max(2, math.ceil(timeout)))})
    is_file = url.drivername == "sqlite" and url.database not in (None, "", ":memory:")
    if is_file and not str(url.database).startswith("file:"):
        return url.set(database=f"file:{quote(str(url.database))}", query={**url.query, "mode": "ro", "uri": "true"})
    return url
