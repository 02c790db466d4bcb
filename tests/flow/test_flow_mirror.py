"""`--existing mirror`: what the file does not ask of its records goes, all else stays, and undo gives it back."""

from pathlib import Path
from typing import Any

from loader.run.load import load
from loader.run.report import Report
from loader.sandbox import Sandbox
from loader.settings import ConnectionSettings, InputSettings, Rate, Secret, SendSettings, Settings
from tests.written import lines_of

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Boss"},
    {"from": "contacts", "to": "companies", "label": "Friend"},
    {"from": "contacts", "to": "companies", "label": "Manager", "inverse_label": "Employee"},
    {"from": "contacts", "to": "contacts", "label": "Parent", "inverse_label": "Child"},
]

Pairs = dict[tuple[int, int], set[str]]


def there(contact: int, company: int, *labels: str, to_type: str = "companies") -> dict[str, Any]:
    """An association that the portal begins with."""
    ends = {"from_type": "contacts", "from_id": str(contact), "to_type": to_type, "to_id": str(company)}
    return {**ends, "labels": list(labels)}


def settings(sandbox: Any, *inputs: str, read: dict[str, Any] | None = None, **send: Any) -> Settings:
    """Load `a.csv` with `--existing mirror`, fast."""
    types = {"object_type": "contacts", "to_object_type": "companies", **(read or {})}
    given = {name: send.pop(name) for name in ("results", "retry_failed", "fresh", "command") if name in send}
    return Settings(
        read=(InputSettings(inputs=inputs or ("a.csv",), **types),),
        connection=ConnectionSettings(base_url=sandbox.url, credentials=Secret("any")),
        send=SendSettings(**{"rate": Rate(10_000, 1), "existing": "mirror", **send}),
        **{"results": "r.csv", **given},
    )


async def mirror(sandbox: Any, *inputs: str, **given: Any) -> Report:
    """Load with `--existing mirror`."""
    return await load(settings(sandbox, *inputs, **given), notify=lambda _: None)


def had(sandbox: Sandbox) -> Pairs:
    """Return the labels of every pair of the sandbox."""
    found = {}
    for ((first, record), (_, other)), types in sandbox.portal.pairs().items():
        shown = sandbox.portal.types.describe(first, types)
        found[int(record), int(other)] = {each.label for each in shown if each.label is not None}
    return found


async def test_what_the_file_does_not_name_goes_and_all_else_stays(folder: Path) -> None:
    """Of the records of the file, as far as it is of a type that the file asks for."""
    (folder / "a.csv").write_text("from_id,to_id,label\n1,11,\n1,12,Boss\n2,21,\n")
    associations = [
        *(there(1, 11), there(1, 13), there(1, 14, "Boss"), there(1, 15, "Friend"), there(1, 16, "Boss", "Friend")),
        *(there(2, 21, "Boss"), there(2, 22), there(3, 31), there(3, 32, "Boss")),
    ]
    async with Sandbox({"labels": LABELS, "associations": associations}) as sandbox:
        report = await mirror(sandbox)
        assert had(sandbox) == {
            (1, 11): set(),
            (1, 12): {"Boss"},
            (1, 15): {"Friend"},
            (1, 16): {"Friend"},
            (2, 21): set(),
            (3, 31): set(),
            (3, 32): {"Boss"},
        }
        assert report.summary["removals"] == {"removed": 5, "failed": 0, "exempt_records": 0}
        assert report.summary["rows"]["total"] == 3
        assert report.exit_code == 0
    removed = [line for line in lines_of(folder / "r.csv") if line["status"] == "removed"]
    assert {(line["input"], line["row"]) for line in removed} == {("", "0")}
    assert sorted((line["object_id"], line["to_object_id"], line["label"]) for line in removed) == [
        *(("1", "13", ""), ("1", "14", "Boss"), ("1", "16", "Boss"), ("2", "21", "Boss"), ("2", "22", "")),
    ]
