"""The nightly samples' own scripts: what they print, how they end, when they try again."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loader.journal import Lock
from loader.sandbox import SandboxThread
from tests.slow.nightly import NIGHTLY, Night


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    """A folder as the page describes it, and a sandbox for its loads."""
    with SandboxThread() as sandbox:
        yield Night(tmp_path, sandbox)


def script(night: Night, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run nightly.sh as cron would."""
    return subprocess.run(
        [str(NIGHTLY / "nightly.sh"), *options],
        env=night.environment(ASSOCIATIONS_PAUSE="0", **environment),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_good_night_prints_nothing_so_cron_sends_no_mail(night: Night) -> None:
    """Exit 0 and silence; the results and the log lie in the folder, readable by their owner only."""
    night.write("11,21\n12,22\n")
    done = script(night)
    assert (done.returncode, done.stdout) == (0, "")
    for name in ("nightly.results.csv", "nightly.summary.json", "nightly.journal", "load.log"):
        assert (night.folder / name).stat().st_mode & 0o077 == 0


def test_wrong_rows_are_reported_and_the_night_is_done(night: Night) -> None:
    """Exit 1 with one sentence that says where to look."""
    done = script(night)
    assert done.returncode == 1
    assert f"see the failures file {night.folder}/nightly.failures.csv\n" in done.stdout
    assert "Rows: total: 4, created: 3, replaced: 0, unchanged: 0, failed: 0, rejected: 1, pending: 0\n" in done.stdout
    assert (night.folder / "nightly.failures.csv").exists()
    assert (night.folder / "nightly.prom").stat().st_mode & 0o777 == 0o644, "another user reads it, whatever the umask"


def test_the_next_command_of_a_night_works_once_its_file_is_corrected(night: Night) -> None:
    """It is the same one, because the inputs stand in the job; what was loaded before is not sent again."""
    assert script(night).returncode == 1
    following = json.loads((night.folder / "nightly.summary.json").read_text())["next_command"]
    assert following.startswith("association-loader load --config job.toml")
    night.write("11,21\n12,22\n13,23\n14,24\n")
    command = following.replace("association-loader", str(night.command), 1)
    done = subprocess.run(command, shell=True, env=night.environment(), cwd=night.folder, check=False)  # noqa: S602
    assert done.returncode == 0
    assert night.sandbox.count("PUT") == 4


def test_a_file_without_a_row_is_said(night: Night) -> None:
    """It is no failure, but somebody should know: cron mails it."""
    night.write("")
    done = script(night)
    assert done.returncode == 0
    assert "contacts_companies.csv holds no rows: nothing is loaded from it" in done.stdout


def test_a_second_load_says_that_an_earlier_one_is_at_work(night: Night) -> None:
    """It needs nobody, and its code is not that of a wrong job."""
    with Lock(night.folder / "nightly.journal"):
        done = script(night)
    assert done.returncode == 75
    assert re.search(r"process [0-9]+ is working on these files \(since 20[0-9-]+ [0-9:]+ UTC\)", done.stdout)
    assert "An earlier load is still at work, so this one did nothing" in done.stdout
    assert night.sandbox.count("PUT") == 0


def test_a_night_that_stopped_is_tried_again(night: Night) -> None:
    """Exit 5 is tried again until it is not, and nothing is sent twice."""
    night.strike([{"fault": 477, "times": 2}])
    done = script(night)
    assert done.returncode == 1
    assert night.commands() == 3
    assert night.sandbox.count("PUT", status=201) + night.sandbox.count("PUT", status=200) == 3


def test_a_night_that_never_ends_is_exit_5(night: Night) -> None:
    """After the last try the code is 5."""
    night.strike([{"fault": 477}])
    done = script(night, ASSOCIATIONS_TRIES="2")
    assert done.returncode == 5
    assert night.commands() == 2
    assert "Nothing is lost" in done.stdout


def test_what_needs_a_person_is_not_tried_again(night: Night) -> None:
    """A token that HubSpot refuses: one try, its message, and the sentence for the mail."""
    night.strike([{"fault": 401, "path": "/crm"}])
    done = script(night)
    assert done.returncode == 3
    assert night.commands() == 1
    assert "needs a person (exit code 3)" in done.stdout


def test_the_next_night_sends_only_the_change(night: Night) -> None:
    """A file that is almost the same costs one read and the new pair."""
    night.write("11,21\n12,22\n")
    assert script(night).returncode == 0
    sent = night.sandbox.count("PUT")
    night.write("11,21\n12,22\n13,23\n")
    assert script(night).returncode == 0
    assert night.sandbox.count("PUT") == sent + 1
    rows = json.loads((night.folder / "nightly.summary.json").read_text())["rows"]
    assert (rows["created"], rows["unchanged"]) == (1, 2)
    assert len(list(night.folder.glob("nightly.2*.results.csv"))) == 1


def test_the_workflows_script_tells_github_what_each_code_means(night: Night) -> None:
    """Done with wrong rows is a warning, what needs a person fails the job."""
    text = (NIGHTLY / "github-actions.yml").read_text()
    step = text.split("      - name: Load\n")[1].split("      - name:")[0].split("        run: |\n")[1]
    lines = "\n".join(line.removeprefix("          ") for line in step.splitlines())
    command = lines.replace(".venv/bin/association-loader", str(night.command))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-c", command],
            env=night.environment(),
            cwd=night.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = run()
    assert done.returncode == 0
    assert "::warning::Some rows" in done.stdout
    assert (night.folder / "state" / "nightly.journal").exists()
    night.write("12,23\n")
    night.strike([{"fault": 401, "path": "/crm"}])
    done = run()
    assert done.returncode == 3
    assert "::error::The load needs a person (exit code 3)" in done.stdout
