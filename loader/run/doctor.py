"""Doctor: checks whether a load could work, from the software to the inputs; it only reads."""

import asyncio
import fcntl
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from loader.configure import connection_settings, input_settings
from loader.errors import ApiError, DailyQuotaSpent, LoaderError, Unauthorized, UsageError
from loader.events import Check, Event, Note, Waiting
from loader.fetch import Watch, is_address
from loader.file_systems import network_kind, synchronized_by
from loader.journal import holder
from loader.journal.lock import ENDING as LOCK
from loader.options.command import Command
from loader.read import Input, open_inputs
from loader.record.outputs import name_outputs
from loader.run.call import Call, Done
from loader.run.session import NEW, OLD, OLD_ENDS, WARNED_FROM, Session, at_work
from loader.send.gateway import Gateway
from loader.send.portal import Account
from loader.send.sharing import FOLDER
from loader.settings import ConnectionSettings, InputSettings, OAuthCredentials, Settings
from loader.text import counted

OK, WARNING, BAD = "ok", "warning", "bad"

EXIT_CODES = {OK: 0, WARNING: 1, BAD: 2}

LITTLE_SPACE, NO_SPACE = 1 << 30, 50 << 20
"""Bytes. A journal takes some 100 for each row."""

MOST_SKEW = 60.0
"""Seconds that the clock may be wrong before times in the results mislead and days of the quota begin elsewhere."""

LITTLE_QUOTA = 0.1

MOST_SCOPES = 8


async def run(call: Call) -> Done[list[Check]]:
    """Check everything; exit code 0, 1 with only warnings, 2 with anything bad. Each finding is shown at once."""
    found: list[Check] = []

    def notify(event: Event) -> None:
        if isinstance(event, Check):
            found.append(event)
            call.show(event)
        elif isinstance(event, Waiting):
            call.notify(event)

    notify(_software())
    settings, problem = _connection(call, os.environ)
    async with at_work(replace(call, settings=settings, notify=notify)) as session:
        if problem is not None:
            notify(problem)
        else:
            await session.stop.unless(_account(session))
        notify(_api_version(session.settings.connection.api_version, datetime.now(UTC)))
        values = call.command.values
        folder = Path(values["results"] or ".results.csv").parent
        notify(_files(call.command) or _results(folder, Path(values["journal"] or folder / ".journal").parent))
        notify(_cache(session.settings.connection.cache_folder))
        notify(_loads(folder))
        if call.command.arguments or call.command.job or values["sql"] or values["sql_file"]:
            session.does("Opening the inputs")
            inputs = _inputs(call, Watch(stop=call.stop, doing=session.does, timeout=values["timeout"]))
            while (check := await asyncio.to_thread(next, inputs, None)) is not None:
                session.notify(check)
    return Done(result=found, exit_code=max(EXIT_CODES[each.state] for each in found))


def _software() -> Check:
    """Return the versions of Python and of the packages that the loader is installed with."""
    names = [
        re.split(r"[^\w.-]", each, maxsplit=1)[0]
        for each in requires("association-loader") or ()
        if "extra" not in each
    ]
    versions, missing = [f"Python {platform.python_version()}"], []
    for name in ("association-loader", *names):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    missing = [name for name in missing if name != "uvloop"]
    if missing:
        return Check("software", BAD, f"{', '.join(missing)} is missing", "install association-loader again")
    return Check("software", OK, ", ".join(versions))


# --- the HubSpot account


def _connection(call: Call, environment: Mapping[str, str]) -> tuple[Settings, Check | None]:
    """Return the settings of the connection, and the error in them or in their token."""
    bare = Settings(read=(), connection=ConnectionSettings())
    try:
        given = connection_settings(call.command, environment, lambda sentence: call.notify(Note(sentence)))
    except UsageError as error:
        return bare, Check("token", BAD, str(error), "correct that, and run this command again")
    settings = replace(bare, connection=given)
    if settings.connection.credentials is None:
        why = "no token is set"
        return settings, Check("token", BAD, why, "set HUBSPOT_ACCESS_TOKEN, or give --token-file or --profile")
    return settings, None


async def _account(session: Session) -> None:
    """Report what HubSpot says of the token and its account."""
    notes: list[str] = []

    def take(event: object) -> None:
        if isinstance(event, Note):
            notes.append(event.message)

    notify = session.notify
    try:
        async with session.connected(take, attempts=1) as portal:
            try:
                account = await portal.account(insist=False)
            except Unauthorized as error:
                notify(Check("token", BAD, f"HubSpot refuses it: {error}", "make a new token, or copy it again"))
                return
            except DailyQuotaSpent as error:
                why = "not looked at, as the day's quota is spent"
                notify(Check("token", WARNING, why, "look again after the reset"))
                notify(Check("limit", BAD, str(error), "load after the reset"))
                return
            except LoaderError as error:
                notify(_no_answer(error))
                return
            notify(Check("token", OK, f"{_origin(session.settings)}, and HubSpot accepts it"))
            whose = list(_whose(account, session.settings.connection.portal_id))
            scopes = None
            if whose[0].state != BAD:  # No more questions if it is not the expected account.
                with suppress(LoaderError):  # A spent quota ends these two checks, and is one of the findings.
                    await portal.daily_usage()
                    scopes = await portal.scopes()
                notify(_scopes(session.settings, scopes))
            for check in whose:
                notify(check)
            if whose[0].state == BAD:
                return
            notify(_quota(portal.gateway, session.around.now()))
            notify(_clock(account, session.around.now()))
    except LoaderError as error:
        notify(Check("token", BAD, str(error), "correct that, and run this command again"))
    for note in notes:
        notify(Check("other loads", WARNING, note, "wait for it, or let both run: they take longer"))


def _no_answer(error: LoaderError) -> Check:
    """Return what it means that the first question has no usable answer."""
    if isinstance(error, ApiError) and error.status is not None:
        way = "look at status.hubspot.com, and whether --base-url or a proxy on the way leads elsewhere"
        return Check("token", BAD, f"something answers, but not as HubSpot does: {error}", way)
    return Check("token", BAD, f"HubSpot does not answer: {error}", "check the network, then run it again")


def _origin(settings: Settings) -> str:
    name = settings.connection.profile
    return f"that of profile {name}" if name else "there"


def _scopes(settings: Settings, scopes: tuple[str, ...] | None) -> Check:
    kind = (
        "an OAuth app's"
        if isinstance(settings.connection.credentials, OAuthCredentials)
        else "a private app's or a service key's"
    )
    if scopes is None:
        return Check("scopes", OK, f"the token is {kind}, and HubSpot does not say what it may do")
    ours = sorted(scope for scope in scopes if scope.startswith("crm.objects.") or scope == "tickets")
    shown = ", ".join(ours[:MOST_SCOPES]) + (f" and {len(ours) - MOST_SCOPES} more" if len(ours) > MOST_SCOPES else "")
    if not any(scope.endswith(".write") or scope == "tickets" for scope in ours):
        why = f"the token is {kind}, and may write no records ({shown or 'no scope of records'})"
        return Check("scopes", WARNING, why, "give it the read and the write scope of both object types")
    return Check("scopes", OK, f"the token is {kind}, and may use {shown}")


def _whose(account: Account, named: str | None) -> Iterator[Check]:
    if account.portal_id is None:
        state = BAD if named else WARNING
        yield Check(
            "account", state, "HubSpot does not say whose token it is", "compare the token with HubSpot's settings"
        )
        return
    if named and account.portal_id != named:
        why = f"the token belongs to HubSpot account {account.portal_id}, not to {named}"
        yield Check("account", BAD, why, f"use the token of account {named}")
    else:
        yield Check("account", OK, f"HubSpot account {account.portal_id}")
    yield Check("account type", OK, account.kind or "HubSpot does not say it")


def _quota(gateway: Gateway, now: datetime) -> Check:
    rate, day = gateway.limiter.rate, gateway.day
    limit = f"{rate.requests} requests in {rate.seconds:g} s"
    if day.left is None:
        return Check("limit", OK, f"{limit}; HubSpot does not say how much of the day's quota is left")
    of = f" of {day.limit:,}" if day.limit else ""
    finding = f"{limit}; {counted(day.left, 'request')}{of} left today"
    if day.spent:
        return Check("limit", BAD, finding, day.reset_in_words(now))
    if day.limit and day.left < LITTLE_QUOTA * day.limit:
        return Check("limit", WARNING, finding, "plan the load: it says how many requests it takes")
    return Check("limit", OK, finding)


def _clock(account: Account, now: datetime) -> Check:
    try:
        skew = (now - parsedate_to_datetime(account.answered_at)).total_seconds()
    except (ValueError, TypeError):
        return Check("clock", OK, "HubSpot's answer has no date to compare with")
    if abs(skew) > MOST_SKEW:
        way = "ahead of" if skew > 0 else "behind"
        return Check("clock", WARNING, f"it is {abs(skew):.0f} s {way} HubSpot's", "set the clock of this machine")
    return Check("clock", OK, "as HubSpot's")


def _api_version(spoken: str, now: datetime) -> Check:
    if spoken != OLD:
        return Check("API version", OK, spoken)
    finding = f"{OLD}, which HubSpot supports until {OLD_ENDS}"
    if now.date() < WARNED_FROM:
        return Check("API version", OK, finding)
    state = WARNING if now.date() <= OLD_ENDS else BAD
    return Check("API version", state, finding, f"try a load with --api-version {NEW}")


# --- this machine


def _files(command: Command) -> Check | None:
    """Return why no run can use the named files; None if it can, judged by their names."""
    if not (command.values["results"] or command.values["journal"]):
        return None
    settings = Settings(read=(), results=command.values["results"], journal=command.values["journal"])
    try:
        name_outputs(settings, "", [Path(name) for name in command.arguments if not is_address(name)], [])
    except UsageError as error:
        return Check("results folder", BAD, str(error), "correct that, and run this command again")
    return None


def _results(folder: Path, of_journal: Path) -> Check:
    """Check whether the files of a run can be written in a folder, and its journal is safe where it is."""
    place = f"{folder.absolute()}"
    if problem := _unwritable(folder):
        return Check("results folder", BAD, f"{place}: {problem}", "create it, or give another --results")
    if kind := network_kind(of_journal):
        why = f"{of_journal.absolute()} is on a network file system ({kind}), where a journal may be damaged"
        return Check("results folder", BAD, why, "put the journal on a local disk, with --journal")
    free = shutil.disk_usage(folder).free
    space = f"{place} has {free / (1 << 30):.1f} GiB free"
    if free < NO_SPACE:
        return Check("results folder", BAD, space, "free some, or give another --results")
    if synced := synchronized_by(of_journal):
        why = f"{of_journal.absolute()} is synchronized with other machines ({synced}), which may damage a journal"
        return Check("results folder", WARNING, why, "put the journal elsewhere, with --journal")
    if free < LITTLE_SPACE:
        return Check("results folder", WARNING, space, "free some before a large load")
    return Check("results folder", OK, f"{space}, and the journal's disk is local")


def _cache(folder: str | None) -> Check:
    place = Path(folder or "", FOLDER)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror or str(error)
    else:
        problem = _unwritable(place)
    if problem:
        why = f"{place}: {problem}, so loads of one token do not know of each other"
        return Check("cache folder", WARNING, why, "correct it, or set XDG_CACHE_HOME to another")
    return Check("cache folder", OK, str(place))


def _unwritable(folder: Path) -> str:
    """Return why no file can be written and locked in a folder; blank if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _loads(folder: Path) -> Check:
    locks = sorted(folder.glob(f"*.journal{LOCK}"))
    at_work = {path.name.removesuffix(LOCK): holder(path.with_name(path.name.removesuffix(LOCK))) for path in locks}
    shown = [f"{name} (process {process})" for name, process in at_work.items() if process is not None]
    if shown:
        return Check("other loads", WARNING, f"at work in this folder: {', '.join(shown)}", "wait for it")
    return Check("other loads", OK, "none at work in this folder")


# --- the inputs


def _inputs(call: Call, watch: Watch) -> Iterator[Check]:
    """Check separately whether each input is readable and its header understood."""
    try:
        groups = input_settings(call.command, os.environ)
    except LoaderError as error:
        yield _wrong_input(error)
        return
    for group in groups:
        for alone in [replace(group, inputs=(name,)) for name in group.inputs] or [group]:
            yield from _each_table(alone, call, watch)


def _each_table(settings: InputSettings, call: Call, watch: Watch) -> Iterator[Check]:
    """Yield a finding for each table of an input; a warning if only object types are missing."""
    advice = ""
    try:
        found = open_inputs(settings, standard_input=call.standard_input, watch=watch)
    except LoaderError as error:
        call.stop.check()
        typed = replace(
            settings,
            object_type=settings.object_type or "contacts",
            to_object_type=settings.to_object_type or "companies",
        )
        try:
            found = [] if settings.inputs == ("-",) else open_inputs(typed, watch=watch)
        except LoaderError:
            found = []
        if not found:
            yield _wrong_input(error, *settings.inputs)
        advice = str(error)
    for source in found:
        with closing(source):
            yield _understood(source, advice)


def _wrong_input(error: LoaderError, name: str = "") -> Check:
    what = "the address or what it leads to" if is_address(name) else "the file, or the options that say how it is read"
    return Check("input", BAD, str(error), f"correct {what}")


def _understood(source: Input, advice: str) -> Check:
    found = source.understood
    columns = "; ".join(f"{field} from {', '.join(headers)}" for field, headers in found.columns.items())
    advice = " ".join([advice, *found.warnings]).strip()
    return Check("input", WARNING if advice else OK, f"{source.name} ({found.format}): {columns}", advice)
