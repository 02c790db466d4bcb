"""Load twelve accounts of a simulated HubSpot as a fleet, with the table of what each is doing: make demo-fleet.

Starts the sandbox as a process of its own, runs `samples/fleet` with the commands that a user would type, and ends the
sandbox. All files are in `demo-fleet/` in the working folder, which is emptied at each start. Exit code 0 when every
account ended as it should, else 1. `--quick` all but leaves out the rate limit.
"""
# ruff: noqa: INP001 - a folder of samples is no package

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from demo import RATE, SAMPLES, clean_environment, heading, leave, our_process, prepare, sandbox, say, show_command

FOLDER = Path("demo-fleet")
WANTED = {"birch": 1, "grove": 2, "juniper": 1}
"""Exit codes of the accounts in which something is wrong on purpose: rows, and a label that is not there."""


def main(*, quick: bool) -> int:
    """Run the demo and return its exit code."""
    signal.signal(signal.SIGTERM, leave)
    prepare(FOLDER)
    shutil.copytree(SAMPLES / "fleet", FOLDER, dirs_exist_ok=True)
    how = ["--rate", "1000/1"] if quick else ["--rate", RATE, "--latency", "60ms"]
    with sandbox(FOLDER, "--portals", "12", "--portal", str(SAMPLES / "portal.json"), "--seed", "7", *how) as url:
        profiles = FOLDER / "profiles.toml"
        profiles.write_text(profiles.read_text("utf-8").replace("http://127.0.0.1:8642", url), "utf-8")
        heading("The fleet: four accounts at a time, the longest first")
        say(f"$ cd {FOLDER}; export ASSOCIATION_LOADER_PROFILES=profiles.toml")
        code = _command("run", "FLEET.toml")
        heading("Where each account stands; this can be asked while the fleet runs, too")
        _command("status", "FLEET.toml")
    summary = json.loads((FOLDER / "runs" / "fleet.summary.json").read_text("utf-8"))
    found = {each["profile"]: each["exit_code"] for each in summary["portals"] if each["exit_code"]}
    if (code, found) != (2, WANTED):
        heading(f"Not as expected: exit code {code}, not 2, or of the accounts {found}, not {WANTED}")
        return 1
    _close()
    return 0


def _command(*words: str) -> int:
    show_command(["fleet", *words])
    environment = clean_environment({"ASSOCIATION_LOADER_PROFILES": "profiles.toml"})
    return subprocess.run(our_process(["fleet", *words]), cwd=FOLDER, env=environment, check=False).returncode  # noqa: S603 - our own command


def _close() -> None:
    heading(f"Done; the files are in {FOLDER}/runs/")
    say(f"{FOLDER}/runs/fleet.report.html: the page of the whole fleet, to open in a browser")
    say(f"{FOLDER}/runs/fleet.summary.json: the same in figures")
    say(f"{FOLDER}/runs/acme/contacts.results.csv: what came of each row; failures, journal and report are beside it")
    say("In birch and juniper some rows are wrong on purpose. grove has no label 'Board member': its job was refused, ")
    say("and the others ran on; so the exit code is 2. Mend it, type the command again, and grove alone is loaded.")


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv[1:]))
