"""Objects in buckets, on servers and behind links are listed, or copied to a private file; `fsspec` does the access."""

import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO, TypeVar

from loader.errors import InputError, LoaderError, UsageError
from loader.fetch.address import Address
from loader.fetch.fetched import Fetched, Moved, Watch, patiently, private_copy
from loader.fetch.sentences import Changed, CutShort, IsFolder, Unencrypted, WebPage, explained
from loader.text import visible

T = TypeVar("T")

PAUSES = (1.0, 4.0)
"""Seconds before the second and the third attempt, where a failure may pass."""

BLOCK = 1 << 20
AHEAD = 8 << 20
"""Bytes that a backend may read at once, into memory."""

_LOGGERS = ("fsspec", "s3fs", "gcsfs", "adlfs", "sshfs", "asyncssh", "botocore", "aiobotocore", "azure", "google")

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    # By default sshfs does not check the server's key; () means the user's known_hosts.
    **{scheme: {"known_hosts": ()} for scheme in ("sftp", "ssh")},
    # `trying` repeats what fails; if the backend repeated, too, a wrong address would take minutes.
    **{scheme: {"config_kwargs": {"retries": {"total_max_attempts": 1}}} for scheme in ("s3", "s3a")},
}
"""Options for backends that are careless, or very patient, by default."""

_IN_EXTRA = frozenset({"s3fs", "gcsfs", "adlfs", "sshfs"})
_ETAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "modified", "updated", "created")


def fetch(address: Address, watch: Watch) -> Fetched:
    """Return a private copy of an object.

    Raises InputError if it cannot be copied, UsageError if the package for it is not installed, and the error that
    stops the command.
    """
    check_backend(address)
    what = f"Copying {visible(address.name)}"

    def attempt() -> Fetched:
        # A new file for each attempt: the thread of an abandoned one may still write to its file.
        with private_copy() as (path, file):
            facts = patiently(what, partial(_copy, address, file), watch)
            return Fetched(name=address.name, file_name=address.file_name, path=path, facts=facts)

    return trying(address, "read", attempt, watch)


def trying(address: Address, done: str, attempt: Callable[[], T], watch: Watch) -> T:
    """Return the result of an attempt; after a temporary failure it is repeated. Raises InputError."""
    for pause in (*PAUSES, None):
        try:
            return attempt()
        except LoaderError:
            raise
        except Exception as error:  # Each backend has its own errors.
            sentence, may_pass = explained(address, error, done)
            if pause is None or not may_pass:
                # No cause: a traceback in the caller's program would show the address with its secrets.
                raise InputError(sentence) from None
        watch.doing(f"Trying again: {sentence}")
        until = time.monotonic() + pause
        while time.monotonic() < until:
            watch.stop.check()
            time.sleep(0.05)
    raise AssertionError  # The last attempt returns or raises.


def _copy(address: Address, file: BinaryIO, moved: Moved) -> dict[str, str | int]:
    """Copy an object to a file and return the facts about it."""
    with _web(address) if address.is_web else _opened(address) as (stream, facts):
        moved.total = facts.get("size")
        first = True
        while block := stream.read(BLOCK):
            if first and address.is_web and _is_page(block):
                raise WebPage
            first = False
            moved.count(len(block))
            try:
                file.write(block)
            except OSError as error:
                folder = tempfile.gettempdir()
                raise InputError(
                    f"{visible(address.name)}: cannot be copied to {folder} ({error.strerror}); free some space there, "
                    "or name another folder in TMPDIR."
                ) from None
        if moved.amount < facts.get("size", 0):
            raise CutShort
    return {**facts, "size": moved.amount}


def _is_page(block: bytes) -> bool:
    return block[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


@contextmanager
def _web(address: Address) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open a web server's answer to one GET; a second GET might have another answer, or none."""
    import aiohttp  # noqa: PLC0415 - only who opens an address waits for it
    from fsspec.implementations.http import HTTPFileSystem  # noqa: PLC0415

    client = {
        "timeout": aiohttp.ClientTimeout(total=None),  # `patiently` has a limit of its own.
        "headers": {"Accept-Encoding": "identity"},
        "trust_env": True,  # For proxies, and the passwords of ~/.netrc.
    }
    ready = re.fullmatch(r"[!-~]+", address.url) is not None
    web = HTTPFileSystem(client_kwargs=client, encoded=ready, skip_instance_cache=True)
    # With a size and without blocks, fsspec does not ask for the size first, and reads in one piece.
    stream = web.open(address.url, block_size=0, size=1)
    try:
        answer = stream.r
        if address.scheme == "https" and any(each.url.scheme != "https" for each in (*answer.history, answer)):
            raise Unencrypted
        facts = _facts(answer.headers)
        if not answer.headers.get("Content-Encoding") and answer.content_length is not None:
            facts["size"] = answer.content_length
        yield stream, facts
    finally:
        stream.close()
        web.close_session(web.loop, web._session)  # Otherwise it is closed later, with a warning.


def listed(address: Address, watch: Watch) -> list[str]:
    """Return the addresses of the files that a pattern matches, or that a folder (its address ends with a /) holds.

    Raises as `fetch` does.
    """
    check_backend(address)
    work = partial(_list, address)
    shown = visible(address.name)
    return trying(address, "read", lambda: patiently(f"Looking into {shown}", work, watch), watch)


def _list(address: Address, moved: Moved) -> list[str]:
    del moved  # One answer, or few.
    files, path = file_system(address)
    if address.is_pattern:
        found = [name for name, info in files.glob(path, detail=True).items() if info["type"] != "directory"]
    else:
        found = [info["name"] for info in files.ls(path, detail=True) if info["type"] != "directory"]
    # A backend's file names lack the host or the account, so each is named by the part after the folder.
    folder = re.split(r"[*\[]", address.url, maxsplit=1)[0].rpartition("/")[0]
    base = str(files._strip_protocol(folder)).rstrip("/")
    return sorted(f"{folder}/{name[len(base) :].lstrip('/')}" for name in found)


@contextmanager
def _opened(address: Address) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open an object of any other backend; raises Changed if it was replaced meanwhile."""
    files, path = file_system(address)
    facts = _facts_of_file(files, path)
    with files.open(path, "rb", block_size=AHEAD) as stream:
        yield stream, facts
    files.invalidate_cache()
    if _facts_of_file(files, path) != facts:
        raise Changed


def file_system(address: Address) -> tuple[Any, str]:
    """Return the backend of an address, connected, and the path there; may wait for the server."""
    from fsspec.core import url_to_fs  # noqa: PLC0415

    files, path = url_to_fs(address.url, skip_instance_cache=True, **_OPTIONS.get(address.scheme, {}))
    return files, str(path)


def _facts_of_file(files: Any, path: str) -> dict[str, Any]:
    info = files.info(path)
    if info.get("type") == "directory":
        raise IsFolder
    facts = _facts(info)
    if isinstance(info.get("size"), int):
        facts["size"] = info["size"]
    return facts


def _facts(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return ETag and time of change, if the server gives them; each backend has its own names."""
    facts: dict[str, Any] = {}
    for name, keys in (("etag", _ETAGS), ("modified", _TIMES)):
        found = next((info[key] for key in keys if info.get(key)), None)
        if isinstance(found, int | float):
            found = datetime.fromtimestamp(found, UTC)
        if found is not None:
            facts[name] = found.isoformat() if isinstance(found, datetime) else str(found)
    return facts


def check_backend(address: Address) -> None:
    """Raise UsageError if the package for an address is not installed, or none is known."""
    from fsspec.registry import get_filesystem_class, known_implementations  # noqa: PLC0415

    for library in _LOGGERS:
        # Without a handler, Python would write their warnings, with full addresses, to standard error.
        logging.getLogger(library).addHandler(logging.NullHandler())
    shown = visible(address.name)
    try:
        found = get_filesystem_class(address.scheme)
        missing = "sshfs" if found.__module__ == "fsspec.implementations.sftp" else ""
    except ValueError:
        raise UsageError(
            f"{shown}: nothing is known that opens {address.scheme}:// addresses; download the file, and name that."
        ) from None
    except ImportError as error:
        package = known_implementations[address.scheme]["class"].partition(".")[0]
        missing = package if package != "fsspec" else str(getattr(error.__cause__, "name", None) or package)
        missing = {"paramiko": "sshfs", "smbclient": "smbprotocol"}.get(missing, missing)
    if missing:
        package = "'association-loader[remote]'" if missing in _IN_EXTRA else missing
        raise UsageError(
            f"{shown}: needs the package {missing}, which is not installed; install it with: pip install {package}"
        )
