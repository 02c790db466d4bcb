"""The files of samples/nightly/: checked by the tools of the schedulers that they are for, and run by the real ones."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loader.sandbox import SandboxThread
from tests.slow.nightly import NIGHTLY, Night

ROOT = Path(__file__).parents[2]
SCHEDULERS = ROOT / ".venv" / "schedulers" / "bin"


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    """A folder as the page describes it, and a sandbox for its loads."""
    with SandboxThread() as sandbox:
        yield Night(tmp_path, sandbox)


def run(*words: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said."""
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def test_cron_takes_the_crontab(tmp_path: Path) -> None:
    """cron's own check finds nothing wrong, and does find a mistake."""
    done = run("crontab", "-n", NIGHTLY / "crontab", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong"
    wrong.write_text((NIGHTLY / "crontab").read_text().replace("30 2 *", "30 25 *"))
    assert run("crontab", "-n", wrong, cwd=tmp_path).returncode != 0


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """systemd's own check finds nothing wrong with service and timer, but for where the loader is and who runs it."""
    names = ("association-loader.service", "association-loader.timer")
    command = str(Path(sys.executable).with_name("association-loader"))
    for name in names:
        text = (NIGHTLY / name).read_text().replace("/srv/associations/.venv/bin/association-loader", command)
        (tmp_path / name).write_text(text.replace("/srv/associations", str(tmp_path)).replace("=associations", "=root"))
    done = run("systemd-analyze", "verify", *(tmp_path / name for name in names), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    service = tmp_path / names[0]
    service.write_text(service.read_text().replace("Restart=on-failure", "Restart=sometimes"))
    assert "restart specifier" in run("systemd-analyze", "verify", service, cwd=tmp_path).stdout


def test_github_takes_the_workflow(tmp_path: Path) -> None:
    """The workflow follows GitHub's schema."""
    check = SCHEDULERS / "check-jsonschema"
    done = run(check, "--builtin-schema", "vendor.github-workflows", NIGHTLY / "github-actions.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("faults", "token", "state", "said"),
    [
        ([], "any", "success", "Returned value was: 1"),
        ([{"fault": 477, "times": 1}], "any", "up_for_retry", "exit code 5: not finished"),
        ([], "wrong token", "failed", "exit code 2"),
        ([{"fault": 401, "path": "/crm"}], "any", "failed", "exit code 3"),
    ],
    ids=["finished", "stopped for now", "wrong command", "refused"],
)
def test_airflow_runs_the_dag(faults: list[dict[str, object]], token: str, state: str, said: str, night: Night) -> None:
    """A finished load is a success, one that stopped for now is tried again, one that needs a person is not."""
    night.strike(faults)
    home = night.folder / "airflow"
    (home / "dags").mkdir(parents=True)
    text = (NIGHTLY / "airflow_dag.py").read_text()
    (home / "dags" / "associations.py").write_text(text.replace("timedelta(hours=1)", "timedelta(seconds=1)"))
    environment = {
        **night.environment(HUBSPOT_ACCESS_TOKEN=token),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": f"{SCHEDULERS}{os.pathsep}{os.environ['PATH']}",
    }
    migrated = run(SCHEDULERS / "airflow", "db", "migrate", cwd=home, environment=environment)
    assert migrated.returncode == 0, migrated.stdout
    words = ("dags", "test", "hubspot_associations", "2026-11-24")
    done = run(SCHEDULERS / "airflow", *words, cwd=home, environment=environment)
    assert said in done.stdout, done.stdout
    assert f"new_state={state}" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("faults", "token", "ends", "loads"),
    [
        ([], "any", "ended with 1", 1),
        ([{"fault": 477, "times": 1}], "any", "ended with 1", 2),
        ([], "wrong token", "NeedsAPersonError", 1),
    ],
    ids=["finished", "stopped for now", "wrong command"],
)
def test_prefect_runs_the_flow(
    faults: list[dict[str, object]], token: str, ends: str, loads: int, night: Night
) -> None:
    """A finished load is a success, one that stopped for now is tried again, one that needs a person is not."""
    night.strike(faults)
    program = (
        "import prefect_flow as sample\n"
        "sample.load = sample.load.with_options(retry_delay_seconds=0)\n"
        "print('ended with', sample.hubspot_associations())\n"
    )
    environment = {
        **night.environment(HUBSPOT_ACCESS_TOKEN=token, ASSOCIATION_LOADER_LOG_FILE="load.log"),
        "PYTHONPATH": str(NIGHTLY),
        "PREFECT_HOME": str(night.folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    (night.folder / "prefect").mkdir()
    done = run(SCHEDULERS / "python", "-c", program, cwd=night.folder, environment=environment)
    assert ends in done.stdout, done.stdout
    assert night.commands() == loads
