"""Several portals with two jobs each, and what must hold of them in the end."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loader.cli import run as run_command
from loader.journal import Journal
from loader.sandbox import ManyPortals, Sandbox, ServerThread

JOBS = ("first", "second")

Pairs = Mapping[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Portals:
    """Running portals by profile, with what each had before; each job has `rows` rows."""

    folder: Path
    rows: int
    sandboxes: Mapping[str, Sandbox]
    before: Mapping[str, Pairs]
    url: str

    def write_profiles(self, rate: str) -> None:
        """Write the profiles; the rate is that of each portal."""
        (self.folder / "profiles.toml").write_text(
            "".join(
                f'[{name}]\nportal-id = {sandbox.portal.portal_id}\nbase-url = "{self.url}"\nrate = "{rate}"\n'
                f'token-env = "TOKEN_OF_{name.upper()}"\n\n'
                for name, sandbox in self.sandboxes.items()
            )
        )

    def check(self) -> Counter[str]:
        """Hold every portal to its rows, take each run back, and hold it to what it had; return what was counted."""
        figures = Counter[str]()
        self.write_profiles("9000/1")
        for name, sandbox in self.sandboxes.items():
            there = dict(sandbox.portal.pairs())
            assert len(there) == len(JOBS) * self.rows, name
            mine, not_provable = set[Any](), 0
            for job in JOBS:
                place = self.folder / "runs" / name / f"{job}.results.csv"
                with place.open(newline="", encoding="utf-8-sig") as file:
                    lines = list(csv.DictReader(file))
                assert sorted(int(line["row"]) for line in lines) == list(range(2, self.rows + 2)), (name, job)
                statuses = Counter(line["status"] for line in lines)
                assert statuses.keys() <= {"created", "unchanged"}, (name, job, statuses)
                summary = json.loads(place.with_name(f"{job}.summary.json").read_text())
                assert {key: summary["rows"][key] for key in statuses} == statuses
                not_provable += summary.get("not_provable", 0)
                figures.update(statuses)
                with Journal(place.with_name(f"{job}.journal"), read_only=True) as journal:
                    figures["taken over"] += len(journal.facts.taken_over)
                mine |= {(line["object_id"], line["to_object_id"]) for line in lines if line["status"] == "created"}
                code = run_command(["undo", str(place), "--yes", "--quiet", "--profile", name])
                assert code == 0, (name, job, code)
            left = dict(sandbox.portal.pairs())
            assert self.before[name].items() <= left.items(), name
            stays = left.keys() - self.before[name].keys()
            assert not {(first[1], second[1]) for first, second in stays} & mine, name
            assert len(stays) <= not_provable, (name, len(stays), not_provable)
            figures["not provable"] += not_provable
            figures["left by undo"] += len(stays)
        return figures


@contextmanager
def running(folder: Path, monkeypatch: pytest.MonkeyPatch, *, count: int, rows: int, rate: str) -> Iterator[Portals]:
    """Hold portals for a block, with their jobs and FLEET.toml in a folder."""
    every = max(1, rows // 20)
    there = [
        {"from_type": "contacts", "from_id": str(row), "to_type": "companies", "to_id": str(row + 500_000)}
        for row in range(1000, 1000 + len(JOBS) * rows, every)
    ]
    names = [f"portal{number}" for number in range(count)]
    tokens = {name: f"canary-of-{name}-7f3e" for name in names}
    sandboxes = {
        name: Sandbox({"portal_id": 1001 + number, "associations": there}, record_requests=False)
        for number, name in enumerate(names)
    }
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", str(folder / "profiles.toml"))
    for name, token in tokens.items():
        monkeypatch.setenv(f"TOKEN_OF_{name.upper()}", token)
    for place, job in enumerate(JOBS):
        first = 1000 + place * rows
        table = "".join(f"{row},{row + 500_000}\n" for row in range(first, first + rows))
        (folder / f"{job}.csv").write_text(f"Record ID,to_object_id\n{table}")
        (folder / f"{job}.toml").write_text(f'[[input]]\npath = "{job}.csv"\nfrom = "contacts"\nto = "companies"\n')
    jobs = json.dumps([f"{job}.toml" for job in JOBS])
    portals = "".join(f'[[portal]]\nprofile = "{name}"\njobs = {jobs}\n' for name in names)
    (folder / "FLEET.toml").write_text(f'results = "runs"\n{portals}')
    with ServerThread(ManyPortals({tokens[name]: sandbox for name, sandbox in sandboxes.items()})) as many:
        before = {name: dict(sandbox.portal.pairs()) for name, sandbox in sandboxes.items()}
        found = Portals(folder=folder, rows=rows, sandboxes=sandboxes, before=before, url=many.url)
        found.write_profiles(rate)
        yield found
