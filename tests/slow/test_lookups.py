"""Looking records up keeps to the rate, and a load that is killed at it asks only for the rest when it comes back."""

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from loader.sandbox import Sandbox, SandboxThread
from tests.slow.command import command

VALUES = 6000
KILLS = 3
IN_FLIGHT = 10 * 100
"""Values that may be looked up again after a kill: ten requests of a hundred."""


def start(sandbox: Sandbox, folder: Path, rate: str = "200/1") -> subprocess.Popen[bytes]:
    words = ("--from", "contacts", "--to", "companies", "--from-id-property", "email", "--rate", rate, "--quiet")
    return command(sandbox, folder, "load", "a.csv", *words)


def lookups_by_value(sandbox: Sandbox) -> Counter[str]:
    """How often each value was looked up; what records are associated with is read by another path."""
    lookups = [each for each in sandbox.requests if "/objects/" in each.path and each.path.endswith("/batch/read")]
    bodies = [json.loads(each.body or b"") for each in lookups]
    return Counter(each["id"] for body in bodies for each in body["inputs"])


def test_a_killed_load_looks_up_no_value_twice_but_those_in_flight(tmp_path: Path) -> None:
    """Three kills in the middle; in the end every row has a result, and nothing was sent before all was known."""
    lines = [f"n{number}@example.com,{number}\n" for number in range(1, VALUES + 1)]
    (tmp_path / "a.csv").write_text("from_id,to_id\n" + "".join(lines))
    records = [{"type": "contacts", "id": str(n), "properties": {"email": f"n{n}@example.com"}} for n in range(1, 20)]
    with SandboxThread({"records": records}, latency="150ms", record_bodies=True) as sandbox:
        for kill in range(1, KILLS + 1):
            process = start(sandbox, tmp_path)
            deadline = time.monotonic() + 30
            while sum(lookups_by_value(sandbox).values()) < kill * 1500:
                assert time.monotonic() < deadline, "waited in vain"
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert sandbox.count("PUT") == 0
        assert start(sandbox, tmp_path).wait(timeout=60) == 1
        times = lookups_by_value(sandbox)
    assert len(times) == VALUES
    again = sum(times.values()) - VALUES
    print(f"{again} values looked up again after {KILLS} kills")
    assert again <= KILLS * IN_FLIGHT
    rows = json.loads((tmp_path / "a.summary.json").read_text())["rows"]
    assert (rows["created"], rows["rejected"]) == (19, VALUES - 19)
    assert not list(tmp_path.glob("*lookups*"))


def test_lookups_keep_to_the_rate(tmp_path: Path) -> None:
    """They take permits like everything else: HubSpot refuses none, and no window has more."""
    lines = [f"n{number}@example.com,{number}\n" for number in range(1, VALUES + 1)]
    (tmp_path / "a.csv").write_text("from_id,to_id\n" + "".join(lines))
    with SandboxThread(
        {"records": [{"type": "contacts", "id": "1", "properties": {"email": "x"}}]}, rate="20/1"
    ) as sandbox:
        assert start(sandbox, tmp_path, "20/1").wait(timeout=60) == 1
        assert (sandbox.count("POST"), sandbox.count(status=429)) == (VALUES // 100, 0)
        assert sandbox.max_window <= 20
