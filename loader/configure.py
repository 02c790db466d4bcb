"""The settings of a command are made from its checked options."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from loader.errors import UsageError
from loader.fetch.address import address, is_address, without_secrets
from loader.options.command import Command
from loader.options.verbs import VERBS
from loader.settings import (
    DATABASE_URL,
    ConnectionSettings,
    ExportSettings,
    InputSettings,
    OAuthCredentials,
    Query,
    Secret,
    SendSettings,
    Settings,
    VerifySettings,
)

HUBSPOT_DOMAIN = "hubapi.com"

RECORD_ID = "hs_object_id"
"""The property that holds a record's own id."""

_ADDRESS = re.compile(r"[A-Za-z]+://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/?", re.ASCII)
"""A scheme, a plain name or number, a port: nothing that two URL parsers could read differently."""


def settings_from(
    command: Command, environment: Mapping[str, str], say: Callable[[str], None] = lambda _: None
) -> Settings:
    """Return the settings that a command's verb needs; UsageError if one is wrong.

    `say` gets a sentence when something takes its time.
    """
    verb, values, removes = VERBS[command.verb], command.values, _removes(command)
    if not (verb.reads_inputs or verb.asks_hubspot):
        return Settings(command=command.typed)
    if values.get("unread") and values["existing"] != "replace":
        raise UsageError(
            "--unread works only with --existing replace: to keep the labels that pairs have, the loader must "
            "read them first"
        )
    if values.get("mirror_all_labels") and values["existing"] != "mirror":
        raise UsageError("--mirror-all-labels works only with --existing mirror: nothing else removes associations")
    if values.get("report") and not values.get("dry_run", True):
        raise UsageError(
            "--report writes a plan as a page, and this is not a plan: add --dry-run (after a run, the command is "
            "association-loader report RESULTS)"
        )
    if is_address(place := values.get("copy_to") or ""):
        address(place)
    given = _fields(Settings, values)
    given |= {"removes": removes, "label_name": values.get("name")}
    if command.verb == "undo":
        (given["results"],) = command.arguments
    if verb.reads_inputs:
        given["read"] = input_settings(command, environment)
    elif command.verb == "export":
        given["read"] = _records(command, environment)
    if verb.asks_hubspot:
        given["connection"] = connection_settings(command, environment, say)
    return Settings(
        send=SendSettings(**_fields(SendSettings, {**values, **({"method": "archive"} if removes else {})})),
        verify=VerifySettings(**_fields(VerifySettings, values)),
        export=ExportSettings(**_fields(ExportSettings, values)),
        command=tuple(map(without_secrets, command.typed)),
        **given,
    )


def _removes(command: Command) -> bool:
    """Return whether a command takes off what its inputs name, or verifies that."""
    return command.verb == "remove" or bool(command.values.get("removed"))


def _fields(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are fields of a settings class."""
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def _records(command: Command, environment: Mapping[str, str]) -> tuple[InputSettings, ...]:
    """Return how the file with an export's records is read, if there is one; checks the output, too."""
    values = command.values
    if not values["output"]:
        raise UsageError("name the file to write with --output: .csv, .jsonl or .parquet, or - for standard output")
    if values["output"] == "-" and values["json"]:
        raise UsageError("--output - and --json would both write to standard output: keep one")
    queries = (values["sql"], values["sql_file"])
    if values["ids"] is not None and any(queries):
        raise UsageError("the records are named by --ids and by a query: keep one of the two")
    if values["ids"] is None and not any(queries):
        return ()
    first, second, *_ = command.arguments
    given = {
        **values,
        "to_id_property": None,
        "inputs": () if values["ids"] is None else (values["ids"],),
        "object_type": first,
        "to_object_type": second,
    }
    return (_input_settings({**given, "records_only": True}, environment),)


def input_settings(command: Command, environment: Mapping[str, str]) -> tuple[InputSettings, ...]:
    """Return how the inputs are read: all in one way, or each `[[input]]` of the configuration file in its own."""
    queries = (command.values["sql"], command.values["sql_file"])
    given = {
        "on the command line": command.arguments,
        "as [[input]] in the --config file": command.job,
        "by --sql or --sql-file": any(queries),
    }
    ways = [way for way, there in given.items() if there]
    if len(ways) > 1:
        raise UsageError(f"inputs are given {' and '.join(ways)}: keep one of the two")
    if not ways:
        raise UsageError(
            'give at least one input: a file, a folder, a pattern such as "exports/*.csv", - for standard input, or a '
            "query with --sql"
        )
    needs_label = _removes(command) and not command.values["whole_pair"]
    values = {**command.values, "inputs": command.arguments, "needs_label": needs_label}
    return tuple(_input_settings({**values, **own}, environment) for own in command.job or [{}])


def _query(values: Mapping[str, Any], environment: Mapping[str, str]) -> Query | None:
    """Return the query of an input, if it is one; UsageError when it cannot be read or there is no database."""
    text, path = values["sql"], values["sql_file"]
    if not text and not path:
        return None
    if (text and path) or values["inputs"]:
        raise UsageError("an input is one of a path, --sql and --sql-file: keep one")
    if path:
        try:
            text = Path(path).read_text("utf-8-sig")
        except OSError as error:
            raise UsageError(f"--sql-file {path} cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"--sql-file {path} does not hold a query: it is not text in UTF-8") from error
    database = environment.get(DATABASE_URL, "").strip()
    if not database:
        raise UsageError(
            f"a query needs a database: put its address into {DATABASE_URL} in the environment, such as "
            "postgresql://user:password@host/database"
        )
    name = path or "query"
    return Query(text=text, name=name, file_name=Path(name).name, database=Secret(database))


def _input_settings(values: Mapping[str, Any], environment: Mapping[str, str]) -> InputSettings:
    columns: dict[str, str] = {}
    for field, header in values["column"]:
        if columns.setdefault(field, header) != header:
            raise UsageError(f"--column names two columns for {field}: {columns[field]!r} and {header!r}; keep one")
    for keyword, name in (("from_id_property", "--from-id-property"), ("to_id_property", "--to-id-property")):
        if (values[keyword] or "").strip().casefold() == RECORD_ID:
            raise UsageError(f"{name} {RECORD_ID} is the record id, which the id cells hold anyway: leave {name} out")
    for given in filter(is_address, values["inputs"]):
        address(given)  # One that holds a password is refused before anything is opened or written.
    query = _query(values, environment)
    # A blank label or type id counts as none, where that widens no removal.
    types: dict[str, str | None] = {}
    for keyword, name in (("label", "--label"), ("association_type_id", "--type-id")):
        given = values.get(keyword)
        if given is not None and not given.strip() and values.get("needs_label"):
            raise UsageError(
                f"{name} is blank, and without it whole pairs would be removed: write which one, or leave {name} out"
            )
        types[keyword] = given or None
    return InputSettings(columns=columns, rows_of=query, **_fields(InputSettings, {**values, **types}))


def connection_settings(
    command: Command, environment: Mapping[str, str], say: Callable[[str], None]
) -> ConnectionSettings:
    """Return how a command talks to HubSpot; UsageError for an address, a token or a profile that is wrong.

    `say` gets a sentence when the token takes its time.
    """
    values, profile = command.values, command.profile
    checked = {**values, "base_url": base_url(values["base_url"], values["trust_host"])}
    if profile is not None:
        token: Secret | OAuthCredentials | None = _secret(profile.read_token(environment, say), profile.where)
    else:
        token = credentials(values["token_file"], environment)
    return ConnectionSettings(
        credentials=token,
        cache_folder=cache_folder(environment),
        **_fields(ConnectionSettings, checked),
    )


def cache_folder(environment: Mapping[str, str]) -> str:
    """Return the user's cache folder (XDG Base Directory Specification: a relative one does not count)."""
    named = environment.get("XDG_CACHE_HOME", "")
    return named if Path(named).is_absolute() else str(Path(environment.get("HOME") or Path.home(), ".cache"))


def base_url(text: str, trusted: Sequence[str] = ()) -> str:
    """Return the address for requests; UsageError for any to which the token must not be sent.

    https to hubapi.com and its subdomains, to this machine, or to a host in `trusted`; http to this machine only.
    """
    if any(sign in text for sign in "@?#"):  # Not shown: there may be a password before the @.
        raise UsageError("--base-url contains more than an address: leave out user, password, query and fragment")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(f"--base-url {text!r} is not a URL ({error})") from error
    if not _ADDRESS.fullmatch(text):
        raise UsageError(f"--base-url {text!r} is not a plain address: write https://api.hubapi.com")
    _check_host(parts, host, trusted)
    return text.rstrip("/")


def other_address(url: str) -> str:
    """Return a base URL that is not HubSpot's own, else a blank text."""
    host = urlsplit(url).hostname or ""
    return "" if host.endswith(f".{HUBSPOT_DOMAIN}") else url


def _check_host(parts: SplitResult, host: str, trusted: Sequence[str]) -> None:
    if parts.scheme not in ("https", "http") or not host:
        raise UsageError("--base-url must begin with https:// (or http:// for this machine)")
    if _loopback(host):
        return
    if parts.scheme == "http":
        raise UsageError(
            f"--base-url http://{host} would send the token unencrypted: write https, or http to this machine only"
        )
    if host != f"api.{HUBSPOT_DOMAIN}" and not host.endswith(f".{HUBSPOT_DOMAIN}") and host not in trusted:
        raise UsageError(
            f"--base-url {host} is not HubSpot's: to send the token there all the same, add --trust-host {host}"
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def credentials(token_file: str | None, environment: Mapping[str, str]) -> Secret | OAuthCredentials | None:
    """Return the credentials: the token file, else the token, else the OAuth variables, else None."""
    if token_file is not None:
        return _secret(_token_in(token_file), token_file)
    token = environment.get("HUBSPOT_ACCESS_TOKEN", "")
    if token.strip():
        return _secret(token, "HUBSPOT_ACCESS_TOKEN")
    names = ("HUBSPOT_CLIENT_ID", "HUBSPOT_CLIENT_SECRET", "HUBSPOT_REFRESH_TOKEN")
    values = [environment.get(name, "").strip() for name in names]
    if not any(values):
        return None
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise UsageError(f"OAuth needs {', '.join(names)}: {' and '.join(missing)} is not set")
    client_id, client_secret, refresh_token = values
    return OAuthCredentials(
        client_id=client_id,
        client_secret=_secret(client_secret, names[1]),
        refresh_token=_secret(refresh_token, names[2]),
    )


def _token_in(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise UsageError(f"--token-file {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--token-file {path} does not hold a token: it is not text") from error


def _secret(text: str, where: str) -> Secret:
    token = text.strip()
    if not token:
        raise UsageError(f"{where} is empty: put the access token there")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{where} contains characters that no token has (a line break, a blank?): copy it again")
    return Secret(token)
