"""The loader called from Python: paths and DataFrames in, a report out."""

import asyncio
import dataclasses
import inspect
import os
import pkgutil
import re
import signal
import threading
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
import pandas as pd
import pytest

import loader
from loader import errors
from loader.api.wording import in_python
from loader.cli import cli
from loader.events import Cost, Event, Note, Progress
from loader.sandbox import Sandbox, SandboxThread

ONLY_PYTHON = {"token", "on_event", "from_", "to", "type_id", "category"}

TYPES: dict[str, Any] = {"object_type": "contacts", "to_object_type": "companies", "token": "any", "rate": "9999/1"}


def test_the_public_names_are_these() -> None:
    """Each says what it is; a stage of the same name would hide a function, and importing them costs nothing yet."""
    assert loader.__all__ == [
        *("CreatedLabel", "ExportReport", "FleetReport", "Planned", "Report", "UndoReport", "Verification"),
        *("create_label", "create_label_sync", "export", "export_sync", "fleet", "fleet_sync"),
        *(
            "load",
            "load_sync",
            "plan",
            "plan_sync",
            "remove",
            "remove_sync",
            "undo",
            "undo_sync",
            "verify",
            "verify_sync",
        ),
    ]
    assert set(loader.__all__) <= set(dir(loader))
    assert all(inspect.getdoc(getattr(loader, name)) for name in loader.__all__)
    stages = {module.name for module in pkgutil.iter_modules(loader.__path__)}
    assert not stages & set(loader.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = loader.nonsense


@pytest.mark.parametrize("verb", [name for name in loader.__all__ if f"{name}_sync" in loader.__all__])
def test_each_verb_can_be_awaited_or_waited_for_with_the_same_keywords(verb: str) -> None:
    """And its keywords are the options of the command, whichever those are."""
    awaited, waited = getattr(loader, verb), getattr(loader, f"{verb}_sync")
    assert inspect.iscoroutinefunction(inspect.unwrap(awaited))
    assert not inspect.iscoroutinefunction(waited)
    assert inspect.signature(awaited) == inspect.signature(waited)
    (keywords,) = get_args(inspect.get_annotations(awaited)["options"])
    parameters = cli.commands[verb.replace("_", "-")].params
    declared = [each for each in parameters if isinstance(each, click.Option) and not each.hidden]
    assert set(keywords.__annotations__) - ONLY_PYTHON == {each.name for each in declared}


def test_a_call_that_is_not_awaited_says_what_to_do(folder: Path) -> None:
    """A script that takes the call for a report, prints it or forgets it gets the name of the function to call."""
    advice = r"In a script, write loader.load_sync\(...\)"
    with pytest.raises(AttributeError, match=advice):
        _ = loader.load("a.csv").exit_code  # type: ignore[attr-defined]
    with pytest.warns(RuntimeWarning, match=advice):
        loader.load("a.csv")  # type: ignore[unused-coroutine]
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n")
    with SandboxThread(rate="off") as sandbox:
        given: dict[str, Any] = {"token": "any", "rate": "9999/1", "base_url": sandbox.url}
        report = asyncio.run(loader.load("a.csv", from_="contacts", to="companies", **given))
    assert report.results["status"].tolist() == ["created"]


def test_help_names_every_keyword_with_what_it_does() -> None:
    """In Python's words, of both functions of a verb."""
    for function in (loader.load, loader.load_sync):
        text = inspect.getdoc(function) or ""
        named = re.findall(r"^  (\w+)(?: \(or (\w+)\))?$", text, re.MULTILINE)
        (keywords,) = get_args(inspect.get_annotations(function)["options"])
        assert {name for each in named for name in each if name} == set(keywords.__annotations__)
        assert 'With existing="replace"' in text
        assert not re.search(r"(?<!`association-loader )--[a-z]", text)


def test_pandas_and_dataclasses_take_what_callers_get_for_dataclasses() -> None:
    """A notebook makes a table of the kinds of a plan, a program writes down an event."""
    notes = [Note("one"), Note("two", serious=True)]
    assert pd.DataFrame(notes).to_dict("list") == {"message": ["one", "two"], "serious": [False, True]}
    assert dataclasses.asdict(notes[0]) == {"message": "one", "serious": False}
    assert dataclasses.replace(notes[0], serious=True) == Note("one", serious=True)
    assert [each.name for each in dataclasses.fields(Cost)] == list(Cost.__struct_fields__)


def test_a_report_is_shown_in_one_line(folder: Path) -> None:
    """As pandas shows a frame: what a notebook prints at the end of a cell is what happened."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n102,x\n")
    with SandboxThread(rate="off") as sandbox:
        given: dict[str, Any] = {"token": "any", "base_url": sandbox.url, "rate": "9999/1"}
        shown = [
            repr(loader.load_sync("a.csv", **{**TYPES, **given}, dry_run=True)),
            repr(loader.load_sync("a.csv", **{**TYPES, **given})),
            repr(loader.verify_sync("a.csv", **{**TYPES, **given}, wait=0)),
            repr(loader.export_sync("contacts", "companies", ids="a.csv", output="e.csv", **given)),
            repr(loader.undo_sync("a.results.csv", **given)),
        ]
    assert shown == [
        "<Report of a dry run: 2 rows: 1 rejected, 1 pending; nothing was sent>",
        "<Report: 2 rows: 1 created, 1 rejected; exit code 1; a.results.csv>",
        "<Verification: 2 rows: 1 there, 1 unreadable; exit code 1; a.verify.csv>",
        "<ExportReport: 2 records: 1 associated, 1 without; exit code 0; e.csv>",
        "<UndoReport: 1 pair: 1 removed; exit code 0; a.undo.csv>",
    ]


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Add --from contacts --to companies.", 'Add from_="contacts", to="companies".'),
        ("give --from and --to, or --fresh", "give from_ and to, or fresh=True"),
        (
            'Did you mean --column object_id="A B" --column to_object_id="C"?',
            'Did you mean column={"object_id": "A B", "to_object_id": "C"}?',
        ),
        ("or --max-removals off; --again 20h.", 'or max_removals="off"; again="20h".'),
        ("type `association-loader labels --json`", "type `association-loader labels --json`"),
    ],
)
def test_a_sentence_with_options_has_python_s_keywords(sentence: str, said: str) -> None:
    """So that what an error advises can be pasted into the call."""
    assert in_python(sentence) == said


async def test_load_takes_a_path_and_gives_a_report(sandbox: Sandbox, folder: Path) -> None:
    """Exit code, summary, results and failures; the files are those of the command."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\nx,202\n")
    events: list[Event] = []
    report = await loader.load(Path("a.csv"), **TYPES, base_url=sandbox.url, on_event=events.append)
    assert isinstance(report, loader.Report)
    assert (report.exit_code, report.stopped) == (1, None)
    assert report.summary["rows"]["created"] == 1
    assert sorted(report.results["status"]) == ["created", "rejected"]
    assert list(report.failures["from_id"]) == ["x"]
    assert (folder / "a.results.csv").exists()
    assert report.summary["next_command"].startswith("association-loader load a.failures.csv --from=contacts")
    assert "any" not in report.summary["command"].replace("companies", "")
    assert events


async def test_load_sync_works_inside_a_running_event_loop(folder: Path) -> None:
    """In a notebook there is always one; several paths are one load."""
    (folder / "a.csv").write_text("Key,to_id\n101,201\n")
    (folder / "b.csv").write_text("Key,to_id\n102,202\n")
    with SandboxThread() as running:
        report = loader.load_sync(["a.csv", "b.csv"], **TYPES, base_url=running.url, column={"object_id": "Key"})
    assert sorted(report.results["object_id"]) == ["101", "102"]
    assert not [thread for thread in threading.enumerate() if thread.name == "association-loader"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"from_id": [101, 9007199254740993], "to_id": ["201", "202"]}),
        pd.DataFrame({"from_id": ["101", "9007199254740993"], "to_id": [201, 202]}, index=[7, 3]),
        pd.DataFrame({"from_id": pd.array([101, 9007199254740993], "Int64"), "to_id": [201.0, 202.0]}),
        pd.DataFrame({"from_id": [101, "9007199254740993"], "to_id": [201.0, np.int64(202)]}, dtype=object),
        pd.DataFrame({"from_id": pd.Categorical(["101", "9007199254740993"]), "to_id": [201, 202]}),
    ],
    ids=["integers", "text", "nullable", "mixed", "categories"],
)
async def test_a_dataframe_is_loaded_with_exact_ids(frame: pd.DataFrame, sandbox: Sandbox, folder: Path) -> None:
    """Whatever its columns' types; the first record is row 2, its index means nothing."""
    report = await loader.load(frame, **TYPES, base_url=sandbox.url)
    assert report.exit_code == 0
    found = report.results.sort_values("row")
    assert list(found["row"]) == ["2", "3"]
    assert list(found["object_id"]) == ["101", "9007199254740993"]
    assert list(found["to_object_id"]) == ["201", "202"]
    assert sandbox.portal.types_of("contacts", 9007199254740993, "companies", 202)
    assert (folder / "dataframe.results.csv").exists()


async def test_a_configuration_file_may_serve_other_commands_too(sandbox: Sandbox, folder: Path) -> None:
    """`max-failures` is none of plan's; a keyword wins over the file."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n")
    (folder / "c.toml").write_text('from = "deals"\nto = "companies"\nmax-failures = 3\n')
    planned = await loader.plan("a.csv", config="c.toml", object_type="contacts", base_url=sandbox.url, token="any")
    assert [(kind.object_type, kind.to_object_type) for kind in planned.kinds] == [("contacts", "companies")]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("dtype", [float, object])
@pytest.mark.usefixtures("folder")
async def test_ids_of_a_dataframe_that_lost_digits_are_rejected(dtype: Any, sandbox: Sandbox) -> None:
    """A blank in a column of integers makes floats of them all: small ones are exact, large ones are not guessed."""
    frame = pd.DataFrame({"from_id": [101.0, 9007199254740993.0, None, 1.5], "to_id": ["1", "2", "3", "4"]})
    report = await loader.load(frame.astype({"from_id": dtype}), **TYPES, base_url=sandbox.url)
    assert dict(zip(report.results["row"], report.results["status"], strict=True)) == {
        "2": "created",
        "3": "rejected",
        "4": "rejected",
        "5": "rejected",
    }


async def test_the_same_dataframe_again_sends_nothing(sandbox: Sandbox, folder: Path) -> None:
    """It is the same input by its content; another one begins a new run."""
    frame = pd.DataFrame({"from_id": [101], "to_id": ["201"]})
    given = {**TYPES, "base_url": sandbox.url, "results": folder / "r.parquet"}
    await loader.load(frame, **given)
    await loader.load(frame.copy(), **given)
    assert sandbox.count("PUT") == 1
    await loader.load(pd.DataFrame({"from_id": [102], "to_id": ["201"]}), **given)
    assert sandbox.count("PUT") == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate": "fast"}, "rate"),
        ({"nonsense": 1}, "nonsense"),
        ({"lable": "Champion"}, r"load\(\) has no keyword lable: did you mean label\?"),
        ({"object_id": "Contact"}, 'to read that field from a column, write column={"object_id": "…"}'),
        ({"from_": "contacts"}, "object_type and from_ are the same option: keep one"),
        ({"token": None, "token_file": "nowhere"}, "nowhere"),
        ({"token_file": "both"}, "token"),
        ({"base_url": "http://api.hubapi.com"}, "base_url http://api.hubapi.com would send the token unencrypted"),
        ({"rate": "190"}, "rate needs auto, or requests/seconds such as 190/10, not '190'."),
        ({"unread": True}, 'unread=True works only with existing="replace"'),
        ({"from_id_property": "hs_object_id"}, "leave from_id_property out"),
        ({"delimiter": ";;"}, 'delimiter=";;": must be one character'),
    ],
)
async def test_what_is_wrong_is_raised_before_anything_is_done(
    given: dict[str, Any], said: str, sandbox: Sandbox, folder: Path
) -> None:
    """The command's errors, as exceptions with the command's sentences, in which an option is named by its keyword."""
    (folder / "a.csv").write_text("from_id,to_id\n101,201\n")
    with pytest.raises(errors.UsageError, match=said):
        await loader.load("a.csv", **{**TYPES, "base_url": sandbox.url, **given})
    with pytest.raises(errors.UsageError, match=said):
        loader.load_sync("a.csv", **{**TYPES, "base_url": sandbox.url, **given})
    frame = pd.DataFrame([[1, 2]], columns=["from_id", "from_id"])
    with pytest.raises(errors.UsageError, match="from_id"):
        await loader.load(frame, **TYPES, base_url=sandbox.url)
    assert sandbox.count() == 0


@pytest.mark.slow
def test_ctrl_c_in_load_sync_drains_the_load_first(folder: Path) -> None:
    """KeyboardInterrupt comes once everything is written down; the next call goes on."""
    (folder / "a.csv").write_text("from_id,to_id\n" + "".join(f"{n},1\n" for n in range(100, 160)))
    # What a shell starts in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sent: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.created > 5 and not sent:
            sent.append(event.created)
            os.kill(os.getpid(), signal.SIGINT)

    with SandboxThread(latency="100ms") as running:
        try:
            with pytest.raises(KeyboardInterrupt):
                loader.load_sync("a.csv", **TYPES, base_url=running.url, concurrency=2, on_event=interrupt)
        finally:
            signal.signal(signal.SIGINT, before)
        assert 5 < len(running.portal.pairs()) < 60
        report = loader.load_sync("a.csv", **TYPES, base_url=running.url)
        assert report.summary["rows"]["created"] == 60
        # What the signal met in flight may be sent once more; two workers, so two at most.
        assert 60 <= running.count("PUT") <= 62


@pytest.mark.parametrize(("kind", "bits"), [("float16", 11), ("float32", 24), ("float64", 53)])
def test_a_narrow_number_is_an_id_only_while_it_holds_every_digit(kind: str, bits: int, folder: Path) -> None:
    """From there on several ids are one and the same number."""
    del folder
    largest, beyond = (np.dtype(kind).type(2**bits - off) for off in (1, 0))
    planned = loader.plan_sync([(largest, 201), (beyond, 202)], object_type="contacts", to_object_type="companies")
    assert (planned.rows, planned.reasons) == (2, {"DIGITS_LOST": 1})
