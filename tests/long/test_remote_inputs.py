"""The same rows from this machine, S3, sftp and https, with real servers: the same results, and as little memory."""

import json
import re
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from loader.sandbox import Sandbox, SandboxThread
from tests.faults.certificates import AUTHORITY, certificate
from tests.long.servers import S3_SECRET, s3, sftp
from tests.slow.command import command
from tests.web import Page, Web, serving
from tests.written import hold_nowhere

ROWS = 100_000
MOST_MORE_MEMORY = 60 << 20
LOAD = ("--from", "contacts", "--to", "companies", "--rate", "99999/1", "--method", "batch", "--results", "r.csv")
DIFFERS_EACH_TIME = ["finished_at", "correlation_id"]


@dataclass(kw_only=True)
class Places:
    """Where the rows lie: addresses by what they are, and the environment in which a command can open them."""

    local: Mapping[str, Path]
    addresses: Mapping[str, str]
    environment: Mapping[str, str]
    bucket: Any
    web: Web


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """The rows as CSV and as Parquet, on four servers."""
    folder = tmp_path_factory.mktemp("places")
    rows = range(1, ROWS + 1)
    frame = pd.DataFrame(
        {"object_id": [f"{7 * row}" for row in rows], "to_object_id": [f"{row % 9973 + 1}" for row in rows]}
    )
    local = {"csv": folder / "rows.csv", "parquet": folder / "rows.parquet"}
    frame.to_csv(local["csv"], index=False)
    frame.to_parquet(local["parquet"], index=False)
    AUTHORITY.cert_pem.write_to_path(str(folder / "authority.pem"))
    csv = local["csv"].read_bytes()
    with s3("bucket") as (s3_environment, client), sftp(folder) as (sftp_environment, server):
        for file in local.values():
            client.put_object(Bucket="bucket", Key=f"night/{file.name}", Body=file.read_bytes())
        with serving(certificate()(), rows_csv=Page(body=csv, headers={"ETag": '"1"'})) as web:
            yield Places(
                local=local,
                addresses={
                    "S3, CSV": "s3://bucket/night/rows.csv",
                    "S3, Parquet": "s3://bucket/night/rows.parquet",
                    "sftp": f"{server}{local['csv']}",
                    "https": f"{web.url}/rows.csv",
                },
                environment={
                    **s3_environment,
                    **sftp_environment,
                    "SSL_CERT_FILE": str(folder / "authority.pem"),
                },
                bucket=client,
                web=web,
            )


@dataclass(kw_only=True)
class Ended:
    """A command that ended: its exit code, what it said, and the most memory that it had, in bytes."""

    code: int
    said: str
    memory: int


def loaded(places: Places, sandbox: Sandbox, folder: Path, *words: str) -> Ended:
    folder.mkdir(exist_ok=True)
    with (folder / "said.txt").open("wb") as said:
        process = command(sandbox, folder, "load", *words, *LOAD, stderr=said, **places.environment)
        memory = 0
        while process.poll() is None:
            memory = max(memory, most_memory(process.pid))
            time.sleep(0.02)
    return Ended(code=process.returncode, said=" ".join((folder / "said.txt").read_text().split()), memory=memory)


def most_memory(process: int) -> int:
    """Return the most that a process has had, in bytes; what the system says at its end counts the parent's, too."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) << 10 if found else 0


def results(folder: Path) -> pd.DataFrame:
    found = pd.read_csv(folder / "r.csv", dtype="str", keep_default_na=False).drop(columns=DIFFERS_EACH_TIME)
    return found.assign(row=found["row"].astype(int)).sort_values("row", ignore_index=True)


def test_the_same_rows_give_the_same_results_from_everywhere(places: Places, tmp_path: Path) -> None:
    """But for the input's name; and it takes hardly more memory than the file of this machine."""
    with SandboxThread() as sandbox:
        ends = {"local, CSV": loaded(places, sandbox, tmp_path / "local", str(places.local["csv"]))}
    with SandboxThread() as sandbox:
        ends["local, Parquet"] = loaded(places, sandbox, tmp_path / "parquet", str(places.local["parquet"]))
    expected = results(tmp_path / "local").drop(columns="input")
    assert len(expected) == ROWS
    for name, address in places.addresses.items():
        with SandboxThread() as sandbox:
            ends[name] = loaded(places, sandbox, tmp_path / name, address, "--log-file", "log.jsonl")
        assert ends[name].code == 0, ends[name].said
        found = results(tmp_path / name)
        assert set(found["input"]) == {address}
        pd.testing.assert_frame_equal(found.drop(columns="input"), expected)
        hold_nowhere(S3_SECRET, tmp_path / name)
    print({name: f"{end.memory / (1 << 20):.0f} MB" for name, end in ends.items()})
    for name, end in ends.items():
        of_file = ends["local, Parquet" if "Parquet" in name else "local, CSV"].memory
        assert end.memory - of_file < MOST_MORE_MEMORY


@pytest.mark.parametrize("name", ["S3, Parquet", "sftp"])
def test_killed_and_resumed_it_loads_every_row_once(name: str, places: Places, tmp_path: Path) -> None:
    """The copy that the killed command left is not used; a changed object is refused in a sentence."""
    address = places.addresses[name]
    with SandboxThread(latency="30ms") as sandbox:
        process = command(
            sandbox, tmp_path, "load", address, *LOAD, "--concurrency", "1", stderr=None, **places.environment
        )
        while len(sandbox.requests) < 10:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if name.startswith("S3"):
            key = {"Bucket": "bucket", "Key": "night/rows.parquet"}
            before = places.bucket.get_object(**key)["Body"].read()
            places.bucket.put_object(**key, Body=pd.DataFrame({"object_id": ["1"], "to_object_id": ["2"]}).to_parquet())
            changed = loaded(places, sandbox, tmp_path, address)
            places.bucket.put_object(**key, Body=before)
        else:
            before = places.local["csv"].read_bytes()
            places.local["csv"].write_bytes(before + b"1,2\n")
            changed = loaded(places, sandbox, tmp_path, address)
            places.local["csv"].write_bytes(before)
        assert changed.code == 2
        assert f"{address} has changed since its last load, which did not finish" in changed.said
        ended = loaded(places, sandbox, tmp_path, address)
        assert ended.code == 0, ended.said
        found = results(tmp_path)
        assert list(found["row"]) == list(range(2, ROWS + 2))
        summary = json.loads((tmp_path / "r.summary.json").read_text())
        assert summary["rows"]["total"] == summary["rows"]["created"] + summary["rows"]["unchanged"] == ROWS


def test_what_is_missing_or_refused_is_said_in_a_sentence(places: Places, tmp_path: Path) -> None:
    """No object, no bucket, no right, no key of the server that is known, no file."""
    server = places.addresses["sftp"].rpartition("@")[2].partition("/")[0]
    (tmp_path / "elsewhere" / ".ssh").mkdir(parents=True)
    with SandboxThread() as sandbox:
        for address, environment, why in (
            ("s3://bucket/none.csv", {}, "is not there"),
            ("s3://nobody/none.csv", {}, "is not there"),
            ("s3://bucket/night/rows.csv", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials"),
            (f"sftp://root@{server}/none.csv", {}, "is not there"),
            (f"sftp://root@{server}/none.csv", {"HOME": str(tmp_path / "elsewhere")}, "is not in ~/.ssh/known_hosts"),
            (f"sftp://nobody@{server}/none.csv", {}, "may not be read with the credentials"),
        ):
            given = replace(places, environment={**places.environment, **environment})
            ended = loaded(given, sandbox, tmp_path / "x", address)
            assert ended.code == 2, ended.said
            assert why in ended.said
            assert ended.said.startswith(f"association-loader: {address}: ")
            assert "Traceback" not in ended.said


@pytest.mark.parametrize("name", ["S3", "sftp"])
def test_patterns_are_matched_and_files_are_copied_there(name: str, places: Places, tmp_path: Path) -> None:
    """A run of a pattern's objects leaves its files in the bucket, or on the server, byte for byte."""
    there = tmp_path / "there"
    server = places.addresses["sftp"].removeprefix("sftp://").partition("/")[0]
    place = "s3://bucket/runs/tonight/" if name == "S3" else f"sftp://{server}{there}/"
    pattern = f"{places.addresses['S3, CSV' if name == 'S3' else 'sftp'].rpartition('/')[0]}/rows.c*"
    with SandboxThread() as sandbox:
        ended = loaded(places, sandbox, tmp_path / "run", pattern, "--limit", "3", "--copy-to", place)
    assert ended.code == 0, ended.said
    for file in ("r.csv", "r.summary.json"):
        if name == "S3":
            copy = places.bucket.get_object(Bucket="bucket", Key=f"runs/tonight/{file}")["Body"].read()
        else:
            copy = (there / file).read_bytes()
        assert copy == (tmp_path / "run" / file).read_bytes()
