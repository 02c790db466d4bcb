"""Options: from the command line, the environment, or a file, in this order; secrets from nowhere but two places."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loader import cli, terminal
from loader.errors import UsageError
from loader.options.command import Command
from loader.options.verbs import options_of
from loader.sandbox import Sandbox
from loader.settings import Budget
from tests.cli.conftest import CONTACTS, Run, summary

VALUES = {
    "object_type": ("contacts", "contacts"),
    "to_object_type": ("companies", "companies"),
    "label": ("Boss", "Boss"),
    "association_type_id": ("279", "279"),
    "association_category": ("HUBSPOT_DEFINED", "HUBSPOT_DEFINED"),
    "sql": ("SELECT 1", "SELECT 1"),
    "sql_file": ("q.sql", "q.sql"),
    "column": ("object_id=A key;label=B", (("object_id", "A key"), ("label", "B"))),
    "copy_to": ("memory://copies", "memory://copies"),
    "from_id_property": ("email", "email"),
    "to_id_property": ("domain", "domain"),
    "format": ("csv", "csv"),
    "sheet": ("Sheet1", "Sheet1"),
    "delimiter": (";", ";"),
    "encoding": ("utf-8", "utf-8"),
    "results": ("r.jsonl", "r.jsonl"),
    "failures": ("f.csv", "f.csv"),
    "journal": ("j.journal", "j.journal"),
    "method": ("put", "put"),
    "existing": ("replace", "replace"),
    "concurrency": ("7", 7),
    "max_attempts": ("3", 3),
    "limit": ("9", 9),
    "max_duration": ("90m", 5400.0),
    "again": ("20h", 72000.0),
    "timeout": ("5", 5.0),
    "profile": ("acme", "acme"),
    "token_file": ("t", "t"),
    "portal_id": ("62515", "62515"),
    "api_version": ("2026-03", "2026-03"),
    "base_url": ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    "trust_host": ("gateway.example", ("gateway.example",)),
    "log_file": ("log", "log"),
    "keep": ("30", 30),
    "metrics_file": ("m.prom", "m.prom"),
    "on_end": ("./notify.sh 'a b'", ("./notify.sh", "a b")),
    **dict.fromkeys(
        ("quiet", "json", "dry_run", "fresh", "retry_failed", "strict", "unread", "create_labels", "mirror_all_labels"),
        ("1", True),
    ),
}
"""What the environment says, and what the command understands."""


def given_to_load(*words: str) -> Mapping[str, Any]:
    found: list[Command] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "run", found.append)
        cli.cli.main(["load", *words, "a.csv"], standalone_mode=False, obj=[])
    return found[0].values


@pytest.mark.parametrize(
    "keyword", [name for name, each in options_of("load").items() if name != "config" and each.variable is not None]
)
def test_every_option_has_a_variable_and_a_key(keyword: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ASSOCIATION_LOADER_<OPTION>` and `<option>` in the file; an option added later fails here until it has both."""
    option = options_of("load")[keyword]
    monkeypatch.delenv("HUBSPOT_BASE_URL", raising=False)
    (folder / "profiles.toml").write_text("[acme]\nportal-id = 1\ntoken-env = 'ACME'\n")
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", "profiles.toml")
    if keyword not in VALUES:
        assert keyword in ("rate", "max_failures", "daily_reserve", "max_removals"), f"what does {option.word} take?"
        text, meaning = {"rate": "190/10"}.get(keyword, "5%"), None
    else:
        text, meaning = VALUES[keyword]
    by_default = given_to_load()[keyword]
    variable = "ASSOCIATION_LOADER_" + option.key.upper().replace("-", "_")
    monkeypatch.setenv(variable, text)
    from_environment = given_to_load()[keyword]
    assert meaning is None or from_environment == meaning
    assert from_environment != by_default or keyword == "method"
    monkeypatch.delenv(variable)
    value = "true" if option.is_flag else json.dumps(text)
    if keyword == "column":
        value = '{object_id = "A key", label = "B"}'
    (folder / "c.toml").write_text(f"{option.key.replace('-', '_')} = {value}\n")
    assert given_to_load("--config", "c.toml")[keyword] == from_environment


def test_command_line_then_environment_then_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order; and the file itself can be named by the environment."""
    (folder / "c.toml").write_text('from = "file"\nto = "file"\nlabel = "file"\n')
    monkeypatch.setenv("ASSOCIATION_LOADER_CONFIG", "c.toml")
    monkeypatch.setenv("ASSOCIATION_LOADER_TO", "environment")
    monkeypatch.setenv("ASSOCIATION_LOADER_LABEL", "environment")
    given = given_to_load("--label", "typed")
    assert (given["object_type"], given["to_object_type"], given["label"]) == ("file", "environment", "typed")


@pytest.mark.parametrize("option", ["--max-failures", "--daily-reserve"])
def test_a_share_may_be_nothing_and_all(option: str) -> None:
    shares = {"0%": 0, "5%": 0.05, "99.5%": 0.995, "100%": 1, "100.0%": 1}
    for text, share in shares.items():
        assert given_to_load(option, text)[option[2:].replace("-", "_")] == Budget(share=share)
    for wrong in ("100.1%", "101%", "-1%"):
        with pytest.raises(UsageError, match="needs a number such as 100, or a share such as 5%"):
            given_to_load(f"{option}={wrong}")


@pytest.mark.parametrize("text", ["pat-na1", "62 515", "62515.0", "-1", "https://app.hubspot.com/contacts/62515"])
def test_a_portal_id_is_a_number(text: str) -> None:
    """Anything else is refused before a token is used; so is a blank one, which would let any account pass."""
    with pytest.raises(UsageError, match="needs the number of a HubSpot account"):
        given_to_load(f"--portal-id={text}")
    with pytest.raises(UsageError, match="--portal-id is blank"):
        given_to_load("--portal-id=")


@pytest.mark.parametrize("option", ["--copy-to", "--on-end"])
def test_what_is_to_happen_at_the_end_is_not_left_out_silently(option: str) -> None:
    """As with `--copy-to "$BUCKET"` where BUCKET is not set."""
    with pytest.raises(UsageError, match=f"{option} is blank, and without it no"):
        given_to_load(f"{option}= ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1\n", "nonsense"),
        ('token = "canary"\n', "token"),
        ("rate = [\n", "TOML"),
        ('\nrate = "fast"\n', "c.toml, line 2: rate needs auto, or requests/seconds such as 190/10, not 'fast'."),
        ("quiet = 3\n", "quiet"),
        ("limit = [1]\n", "c.toml, line 1: limit must be a text or a number"),
        ("limit = true\n", "limit"),
        ("config = 'other.toml'\n", "config"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(text: str, said: str, run: Run) -> None:
    """Exit 2 and one sentence that names the file's key; a value under a wrong key is not shown."""
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    Path("c.toml").write_text(text)
    done = run("load", "a.csv", "--config", "c.toml")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert "canary" not in done.err
    assert run("load", "a.csv", "--config", "nowhere.toml").code == 2


def test_one_file_serves_load_and_plan(sandbox: Sandbox, run: Run) -> None:
    """What only `load` knows does not trouble `plan`."""
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    Path("c.toml").write_text('from = "contacts"\nto = "companies"\nresults = "r.csv"\nmax-attempts = 2\n')
    assert run("plan", "a.csv", "--config", "c.toml").code == 0
    assert run("load", "a.csv", "--config", "c.toml").code == 0
    assert Path("r.csv").exists()


def test_next_leaves_out_the_environment(sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags and values that were typed are kept, those from elsewhere need no repeating; typed, it works."""
    Path("a.csv").write_text("from_id,to_id\n1,2\nx,3\n")
    monkeypatch.setenv("ASSOCIATION_LOADER_FROM", "contacts")
    monkeypatch.setenv("ASSOCIATION_LOADER_RESULTS", "r.csv")
    run("load", "--json", "a.csv", "--to", "companies", "--quiet")
    following = summary("r.summary.json")["next_command"]
    assert following == (
        "association-loader load r.failures.csv --json --to companies --quiet --results r.failures.results.csv"
    )
    Path("r.failures.csv").write_text(Path("r.failures.csv").read_text().replace("x,", "3,", 1))
    assert run(*following.split()[1:]).code == 0


def test_a_token_from_a_file_is_shown_nowhere(hubspot: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line break at its end is not part of it, and the file wins over the environment."""
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    Path("my.token").write_text("canary-51c2-never-shown\n")
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "another")
    arguments = (*CONTACTS, "--token-file", "my.token", "--log-file", "log", "--json")
    with hubspot(portal={"tokens": ["canary-51c2-never-shown"]}):
        assert run("load", "a.csv", *arguments).code == 0


def test_oauth_credentials_are_shown_nowhere(hubspot: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three variables together; one alone is refused."""
    Path("a.csv").write_text("from_id,to_id\n1,2\n")
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    monkeypatch.setenv("HUBSPOT_CLIENT_ID", "client")
    arguments = ("load", "a.csv", *CONTACTS)
    setup = {"client_id": "client", "client_secret": "secret-kept", "refresh_token": "canary-51c2-never-shown"}
    with hubspot(portal={"oauth": {**setup, "required": True}}):
        done = run(*arguments)
        assert done.code == 2
        assert "HUBSPOT_REFRESH_TOKEN" in done.err
        monkeypatch.setenv("HUBSPOT_CLIENT_SECRET", "secret-kept")
        monkeypatch.setenv("HUBSPOT_REFRESH_TOKEN", "canary-51c2-never-shown")
        done = run(*arguments, "--log-file", "log", "--json")
    assert done.code == 0
    assert "secret-kept" not in done.out + done.err + Path("log").read_text()
