"""Profiles: the settings to connect to one HubSpot account, under a name, in the user's profiles file.

[acme]
portal-id = 62515
token-command = ["pass", "show", "hubspot/acme"]
rate = "190/10"

A profile names its account, and it alone decides where requests go and with which token. The environment is ignored for
these, and the command line and a configuration file must not contradict it.
"""

import difflib
import os
import select
import signal
import stat
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from loader.errors import UsageError
from loader.options import Option
from loader.options.file import as_typed, parsed
from loader.options.verbs import options_of

TOKENS = ("token-file", "token-env", "token-command")
"""Where the token may come from; a profile has one of them."""

OPTIONS = ("portal_id", "base_url", "rate", "api_version")
"""Keywords of the options that a profile may set."""

FIXED = ("token_file", "portal_id", "base_url")
"""Keywords of the options that decide which account is written to; with a profile, only the profile does."""

COMMAND_SECONDS = 30.0
"""A vault may ask for a finger on a key first."""

SILENT_SECONDS = 2.0
"""Seconds before the user hears that a token command is still running."""

LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile as its file has it. `values` are options by keyword, as typed. `token` is a path, the name of a
    variable or the words of a command, depending on `kind`, its key.
    """

    name: str
    file: Path
    values: Mapping[str, str]
    kind: str
    token: str | tuple[str, ...]

    @property
    def where(self) -> str:
        """The beginning of errors about its token."""
        return f"{self.file}: [{self.name}] {self.kind}"

    def read_token(self, environment: Mapping[str, str], say: Callable[[str], None]) -> str:
        """Return the text of the token; UsageError, which never shows any of it, if there is none.

        A command has half a minute; `say` gets a sentence when it takes longer than a moment. Its standard error is not
        shown, because it may contain a secret.
        """
        if self.kind == "token-command":
            return _first_line(self.where, self.token, say)
        if self.kind == "token-env":
            found = environment.get(str(self.token))
            if found is None:
                raise UsageError(f"{self.where} names the variable {self.token}, which is not set")
            return found
        try:
            # Path.expanduser fails for an unknown user; here that counts as a missing file.
            home = os.path.expanduser(str(self.token))  # noqa: PTH111
            return Path(self.file.parent, home).read_text("utf-8")
        except OSError as error:
            raise UsageError(f"{self.where} names a file that cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.where} names a file that does not hold a token: it is not text") from error


def profile(name: str, environment: Mapping[str, str]) -> Profile:
    """Return a profile by its name; UsageError if there is no such profile, or it is wrong."""
    file = profiles_file(environment)
    tables = _tables(file)
    if name not in tables:
        near = difflib.get_close_matches(name, tables, n=1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(tables)) or 'none'}"
        raise UsageError(f"{file}: there is no profile {name}: {known}")
    return _profile(name, tables[name], file)


def profiles(environment: Mapping[str, str]) -> list[Profile]:
    """Return all profiles in the order of their file; UsageError when one is wrong."""
    file = profiles_file(environment)
    return [_profile(name, table, file) for name, table in _tables(file).items()]


def profile_names(environment: Mapping[str, str]) -> list[str]:
    """Return the names of all profiles, even wrong ones; UsageError if their file cannot be read."""
    return list(_tables(profiles_file(environment)))


def profiles_file(environment: Mapping[str, str]) -> Path:
    """Return where profiles are (XDG Base Directory Specification: a relative folder does not count)."""
    if named := environment.get("ASSOCIATION_LOADER_PROFILES"):
        return Path(named)
    folder = environment.get("XDG_CONFIG_HOME", "")
    home = Path(folder) if Path(folder).is_absolute() else Path(environment.get("HOME") or Path.home(), ".config")
    return home / "association-loader" / "profiles.toml"


def _tables(file: Path) -> dict[str, dict[str, Any]]:
    try:
        with file.open("rb") as open_file:
            if os.fstat(open_file.fileno()).st_mode & stat.S_IWOTH:
                raise UsageError(
                    f"{file}: every user of this machine may write to it, and so choose the commands that it runs: "
                    "change its permissions to 600"
                )
            content = _content(open_file.read().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{file}: there is no such file, so there are no profiles: create it (ASSOCIATION_LOADER_PROFILES names "
            "another)"
        ) from error
    except OSError as error:
        raise UsageError(f"{file}: the profiles cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{file}: the profiles are not valid TOML ({error})") from None
    for name, table in content.items():
        if not isinstance(table, dict):
            raise UsageError(f"{file}: {name} is not part of a profile: begin each profile with its name, as [acme]")
    return content


_content = lru_cache(maxsize=1)(tomllib.loads)
"""A fleet looks up each of hundreds of profiles, one by one, in the same file."""


def _profile(name: str, table: Mapping[str, Any], file: Path) -> Profile:
    """Return a checked profile; UsageError for the first mistake, without its value."""

    def wrong(why: str) -> UsageError:
        return UsageError(f"{file}: [{name}] {why}")

    options = {entry.key: entry for entry in map(options_of("labels").get, OPTIONS) if entry is not None}
    for key in table:
        if key == "token":
            raise wrong(f"has a token itself: keep it elsewhere, and name that place with one of {', '.join(TOKENS)}")
        if key not in options and key not in TOKENS:
            near = difflib.get_close_matches(key, (*options, *TOKENS), n=1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join((*options, *TOKENS))}"
            raise wrong(f"{key} is not a key of a profile: {hint}")
    values = {option.keyword: _value(option, table[key], wrong) for key, option in options.items() if key in table}
    if not values.get("portal_id"):
        raise wrong("lacks portal-id, the number of its HubSpot account: nothing is sent to any other")
    if any(sign in values.get("base_url", "") for sign in "@?#"):  # Profiles are listed, and it may hold a password.
        raise wrong("base-url contains more than an address: leave out user, password, query and fragment")
    named = [key for key in TOKENS if key in table]
    if len(named) != 1:
        raise wrong(
            f"has {' and '.join(named)}: keep one"
            if named
            else f"does not say where its token is: {' or '.join(TOKENS)}"
        )
    return Profile(name=name, file=file, values=values, kind=named[0], token=_token(named[0], table, wrong))


def _value(option: Option, value: object, wrong: Any) -> str:
    try:
        text = str(as_typed(option, value))
        parsed(option, text)
    except ValueError as error:
        raise wrong(f"{option.key} {error}") from error
    return text


def _token(key: str, table: Mapping[str, Any], wrong: Any) -> str | tuple[str, ...]:
    """Return where a token is. The value is never shown: by mistake it may be the token itself."""
    value = table[key]
    if key == "token-command":
        if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
            raise wrong(f'{key} must be a list of words, such as ["pass", "show", "hubspot"]; no shell reads it')
        return tuple(value)
    if not isinstance(value, str) or not value:
        raise wrong(f"{key} must be a text")
    if key == "token-env" and not value.isidentifier():
        raise wrong(f"{key} must be the name of a variable, and not the token itself")
    return value


def _first_line(where: str, words: str | tuple[str, ...], say: Callable[[str], None]) -> str:
    """Return the first line that a command writes; UsageError where it fails, or takes too long."""
    deadline = time.monotonic() + COMMAND_SECONDS
    try:
        process = subprocess.Popen(  # noqa: S603 - what the user's own file says, and no shell
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "a word of it holds a null character"
        raise UsageError(
            f"{where} cannot be run ({why}): install the program that its first word names, or write its whole path"
        ) from None
    still = f"{where} is not done after {SILENT_SECONDS:g} seconds: waiting for it, {COMMAND_SECONDS:g} seconds at most"
    waiting = threading.Timer(SILENT_SECONDS, say, [still])
    waiting.daemon = True
    waiting.start()
    with process:
        try:
            line = _line_of(process, deadline)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise UsageError(
                f"{where} is not done after {COMMAND_SECONDS:g} seconds: run it by itself (here it has no terminal and "
                "can ask nothing)"
            ) from None
        finally:
            waiting.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if code:
        raise UsageError(
            f"{where} ended with exit code {code}: run it by itself to see why (here it has no terminal and no input)"
        )
    if not line.strip():
        raise UsageError(f"{where} writes nothing in its first line, where the token must be: run it by itself")
    return line


def _line_of(process: "subprocess.Popen[bytes]", deadline: float) -> str:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    descriptor, found = process.stdout.fileno(), b""
    while b"\n" not in found and len(found) < LONGEST_LINE:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        more = os.read(descriptor, LONGEST_LINE)
        if not more:
            break
        found += more
    return found.partition(b"\n")[0].decode("utf-8", "replace")
