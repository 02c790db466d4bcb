"""FLEET.toml: which portals there are, and which jobs each of them has.

results = "runs/"

[[portal]]
profile = "acme"
jobs = ["acme/contacts.toml"]
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loader.errors import UsageError
from loader.fetch import address, is_address, without_secrets
from loader.fetch.objects import check_backend
from loader.options.command import Command, command
from loader.options.file import ConfigurationFile
from loader.options.profiles import profile
from loader.settings import Rate
from loader.text import visible

PORTAL = "portal"

_NOT_IN_A_JOB = {
    "dry_run": "a fleet loads; to plan one job, run association-loader plan --config with its file",
    "fresh": "each worker that continues the job would start over; remove the results of the account to start over",
}
"""Options of a load that a job of a fleet may not have, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job file, by its path; its results are named after `name`, its stem.

    `inputs` are the paths and addresses in it, none where it reads a query. `rate` and `method` are those that it is
    loaded with, as far as job, profile and environment say.
    """

    name: str
    path: str
    inputs: tuple[str, ...]
    rate: Rate | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPortal:
    """A portal by its profile, and its jobs in their order."""

    profile: str
    portal_id: str
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A checked fleet, as its file has it; `results` is the path or the address of a folder."""

    path: str
    results: str
    portals: tuple[FleetPortal, ...]


def read_fleet(path: str, environment: Mapping[str, str]) -> Fleet:
    """Read FLEET.toml and everything that it names: profiles, and job files; UsageError for the first mistake.

    Paths in it are relative to its own folder. Tokens are not checked: a worker does that.
    """
    file = ConfigurationFile.read(path)
    _refuse_unknown(file, file.content, ("results", PORTAL))
    tables = file.content.get(PORTAL, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise file.wrong_key(PORTAL, "must be a table of its own for each account: begin each with [[portal]]")
    if not tables:
        raise UsageError(f"{path}: there is no [[portal]]: begin each with that, and give it profile and jobs")
    results = _results(file)
    found: dict[str, FleetPortal] = {}
    for number, table in enumerate(tables, 1):
        portal = _portal(file, number, table, environment)
        if portal.profile in found:
            why = f"{portal.profile} has a [[portal]] before this one: name all its jobs there"
            raise file.wrong_key("profile", why, number, PORTAL)
        if twin := next((each for each in found.values() if each.portal_id == portal.portal_id), None):
            # Each would send as fast as the account allows, perhaps from two machines.
            why = (
                f"{portal.profile} is HubSpot account {portal.portal_id}, as {twin.profile} is, and an account is "
                "worked on in one place: name all its jobs under one profile"
            )
            raise file.wrong_key("profile", why, number, PORTAL)
        found[portal.profile] = portal
    return Fleet(path=path, results=results, portals=tuple(found.values()))


def _refuse_unknown(file: ConfigurationFile, table: Mapping[str, Any], known: Collection[str], number: int = 0) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {' and '.join(known)}"
            whose = "a [[portal]]" if number else "a fleet"
            raise file.wrong_key(key, f"is not a key of {whose}: {hint}", number, PORTAL)


def _results(file: ConfigurationFile) -> str:
    given = file.content.get("results")
    if not isinstance(given, str) or not given.strip():
        why = "must be a folder, or an address such as s3://bucket/runs"
        raise file.wrong_key("results", why if "results" in file.content else f"is missing: it {why}")
    if not is_address(given):
        folder = Path(file.path).parent / given
        if folder.exists() and not folder.is_dir():
            raise file.wrong_key("results", f"names a file, {given}: name a folder")
        return str(folder)
    target = address(given)
    if target.is_web:
        raise file.wrong_key("results", f"is a web address, {visible(target.name)}, where nothing can be written")
    if without_secrets(given) != given:  # It is given to every worker, through the scheduler.
        raise file.wrong_key("results", "has a parameter that may be secret: credentials are the environment's")
    if target.scheme == "memory":
        raise file.wrong_key("results", "is the memory of one process, and would end with its worker: name a folder")
    check_backend(target)
    return given.rstrip("/")


def _portal(
    file: ConfigurationFile, number: int, table: Mapping[str, Any], environment: Mapping[str, str]
) -> FleetPortal:
    _refuse_unknown(file, table, ("profile", "jobs"), number)
    name, jobs = table.get("profile"), table.get("jobs")

    def wrong(key: str, why: str) -> UsageError:
        missing = "" if key in table else "is missing: it "
        return file.wrong_key(key, f"{missing}{why}", number, PORTAL)

    if not isinstance(name, str) or not name.strip():
        raise wrong("profile", "must be the name of a profile (association-loader profiles lists them)")
    if "/" in name or name.startswith("."):
        raise wrong("profile", f"{name} cannot be the name of a folder, where its results go: rename the profile")
    if not isinstance(jobs, list) or not jobs or not all(isinstance(job, str) and job for job in jobs):
        raise wrong("jobs", "must be a list of job files")
    try:
        account = profile(name, environment).values["portal_id"]
        read = [_job(str(Path(file.path).parent / job), name, environment) for job in jobs]
    except UsageError as error:
        raise UsageError(f"{file.path}: [[portal]] {number}, {name}: {error}") from error
    names = [job.name for job in read]
    if double := next((each for each in names if names.count(each) > 1), None):
        raise wrong("jobs", f"names two files {double}, whose results would be one file: rename one of the two")
    return FleetPortal(profile=name, portal_id=account, jobs=tuple(read))


def _job(path: str, profile: str, environment: Mapping[str, str]) -> Job:
    """Return a job for a profile; UsageError if a load would refuse its file."""
    ready = command("load", {"config": path, "profile": profile}, environment, lambda option: option.word)
    check_job(ready, path)
    inputs = tuple(each for group in ready.job for each in group["inputs"])
    values = ready.values
    return Job(name=Path(path).stem, path=path, inputs=inputs, rate=values["rate"], method=values["method"])


def check_job(ready: Command, path: str) -> None:
    """Raise UsageError if the load that the file at `path` describes cannot be a job of a fleet."""
    values = ready.values
    if not (ready.job or values["sql"] or values["sql_file"]):
        raise UsageError(f"{path} names no input: begin each with [[input]], and give its path")
    for keyword, why in _NOT_IN_A_JOB.items():
        if values[keyword]:
            raise UsageError(f"{path} sets {keyword.replace('_', '-')}, which a job of a fleet cannot have: {why}")
