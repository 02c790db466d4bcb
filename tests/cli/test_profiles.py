"""Profiles: nothing is sent to a HubSpot account that its profile does not name, and no token is written anywhere."""

import json
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

import loader
from loader.cli import cli
from loader.errors import UsageError
from loader.journal import Journal, Undo
from loader.options import profiles as of_profiles
from loader.sandbox import Sandbox, SandboxThread
from tests.cli.conftest import CONTACTS, TOKEN, Run, names, refused
from tests.written import hold_nowhere

Portals = dict[str, Sandbox]

NAMES = ("acme", "beta", "coral", "delta", "wrong")

ACCOUNT = ("GET", "/account-info/v3/details")

FILE = "Record ID,to_object_id\n101,201\n102,202\n"

COMMAND_TOKEN = "pat-na1-canary-of-a-command"
"""What the token command of the profile acme writes."""


@pytest.fixture
def portals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portals]:
    """A sandbox for each profile, with an account of its own that takes any token; `wrong` names another account."""
    (folder / "a.csv").write_text(FILE)
    (folder / "of_beta.token").write_text("token-of-beta\n")
    (folder / "vault.py").write_text(
        "import sys\nprint('-'.join(['pat', 'na1', 'canary', 'of', 'a', 'command']))\n"
        "print('a second line')\nprint('-'.join(['pat', 'na1', 'canary', 'of', 'a', 'command']), file=sys.stderr)\n"
    )
    monkeypatch.setenv("TOKEN_OF_MANY", "token-of-many")
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", str(folder / "profiles.toml"))
    with ExitStack() as held:
        found = {
            name: held.enter_context(SandboxThread(portal={"portal_id": 1000 + number}))
            for number, name in enumerate(NAMES)
        }
        by_default = "token-env = 'TOKEN_OF_MANY'"
        token = {"acme": f"token-command = {json.dumps([sys.executable, 'vault.py'])}"}
        token["beta"] = 'token-file = "of_beta.token"'
        (folder / "profiles.toml").write_text(
            "".join(
                f"[{name}]\nportal-id = {sandbox.portal.portal_id + 5000 * (name == 'wrong')}\n"
                f'base-url = "{sandbox.url}"\nrate = "900/1"\n{token.get(name, by_default)}\n\n'
                for name, sandbox in found.items()
            )
        )
        yield found


def requests_of(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the method and the path of each request."""
    return [(request.method, request.path) for request in sandbox.requests]


ENVIRONMENTS: tuple[dict[str, str], ...] = (
    {},
    {"HUBSPOT_ACCESS_TOKEN": ""},
    {"HUBSPOT_BASE_URL": "beta", "ASSOCIATION_LOADER_PORTAL_ID": "1001"},
    {"ASSOCIATION_LOADER_BASE_URL": "beta", "ASSOCIATION_LOADER_PORTAL_ID": "1004"},
    {"ASSOCIATION_LOADER_PORTAL_ID": "6004", "ASSOCIATION_LOADER_TOKEN_FILE": "of_beta.token"},
    {"ASSOCIATION_LOADER_PROFILE": "beta", "HUBSPOT_BASE_URL": "beta"},
    {"HUBSPOT_CLIENT_ID": "i", "HUBSPOT_CLIENT_SECRET": "s" * 9, "HUBSPOT_REFRESH_TOKEN": "r" * 9},
)
"""What the environment may say beside the profile that is typed; the name of a profile means its address."""


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("said", ENVIRONMENTS)
def test_only_the_profiles_account_gets_requests(
    said: dict[str, str], portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the environment is set: the profile's own account gets the file, any other the account question alone."""
    for variable, value in said.items():
        monkeypatch.setenv(variable, portals[value].url if variable.endswith("_URL") else value)
    types = CONTACTS
    commands = (
        ("load", "a.csv", *types),
        ("verify", "a.csv", *types, "--wait", "0s"),
        ("undo", "a.results.csv", "--yes"),
        ("remove", "a.csv", *types, "--yes"),
        ("export", "contacts", "companies", "--output", "e.csv"),
        ("create-label", "contacts", "companies", "Friend"),
        ("labels", "contacts", "companies"),
    )
    for name in NAMES:
        before = {each: len(sandbox.requests) for each, sandbox in portals.items()}
        for words in commands if name in ("acme", "wrong") and not said else commands[:1]:
            done = run(*words, "--profile", name, *(["--fresh"] if words[0] in ("load", "remove", "export") else []))
            refused = 2 if words[0] == "undo" else 3  # That account's load has left nothing to undo.
            assert done.code == (refused if name == "wrong" else 0), (words, done.err)
        new = {each: requests_of(sandbox)[before[each] :] for each, sandbox in portals.items()}
        assert [each for each in NAMES if new[each]] == [name]
        assert any(method == "PUT" for method, _ in new[name]) == (name != "wrong")
        assert name != "wrong" or set(new[name]) == {ACCOUNT}


def test_an_export_of_another_account_is_not_reused(portals: Portals, run: Run) -> None:
    """It is finished, by the same command but for the profile, at the same address; then it is set aside."""
    coral = portals["coral"].portal
    coral.associate("0-1", 1, "0-2", 11, frozenset())
    words = ("export", "contacts", "companies", "--output", "e.csv", "--profile")
    assert run(*words, "coral").code == 0
    profiles = Path("profiles.toml").read_text()
    Path("profiles.toml").write_text(profiles.replace(portals["delta"].url, portals["coral"].url))
    done = run(*words, "delta")
    assert (done.code, "belongs to HubSpot account 1002, not to 1003" in done.err) == (3, True)
    assert not Path("e.csv").exists()
    assert len(names("e.2*.csv")) == 1


def test_doctor_asks_another_account_nothing_but_whose_it_is(portals: Portals, run: Run) -> None:
    """Neither its quota, nor what its token may do."""
    done = run("doctor", "--profile", "wrong")
    assert (done.code, "belongs to HubSpot account 1004, not to 6004" in done.out) == (2, True)
    assert requests_of(portals["wrong"]) == [ACCOUNT]


def test_a_token_file_at_home(portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written with a ~; that of a user who is not there is a file that is not there."""
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    Path("home").mkdir()
    Path("of_beta.token").rename(Path("home/beta.token"))
    profiles = Path("profiles.toml").read_text()
    for home, code in (("~", 0), ("~nobody-of-this-name", 2)):
        Path("profiles.toml").write_text(profiles.replace("of_beta.token", f"{home}/beta.token"))
        assert run("labels", "contacts", "companies", "--profile", "beta").code == code
    assert requests_of(portals["beta"])


def test_a_token_commands_output_is_secret(portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not into files, log, screen, nor into the report of a bug; it is what requests are signed with."""
    done = run("load", "a.csv", *CONTACTS, "--profile", "acme", "--log-file", "log")
    assert done.code == 0
    assert json.loads(Path("a.summary.json").read_text())["portal_id"] == "1000"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"it holds {COMMAND_TOKEN} and token-of-beta")

    monkeypatch.setattr("loader.run.labels.labels_of", broken)
    for name in ("acme", "beta"):
        done = run("labels", "contacts", "companies", "--profile", name, "--json")
        assert done.code == 70
    monkeypatch.setattr("loader.run.plan.plan_rows", broken)
    assert run("plan", "a.csv", "--from", "0-1", "--to", "0-2", "--profile", "acme", "--log-file", "log").code == 70
    assert "it holds ***" in Path("log").read_text()
    hold_nowhere(COMMAND_TOKEN, Path())
    assert COMMAND_TOKEN not in done.out + done.err
    assert portals["acme"].requests


def test_profiles_are_listed_without_secrets(portals: Portals, run: Run) -> None:
    """One line each; as JSON, an object each."""
    done = run("profiles")
    assert done.code == 0
    assert [line.split()[:3] for line in done.out.splitlines() if line.split()[:1] == ["beta"]] == [
        ["beta", "1001", "token-file"]
    ]
    found = run("profiles", "--json").events
    assert [(each["event"], each["name"], each["portal_id"]) for each in found][-1] == ("profile", "wrong", "6004")
    assert found[0] == {
        "event": "profile",
        "name": "acme",
        "portal_id": "1000",
        "token": "token-command",
        "rate": "900/1",
        "api_version": "auto",
        "base_url": portals["acme"].url,
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--profile", "acmee"), "there is no profile acmee: did you mean acme?"),
        (("--profile", "acme", "--portal-id", "1001"), "--portal-id on the command line says otherwise"),
        (("--profile", "acme", "--token-file", "of_beta.token"), "--token-file on the command line says otherwise"),
        (("--profile", "acme", "--base-url", "http://127.0.0.1:1"), "--base-url on the command line says otherwise"),
        (("--profile", "acme", "--config", "job.toml"), "belongs to profile beta, and --profile says acme"),
        (("--profile", "acme", "--config", "other.toml"), "--portal-id in the --config file says otherwise"),
    ],
)
def test_options_against_a_profile(words: tuple[str, ...], says: str, portals: Portals, run: Run) -> None:
    """In one sentence, before anything is sent; what agrees is no contradiction."""
    Path("job.toml").write_text('profile = "beta"\n')
    Path("other.toml").write_text("portal-id = 7\n")
    refused(run("labels", "contacts", "companies", *words), says)
    assert not any(requests_of(sandbox) for sandbox in portals.values())


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("option", ["profile", "portal-id"])
def test_a_blank_account_is_refused(
    option: str, blank: str, portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--profile "$CLIENT" with no CLIENT sends nothing to the account of the environment; nor from a file or Python."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("HUBSPOT_BASE_URL", portals["beta"].url)
    Path("blank.toml").write_text(f'{option} = "{blank}"\n')
    for words in ((f"--{option}", blank), ("--config", "blank.toml")):
        refused(run("labels", "contacts", "companies", *words), f"{option} is blank")
    with pytest.raises(UsageError, match="is blank"):
        loader.plan_sync("a.csv", profile=blank) if option == "profile" else loader.plan_sync("a.csv", portal_id=blank)
    assert not any(requests_of(sandbox) for sandbox in portals.values())


def test_a_jobs_profile_wins(portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile of the job is used; another one in the environment is refused; rate on the command line counts."""
    Path("job.toml").write_text('profile = "beta"\n')
    monkeypatch.setenv("ASSOCIATION_LOADER_CONFIG", "job.toml")
    assert run("labels", "contacts", "companies", "--portal-id", "1001", "--rate", "50/1").code == 0
    assert requests_of(portals["beta"])
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILE", "acme")
    assert run("labels", "contacts", "companies").code == 2
    assert not requests_of(portals["acme"])


def test_a_run_is_resumed_under_its_own_profile(portals: Portals, run: Run) -> None:
    """And the command that comes next names it."""
    words = ("load", "a.csv", *CONTACTS)
    assert run(*words, "--profile", "coral", "--limit", "1").code == 0
    assert "--profile coral" in json.loads(Path("a.summary.json").read_text())["next_command"]
    done = run(*words, "--profile", "delta")
    assert (done.code, requests_of(portals["delta"])) == (2, [])
    assert "--profile was coral, now delta" in done.err
    assert run(*words, "--profile", "coral").code == 0
    for other in ((), ("--profile", "delta")):
        done = run("undo", "a.results.csv", "--yes", *other)
        assert (done.code, requests_of(portals["delta"])) == (2, [])
        assert "give --profile coral, with which it was made" in done.err
    with Journal(Path("a.journal")) as journal:
        journal.remember(undo=Undo(started_at="2026-11-29T03:00:00+00:00"))
    finish = "association-loader undo a.results.csv --profile coral"
    assert finish in run(*words, "--profile", "coral").err
    assert run("status", "a.results.csv", "--json").event["next_command"] == finish


GOOD = "portal-id = 1\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[acme]\ntoken-env = 'A'\n", "lacks portal-id"),
        (f"[acme]\n{GOOD}", "does not say where its token is"),
        (f"[acme]\n{GOOD}token-env = 'A'\ntoken-file = 'b'\n", "has token-file and token-env: keep one"),
        (f"[acme]\n{GOOD}token = '{TOKEN}'\n", "has a token itself"),
        (f"[acme]\n{GOOD}token-env = '{TOKEN}'\n", "must be the name of a variable, and not the token itself"),
        (f"[acme]\n{GOOD}token-env = 'A'\n", "names the variable A, which is not set"),
        (f"[acme]\n{GOOD}token-file = '{TOKEN}'\n", "names a file that cannot be read"),
        (f"[acme]\n{GOOD}token-command = 'pass show'\n", "must be a list of words"),
        (f"[acme]\n{GOOD}token-command = ['./not-there']\n", "cannot be run (No such file or directory)"),
        (f"[acme]\n{GOOD}token-command = ['sh', '-c', 'echo {TOKEN} >&2; exit 3']\n", "ended with exit code 3"),
        (f"[acme]\n{GOOD}token-command = ['echo']\n", "writes nothing in its first line"),
        (f"[acme]\n{GOOD}token-command = ['echo', 'two words']\n", "characters that no token has"),
        (f"[acme]\n{GOOD}token-command = ['sleep', '9']\n", "is not done after 0.01 seconds"),
        (f"[acme]\n{GOOD}token-env = 'A'\nrates = '1/1'\n", "rates is not a key of a profile: did you mean rate?"),
        (f"[acme]\n{GOOD}token-env = 'A'\nrate = 'quick'\n", "rate needs auto, or requests/seconds"),
        (f"[acme]\n{GOOD}base-url = 'http://u:{TOKEN}@127.0.0.1'\ntoken-env = 'A'\n", "base-url contains more than"),
        ("portal-id = 1\n", "begin each profile with its name"),
        ("[acme\n", "not valid TOML"),
    ],
)
def test_a_wrong_profile_is_refused(content: str, says: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which file, which profile, what is wrong; and never what may be the token."""
    Path("profiles.token").write_text(content)  # By its name it may hold a token.
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", "profiles.token")
    monkeypatch.setattr(of_profiles, "COMMAND_SECONDS", 0.01 if "sleep" in content else 30.0)
    refused(run("labels", "contacts", "companies", "--profile", "acme"), says)
    assert TOKEN not in run("profiles").out


def test_the_tab_key_knows_the_names_of_profiles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of one that is wrong; and a file that cannot be read is no trouble to who types."""
    monkeypatch.setenv("ASSOCIATION_LOADER_PROFILES", "profiles.toml")
    complete = ShellComplete(cli, {}, "association-loader", "")
    for content, proposed in (("[acme]\n[acorn]\n[beta]\n", ["acme", "acorn"]), ("[acme\n", [])):
        Path("profiles.toml").write_text(content)
        assert [found.value for found in complete.get_completions(["load", "--profile"], "ac")] == proposed


def test_a_slow_token_command_is_said(portals: Portals, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may wait for a person's finger, who must know that."""
    monkeypatch.setattr(of_profiles, "SILENT_SECONDS", 0.0)
    Path("vault.py").write_text("import time\ntime.sleep(0.1)\n" + Path("vault.py").read_text())
    for verb in (["labels", "contacts", "companies"], ["doctor"]):
        done = run(*verb, "--profile", "acme")
        assert "token-command is not done after 0 seconds: waiting for it, 30 seconds at most" in done.err
        assert requests_of(portals["acme"])


def test_a_file_that_everybody_may_write_chooses_no_command(portals: Portals, run: Run) -> None:
    """It could name any program."""
    path = Path("profiles.toml")
    path.chmod(path.stat().st_mode | stat.S_IWOTH)
    assert "change its permissions to 600" in run("labels", "contacts", "companies", "--profile", "acme").err
    assert not requests_of(portals["acme"])


def test_profiles_are_in_the_folder_of_configurations(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the XDG specification; a missing file is named."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    assert f"{folder}/association-loader/profiles.toml: there is no such file" in run("profiles").err
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(folder))
    (folder / ".config" / "association-loader").mkdir(parents=True)
    (folder / ".config" / "association-loader" / "profiles.toml").write_text(f"[a]\n{GOOD}token-env = 'A'\n")
    assert "token-env" in run("profiles").out


def test_python_has_the_keyword(portals: Portals) -> None:
    """`profile=`, and not with a token."""
    done = loader.load_sync(Path("a.csv"), from_="contacts", to="companies", profile="delta")
    assert (done.exit_code, done.summary["portal_id"]) == (0, "1003")
    with pytest.raises(UsageError, match="token and profile are both given"):
        loader.plan_sync(Path("a.csv"), profile="delta", token="x" * 9)
    assert not any(requests_of(portals[name]) for name in NAMES if name != "delta")
