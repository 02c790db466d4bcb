"""What a load of a written file sends, held against what its author means."""

import csv
from pathlib import Path
from random import Random

import loader
from loader.errors import LoaderError
from loader.sandbox import Portal, Sandbox
from tests.properties.written_files import LABELS, Written, write

PORTAL = {"labels": [{"from": "contacts", "to": "companies", "label": label} for label in LABELS]}


def check(seed: int, sandbox: Sandbox, folder: Path) -> None:
    """Load one file drawn by `seed`: every association is meant by a row, and every row that is held is there."""
    sandbox.reset()
    written = write(Random(seed))
    refused = _load(written, sandbox, folder)
    sent = _sent(sandbox.portal)
    meant = {
        (row.object_id, row.to_object_id, label) for row in written.meant if row.valid for label in {"", row.label}
    }
    assert sent <= meant, f"seed {seed}, {written.name}: nobody asks for {sorted(sent - meant)}"
    if refused:
        assert not written.whole, f"seed {seed}: {refused}"
        assert not sent
        return
    lost = [row for row in written.held if row[:3] not in sent]
    assert not lost, f"seed {seed}, {written.name}: {lost} is not there"
    with (folder / "r.csv").open(encoding="utf-8", newline="") as results:
        lines = [line for line in csv.DictReader(results) if line["status"] == "created"]
    reported = {(line["object_id"], line["to_object_id"], line["label"]) for line in lines}
    assert reported == {row[:3] for row in written.held}, f"seed {seed}, {written.name}: the results say something else"


def _load(written: Written, sandbox: Sandbox, folder: Path) -> str:
    source = written.content
    if written.name:
        source = folder / written.name
        source.write_bytes(written.content)
    try:
        loader.load_sync(
            source,
            object_type="contacts",
            to_object_type="companies",
            token="any",
            rate="9999/1",
            method="batch",
            results=str(folder / "r.csv"),
            base_url=sandbox.url,
        )
    except LoaderError as error:
        return str(error)
    return ""


def _sent(portal: Portal) -> set[tuple[str, str, str]]:
    """Return every association as (from, to, label); a label's pair is associated without one, too."""
    names = {("HUBSPOT_DEFINED", 279): "", **{("USER_DEFINED", 2 * n + 1): label for n, label in enumerate(LABELS)}}
    return {
        (from_id, to_id, names.get(kind, str(kind)))
        for ((_, from_id), (_, to_id)), kinds in portal.pairs().items()
        for kind in kinds
    }
