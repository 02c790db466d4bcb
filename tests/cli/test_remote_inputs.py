"""Inputs by address: copied to a private file first, and then read as any other."""

import fcntl
import gzip
import json
import os
import signal
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
import pandas as pd
import pytest

import loader
from loader import terminal
from loader.fetch import objects
from loader.journal import Journal
from tests.cli.conftest import CONTACTS, Run, names, refused
from tests.faults.certificates import AUTHORITY, certificate
from tests.web import Page, Web, serving
from tests.written import hold_nowhere, lines_of

CANARY = "c0ffee-canary-5f3a"
SIGNED = f"?X-Amz-Signature={CANARY}&X-Amz-Credential=AKIA{CANARY}%2F20261129&token={CANARY}#access_token={CANARY}"
ROWS = b"object_id,to_object_id\n101,201\n102,202\n"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system in memory (`memory://`), empty, that does not end with a command."""
    monkeypatch.setattr(terminal, "ENDS_WITH_US", "-")
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture
def plan(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Plan from contacts to companies without a token."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    return lambda *words: run("plan", *words, *CONTACTS)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server that speaks TLS, trusted; what fails is tried again at once."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)
    monkeypatch.setattr(objects, "PAUSES", (0.0, 0.0))
    with serving(certificate()(), a_csv=Page(body=ROWS, headers={"ETag": '"e1"', "Last-Modified": "yesterday"})) as web:
        yield web


def test_an_object_loads_as_a_file_does(memory: Any, sandbox: Any, load: Run) -> None:
    """Results are named after the object, its folders give columns, and its facts are in the journal."""
    memory.pipe("/bucket/to_object_type=companies/people.csv", ROWS)
    done = load("memory://bucket/to_object_type=companies/people.csv", "--from", "contacts")
    assert done.code == 0, done.err
    results = Path("people.results.csv").read_text()
    assert results.count("memory://bucket/to_object_type=companies/people.csv,") == 2


def test_copies_of_a_killed_command_are_removed(
    memory: Any, sandbox: Any, load: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of commands that are alive, of others and of nobody knows whom stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(temporary := tmp_path_factory.mktemp("temporary")))
    names = ["dead", "locked-never", "alive", "young", "elsewhere"]
    folders = {name: temporary / f"association-loader-copies-{name}" for name in names}
    for name, path in folders.items():
        path.mkdir()
        if name != "locked-never":
            (path / "lock").touch()
        (path / "a.input").write_bytes(ROWS)
        if name != "young":
            os.utime(path, (1, 1))
    folders["link"] = temporary / "association-loader-copies-link"
    folders["link"].symlink_to(folders["elsewhere"].rename(temporary / "elsewhere"))
    memory.pipe("/a.csv", ROWS)
    with (folders["alive"] / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert load("memory://a.csv").code == 0
    left = [name for name, path in folders.items() if path.exists()]
    assert left == ["alive", "young", "link"]
    assert (temporary / "elsewhere" / "a.input").exists()


def test_an_object_in_the_journal(web: Web, sandbox: Any, load: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """ETag, time and size; the private copy is gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary := tmp_path_factory.mktemp("temporary")))
        assert load(f"{web.url}/a.csv").code == 0
    assert not list(temporary.iterdir())
    with Journal(Path("a.journal"), read_only=True) as journal:
        assert journal.facts.copied == {"1": {"etag": '"e1"', "modified": "yesterday", "size": len(ROWS)}}
    assert web.asked == ["/a.csv"]


def test_a_changed_object_is_a_changed_input(memory: Any, sandbox: Any, load: Run) -> None:
    """An unfinished run refuses it in a sentence; it goes on with what it began with."""
    memory.pipe("/a.csv", ROWS)
    assert load("memory://a.csv", "--limit", "1").code == 0
    memory.pipe("/a.csv", ROWS + b"103,203\n")
    refused(load("memory://a.csv"), "memory://a.csv has changed since its last load, which did not finish")
    memory.pipe("/a.csv", ROWS)
    assert load("memory://a.csv").code == 0


def test_formats_and_packings_are_known_by_their_bytes(memory: Any, plan: Run) -> None:
    """An object is read as a file of the same name is."""
    pd.DataFrame({"object_id": ["101"], "to_object_id": ["201"]}).to_parquet(Path("b.parquet"))
    memory.pipe({"/x/a.csv.gz": gzip.compress(ROWS), "/x/b.parquet": Path("b.parquet").read_bytes()})
    done = plan("memory://x/a.csv.gz", "memory://x/b.parquet")
    assert done.code == 0, done.err
    assert "3 rows, 2 pairs" in done.out


def test_patterns_and_folders_are_looked_into(memory: Any, plan: Run) -> None:
    """Their tables are inputs, in the order of their names; what a run has copied there is none."""
    for name in ("b.csv", "a.csv", "a.results.csv", "notes.md", "below/c.csv"):
        memory.pipe(f"/x/{name}", ROWS)
    for given in ("memory://x/*", "memory://x/"):
        done = plan(given)
        assert done.code == 0, done.err
        assert "4 rows" in done.out
        said = " ".join(done.out.split())
        assert f'Left out of {given}, results of earlier runs, by their names: "a.results.csv".' in said
        assert f'Left out of {given}, not tables, by their names: "notes.md".' in said
    assert "there is no file" in plan("memory://y/*.csv").err


@pytest.mark.slow
def test_every_verb_that_reads_takes_addresses(memory: Any, sandbox: Any, run: Run, load: Run) -> None:
    """remove, verify, a job file, the records of an export, and Python."""
    memory.pipe("/a.csv", ROWS)
    assert load("memory://a.csv").code == 0
    assert run("verify", "memory://a.csv", *CONTACTS).code == 0
    Path("job.toml").write_text('[[input]]\npath = "memory://a.csv"\nfrom = "contacts"\nto = "companies"\n')
    assert "2 rows" in run("plan", "--config", "job.toml").out
    done = run("export", "contacts", "companies", "--ids", "memory://a.csv", "--output", "-")
    assert done.code == 0, done.err
    assert "101,0-2,201" in done.out
    assert run("remove", "memory://a.csv", *CONTACTS, "--yes").code == 0
    report = loader.load_sync("memory://a.csv", from_="contacts", to="companies", results="python.results.csv")
    assert (report.exit_code, list(report.results["status"])) == (0, ["created", "created"])


# --- secrets


@pytest.mark.parametrize(
    "given",
    [
        f"https://ada:{CANARY}@127.0.0.1:1/a.csv",
        f"https://{CANARY}@127.0.0.1:1/a.csv",
        f"sftp://ada:{CANARY}@127.0.0.1:1/a.csv",
        f"sftp://ada%3A{CANARY}@127.0.0.1:1/a.csv",
        f"sftp://ada:x/{CANARY}@127.0.0.1:1/a.csv",
        f"s3://AKIA:{CANARY}@bucket/*.csv",
    ],
)
def test_a_password_in_an_address_is_refused(given: str, run: Run) -> None:
    """Before anything is opened or written, and without showing it."""
    for words in (("load", given, *CONTACTS), ("export", "contacts", "companies", "--ids", given, "--output", "x.csv")):
        done = run(*words, "--log-file", "log.jsonl")
        assert done.code == 2
        assert "leave the password out" in done.err
        assert CANARY not in done.err + done.out
    assert not names()


def test_secrets_of_a_query_are_nowhere(web: Web, sandbox: Any, load: Run, run: Run) -> None:
    """A signed link loads, is resumed, fails, and breaks the loader: its query is in no byte that was written."""
    address = f"{web.url}/a.csv{SIGNED}"
    said = [load(address, "--limit", "1", "--log-file", "log.jsonl", "--json")]
    said += [load(address, "--log-file", "log.jsonl"), run("status"), run("report", "a.results.csv")]
    assert [done.code for done in said] == [0] * 4, said
    assert f"{web.url}/a.csv?***" in Path("a.results.csv").read_text()
    web.pages["/a.csv"].body = ROWS + b"bad,1\n"
    said += [load(address, "--limit", "2", "--log-file", "log.jsonl"), run("status", "--json")]
    web.pages["/a.csv"].status = 403
    said += [load(address), load(f"{web.url}/none.csv{SIGNED}"), load(f"https://127.0.0.1:1/a.csv{SIGNED}")]
    said += [load("a.csv", f"--results={address}"), load(f"nope://a/b{SIGNED}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loader.run.session.open_inputs", _fails_with_its_words)
        said += [load(address, "--log-file", "bug.log")]
        assert said[-1].code == 70
    written = "".join(file.read_bytes().decode("latin-1") for file in Path().rglob("*") if file.is_file())
    for secret in (CANARY, "AKIA"):
        assert secret not in written
        assert not [done for done in said if secret in done.out + done.err]


def _fails_with_its_words(*groups: Any, **_: Any) -> None:
    raise RuntimeError(groups[0].inputs[0])


def test_two_links_that_differ_in_their_secrets_are_two_inputs(web: Web, sandbox: Any, load: Run) -> None:
    """Each has a name of its own in the results."""
    assert load(f"{web.url}/a.csv?key={CANARY}", f"{web.url}/a.csv?key=other", f"{web.url}/a.csv?format=csv").code == 0
    results = Path("a.results.csv").read_text()
    for name in ("a.csv?***,", "a.csv?*** (2),", "a.csv?format=csv,"):
        assert results.count(name) == 2
    assert "put it back" in load(f"{web.url}/a.csv?***").err


# --- what goes wrong


def test_a_page_of_a_google_sheet_says_which_address_its_table_has(plan: Run) -> None:
    """The page on which it is edited is no table."""
    done = plan("https://docs.google.com/spreadsheets/d/1aB-c/edit?usp=sharing#gid=7")
    assert done.code == 2
    assert "give https://docs.google.com/spreadsheets/d/1aB-c/export?format=csv&gid=7" in done.err.replace("\n", "")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (Page(status=404), "is not there; check the address"),
        (Page(status=403), "may not be read with the credentials that were found (403)"),
        (Page(status=503), "the server does not answer as it should (503)"),
        (Page(body=b"<!DOCTYPE html><html>Sign in</html>"), "answers with a web page, not with a table"),
        (Page(body=ROWS, missing=100), "ended before all of it had come"),
        (Page(body=ROWS, missing=100, silent=True), "the server is silent for longer than --timeout allows"),
        (Page(status=302, headers={"Location": "http://127.0.0.1:{port}/a.csv"}), "without encryption"),
        (Page(status=302, headers={"Location": "/a.csv"}), "leads on to no web address, or round in a circle"),
        (Page(status=302, headers={"Location": "s3://u:canary@b/x?sig=canary"}), "leads on to no web address"),
    ],
    ids=["404", "403", "503", "web page", "cut short", "silent", "http", "circle", "other kind"],
)
def test_what_goes_wrong_is_one_sentence(page: Page, sentence: str, web: Web, plan: Run) -> None:
    with serving(a_csv=Page(body=ROWS)) as plain:
        page.headers = {name: value.format(port=plain.url.rpartition(":")[2]) for name, value in page.headers.items()}
        web.pages["/a.csv"] = page
        done = plan(f"{web.url}/a.csv", "--timeout", "0.1" if page.silent else "30")
    assert done.code == 2
    assert sentence in done.err
    assert done.err.startswith(f"association-loader: {web.url}/a.csv: ")
    assert done.err.count("\n") == 1
    assert "canary" not in done.err


@pytest.mark.slow
def test_no_host_no_certificate_no_backend(web: Web, plan: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS, TLS and a package that is missing: what to look at is named."""
    assert "no host of this name (DNS)" in plan("https://nowhere.invalid/a.csv").err
    assert "the connection failed or was cut" in plan("https://[::1]:1/a.csv").err
    assert "a chain of addresses" in plan("zip://a.csv::s3://bucket/a.zip").err
    with serving(certificate(days=-1)(), a_csv=Page(body=ROWS)) as expired:
        assert "certificate is not valid" in plan(f"{expired.url}/a.csv").err
    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs"), ("abfs", "adlfs"), ("sftp", "sshfs")):
        sys.modules["fsspec.registry"]._registry.pop(scheme, None)
        monkeypatch.setitem(sys.modules, package, None)
        refused(
            plan(f"{scheme}://bucket/a.csv"),
            f"needs the package {package}, which is not installed",
            "pip install 'association-loader[remote]'",
        )


def test_without_encryption_is_said(plan: Run) -> None:
    """An http address is read, and the plan has a note."""
    with serving(a_csv=Page(body=ROWS)) as plain:
        done = plan(f"{plain.url}/a.csv")
    assert done.code == 0
    assert "It came without encryption (http)" in done.out


def test_what_fails_for_a_moment_is_tried_again(web: Web, plan: Run) -> None:
    """A server that is overloaded, and then not any more."""
    web.pages["/a.csv"].refusals = [503, 429]
    assert plan(f"{web.url}/a.csv").code == 0
    assert len(web.asked) == 3


def test_a_signal_ends_the_copying(web: Web, load: Run) -> None:
    """Of a server that is silent, too: nothing is left behind."""
    web.pages["/a.csv"] = Page(body=ROWS, missing=100, silent=True)

    def interrupt() -> None:
        while not web.asked:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    done = load(f"{web.url}/a.csv")
    assert done.code == 143, done.err
    assert not names()


# --- copies


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("place", ["memory://runs/tonight", "backup/tonight", "file://{folder}/backup/tonight"])
def test_files_of_a_run_are_copied(place: str, memory: Any, sandbox: Any, load: Run, run: Run, folder: Path) -> None:
    """Results, failures and summary; the same command once more copies the report, too, and a run that stops early."""
    (folder / "a.csv").write_bytes(ROWS + b"bad,203\n")
    place = place.format(folder=folder)
    assert load("a.csv", "--copy-to", place, "--limit", "1").code == 0
    assert load("a.csv", "--copy-to", place).code == 1
    assert run("report", "a.results.csv").code == 0
    done = load("a.csv", "--copy-to", place, "--json")
    assert done.code == 1
    assert done.events[-1]["exit_code"] == 1
    names = ["a.failures.csv", "a.report.html", "a.results.csv", "a.summary.json"]
    if place.startswith("memory"):
        copies = {Path(name).name: memory.cat(name) for name in memory.ls("/runs/tonight", detail=False)}
    else:
        copies = {file.name: file.read_bytes() for file in (folder / "backup" / "tonight").iterdir()}
        assert {file.stat().st_mode & 0o777 for file in (folder / "backup" / "tonight").iterdir()} == {0o600}
    assert copies == {name: (folder / name).read_bytes() for name in names}


def test_a_failed_copy_is_exit_6(
    memory: Any, sandbox: Any, hubspot: Any, load: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6 in place of 0 and 1, and no other; nothing is lost, and the same command copies again."""
    monkeypatch.setattr(objects, "PAUSES", (0.0, 0.0))
    Path("a.csv").write_bytes(ROWS)
    Path("backup").write_bytes(b"a file")

    def refuse(address: Any) -> None:
        raise ConnectionResetError(address.url)

    for place in (f"memory://runs?sig={CANARY}", "backup"):
        with monkeypatch.context() as patch:
            patch.setattr("loader.fetch.copies.file_system", refuse)
            done = load("a.csv", "--copy-to", place, "--json", "--quiet")
        summary = json.loads(Path("a.summary.json").read_text())
        assert (done.code, summary["exit_code"]) == (6, 6)
        assert done.events[-1].items() >= summary.items()
        assert "--copy-to failed, and the files are here" in done.err
        assert place.partition("?")[0] in summary["next_command"]
        assert len(lines_of(Path("a.results.csv"))) == 2
        assert CANARY not in done.err + done.out
        hold_nowhere(CANARY, Path())
    assert load("a.csv", "--copy-to", "memory://x").code == 0
    assert json.loads(memory.cat("/x/a.summary.json"))["exit_code"] == 0
    with hubspot(faults=[{"fault": "477", "times": 1}]):
        assert load("a.csv", "--copy-to", "backup", "--fresh").code == 5


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("place", ["memory://share", "share"])
def test_corrections_at_the_place_of_the_copies_are_kept(place: str, memory: Any, sandbox: Any, load: Run) -> None:
    """Under a dated name, be it the same run or the next night's; a copy that nobody has touched is replaced."""
    Path("share").mkdir()

    def there() -> dict[str, bytes]:
        if place == "share":
            return {file.name: file.read_bytes() for file in Path("share").glob("*failures.csv")}
        return {name.rpartition("/")[2]: memory.cat(name) for name in memory.glob("/share/*failures.csv")}

    def correct() -> None:
        content = there()["a.failures.csv"].replace(b"bad", b"103")
        memory.pipe("/share/a.failures.csv", content)
        Path("share/a.failures.csv").write_bytes(content)

    for night in range(3):  # The first run, the next night's, and that of the night after the corrections.
        Path("a.csv").write_bytes(ROWS + b"bad,%d\n" % (203 + night))
        done = load("a.csv", "--copy-to", place)
        assert done.code == 1
        if night < 2:
            assert list(there()) == ["a.failures.csv"], "nobody has touched that of the night before"
        if night == 1:
            correct()
    kept, last = sorted(there().items())
    assert b"103,204" in kept[1]
    assert last == ("a.failures.csv", Path("a.failures.csv").read_bytes())
    assert (
        f"a.failures.csv has been changed at {place} since it was copied there, so it is kept there as {kept[0]}"
        in (done.err)
    )
    correct()
    assert load("a.csv", "--copy-to", place).code == 1
    assert len(there()) == 3, "also where the same command copies again"


def test_a_copy_that_would_end_with_the_command_is_refused(sandbox: Any, load: Run) -> None:
    """It would be copied, and be gone."""
    Path("a.csv").write_bytes(ROWS)
    refused(load("a.csv", "--copy-to", "memory://share"), "--copy-to memory://share is the memory of this command")
    assert not sandbox.requests


@pytest.mark.parametrize("place", ["memory://in", "in", "file://{folder}/in"])
def test_no_copy_takes_the_place_of_an_input(place: str, memory: Any, sandbox: Any, load: Run, folder: Path) -> None:
    """A failures file that is loaded from the folder that the new one would be copied to; nothing is sent."""
    (folder / "in").mkdir()
    (folder / "in" / "a.failures.csv").write_bytes(ROWS + b"bad,203\n")
    memory.pipe("/in/a.failures.csv", ROWS + b"bad,203\n")
    given = "memory://in/a.failures.csv" if place.startswith("memory") else "in/a.failures.csv"
    refused(
        load(given, "--results", "a.results.csv", "--copy-to", place.format(folder=folder)),
        "the copy of a.failures.csv would overwrite the input",
    )
    assert not sandbox.requests
    assert (folder / "in" / "a.failures.csv").read_bytes() == memory.cat("/in/a.failures.csv") == ROWS + b"bad,203\n"


def test_where_nothing_can_be_copied_is_said_before_anything_is_sent(sandbox: Any, load: Run) -> None:
    """A web page, the folder of the files themselves, what no package opens, an address with a password."""
    Path("a.csv").write_bytes(ROWS)
    for place, why in {
        "https://127.0.0.1/x": "nothing can be written to a web address",
        ".": "is the folder of the files themselves",
        "nope://x": "nothing is known that opens nope://",
        f"sftp://ada:{CANARY}@host/": "leave the password out",
    }.items():
        done = load("a.csv", "--copy-to", place)
        assert done.code == 2
        assert why in done.err
        assert CANARY not in done.err
    for word in ("--results", "--failures", "--log-file", "--metrics-file", "--token-file", "--config"):
        done = load("a.csv", word, f"s3://bucket/a.results.csv{SIGNED}")
        assert done.code == 2
        assert (
            f"{word} needs a file of this machine, not an address; load --copy-to copies results elsewhere" in done.err
        )
        assert CANARY not in done.err
    assert names() == ["a.csv"]
