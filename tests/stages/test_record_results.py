"""The views of a journal: results in three forms, failures, summary. Whatever happens, a row is there once."""

import asyncio
import csv
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loader.errors import RecordError
from loader.journal import AsyncJournal, Journal
from loader.model import Outcome
from loader.reasons import REASONS
from loader.record.csv_text import defused
from loader.record.failures import ADDED, write_failures
from loader.record.outputs import Outputs
from loader.record.results import open_results
from loader.record.summary import write_summary
from tests.stages.fake_portal import row_kind
from tests.stages.staged import Row, chunk, claim, created, failed, link, numbers, reject, stage
from tests.written import lines_of

ROWS: list[Row] = [
    link(2, 1, 9),
    link(3, 1, 9, row_kind(primary=True)),
    link(4, 2, 9),
    reject(5, "1E+5", "9"),
    link(6, 3, 9),
]


def written(journal: Journal, path: Path) -> list[dict[str, str]]:
    """Bring a results file up to date, as an orderly exit does, and read it."""
    with open_results(path, journal) as results:
        journal.remember(**results.catch_up())
        results.finish()
    return lines_of(path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A run of five rows: a pair of two rows created, one failed, one rejected, one pending."""
    with Journal(stage(tmp_path, [chunk(ROWS)])) as opened:
        first, second, _ = claim(opened, 9)
        opened.record([created(first), failed(second)], {})
        yield opened


def test_parquet_keeps_ids_as_text_and_counts_as_numbers(journal: Journal, tmp_path: Path) -> None:
    """An id must not become a float on its way out."""
    written(journal, tmp_path / "r.parquet")
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "r.parquet")}
    assert (types["object_id"], types["row"], types["http_status"]) == ("string", "int64", "int64")


def test_a_file_without_outcomes_has_a_header_alone(tmp_path: Path) -> None:
    """Even a run that stops at once leaves a table."""
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9)])])) as journal:
        assert written(journal, tmp_path / "r.parquet") == []
        (tmp_path / "r.parquet").unlink()
        assert written(journal, tmp_path / "r.csv") == []


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    "harm",
    [
        lambda whole: b"",
        lambda whole: whole[:10],
        lambda whole: whole[:-5],
        lambda whole: whole.replace(b"created", b"CREATED"),
        lambda whole: whole + b"torn li",
        lambda whole: b"\0" * len(whole),
        None,
    ],
    ids=[
        "emptied",
        "header cut",
        "last line cut",
        "edited",
        "torn line appended",
        "zeros after a power cut",
        "deleted",
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_harmed_file_is_made_whole_by_the_next_command(
    journal: Journal, tmp_path: Path, ending: str, harm: Callable[[bytes], bytes] | None
) -> None:
    """Whatever happened to the file between two commands, each row has one line at the end."""
    path = tmp_path / f"r{ending}"
    written(journal, path)
    if harm is not None:
        path.write_bytes(harm(path.read_bytes()))
    else:
        path.unlink()
    journal.record([created(pair) for pair in claim(journal, 9)], {})
    again = Journal(journal.path)
    with again:
        again.record([created(pair) for pair in claim(again, 9)], {})
        found = written(again, path)
    assert sorted(line["row"] for line in found) == ["2", "3", "4", "5", "6"]


def test_what_a_crash_left_behind_the_known_lines_is_cut_off_at_once(journal: Journal, tmp_path: Path) -> None:
    """A run that is killed once more leaves a results file with whole lines and nothing else."""
    path = tmp_path / "r.csv"
    with open_results(path, journal) as results:
        journal.remember(**results.catch_up())
    known = path.read_bytes()
    path.write_bytes(known + b"x,2,created\n" * 1000)
    with open_results(path, journal):
        assert path.read_bytes() == known


def test_a_file_that_vanishes_during_the_run_is_there_at_its_end(journal: Journal, tmp_path: Path) -> None:
    """Deleted or cut under the loader's hands, it is written anew on leaving."""
    path = tmp_path / "r.csv"
    harms: list[Callable[[], None]] = [path.unlink, partial(os.truncate, path, 7)]
    for harm in harms:
        with open_results(path, journal) as results:
            results.catch_up()
            harm()
            results.finish()
        assert len(lines_of(path)) == 4


# --- formulas


def test_a_formula_becomes_text() -> None:
    """A spreadsheet shows it instead of running it."""
    formulas = "=1+1", "+SUM(A1)", "-2+3", "@x", "\tx", "\rx", " =1", '"=1', "=", "\n=1", "\uff1d1", "+1 555 123"
    assert {text: defused(text) for text in formulas} == {text: f"'{text}" for text in formulas}


def test_numbers_and_plain_text_stay() -> None:
    """What no spreadsheet would run is not touched; what is defused once is not defused again."""
    texts = "", "1", "-5", "+4917012345", "-1.5", "-1,5", "a=b", "Größe", "'=1", "x\ty", "1E+5"
    assert {text: defused(text) for text in texts} == {text: text for text in texts}


# --- failures


def outputs_in(folder: Path) -> Outputs:
    """Return where a run's files lie in a folder."""
    return Outputs(folder / "r.csv", folder / "r.failures.csv", "r", folder / "r.journal")


def failures_of(journal: Journal, tmp_path: Path) -> list[list[str]]:
    """Write the failures file and return its lines, the header first."""
    write_failures(outputs_in(tmp_path), journal, datetime.now(UTC))
    with (tmp_path / "r.failures.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_failures_are_the_records_with_the_reason_behind_them(journal: Journal, tmp_path: Path) -> None:
    """The inputs' columns first, then what went wrong and what to do."""
    header, failed_line, rejected_line = failures_of(journal, tmp_path)
    assert header == ["object_id", "to_object_id", *ADDED]
    reason = REASONS["VALIDATION_ERROR"]
    message = f"{reason.cause} {reason.mend} HubSpot says: no such record"
    assert failed_line == ["2", "9", "a.csv", "4", "failed", "VALIDATION_ERROR", message, "400", "c-1"]
    assert rejected_line == ["1E+5", "9", "a.csv", "5", "rejected", "INVALID_RECORD_ID", "row 5 is wrong", "", ""]


def test_there_is_no_failures_file_without_failures(tmp_path: Path) -> None:
    """One that an earlier command left is gone; an unknown one is kept."""
    path = tmp_path / "r.failures.csv"
    with Journal(stage(tmp_path, [chunk([link(2, 1, 9)])])) as journal:
        path.write_text("old")
        journal.remember(failures_written=(sha256(b"old").hexdigest(),))
        assert write_failures(outputs_in(tmp_path), journal, datetime.now(UTC)).lines == 0
        path.write_text("precious")
        kept = write_failures(outputs_in(tmp_path), journal, datetime.now(UTC)).kept
    assert not path.exists()
    assert kept is not None
    assert kept.read_text() == "precious"


def test_failures_have_the_columns_of_all_inputs_once(tmp_path: Path) -> None:
    """In their order; columns of an earlier failures file are not carried along; equal headers stay apart."""
    one = chunk([reject(2, "x", "9")], {2: ["x", "9", "n1", "n2"]})
    two = chunk([reject(2, "y", "8")], {2: ["y", "t", "8", "old"]})
    headers = (["object_id", "to_object_id", "note", "note"], ["object_id", "tag", "to_object_id", "_row"])
    with Journal(stage(tmp_path, [one], [two], headers=headers)) as journal:
        header, first, second = failures_of(journal, tmp_path)
    assert header == ["object_id", "to_object_id", "note", "note", "tag", *ADDED]
    assert (first[:5], second[:5]) == (["x", "9", "n1", "n2", ""], ["y", "8", "", "", "t"])


def test_a_list_is_reduced_to_the_id_that_failed(tmp_path: Path) -> None:
    """Of `201;x;203` and a second column, a line keeps only what it is about, so that a mended file loads just that."""
    columns = ("Associated Company IDs", "Associated Company IDs (Primary)")
    plain, primary = row_kind(to_column=columns[0]), row_kind(to_column=columns[1], primary=True)
    rows: list[Row] = [
        link(2, 1, 201, plain),
        reject(2, "1", "x", plain, part=1),
        link(2, 1, 203, plain, part=2),
        link(2, 1, 204, primary, part=3),
    ]
    cells = {2: ["1", "201;x;203", "204"]}
    headers = [("object_id", *columns)]
    path = stage(tmp_path, [chunk(rows, cells)], headers=headers, to_columns=columns)
    with Journal(path) as journal:
        journal.record([failed(pair) for pair in claim(journal, 9)], {})
        _, *found = failures_of(journal, tmp_path)
    assert [line[:3] for line in found] == [["1", "201", ""], ["1", "x", ""], ["1", "203", ""], ["1", "", "204"]]


def test_a_record_that_is_wrong_as_a_whole_keeps_all_its_cells(tmp_path: Path) -> None:
    """A record of a wrong length has one line for all that it may have asked for."""
    columns = ("Associated Company IDs", "Associated Company IDs (Primary)")
    what = row_kind(to_column=columns[0])
    row = reject(2, "1", "201;202", what)._replace(reason="FIELD_COUNT")
    one = chunk([row], {2: ["1", "201;202", "204"]})
    path = stage(tmp_path, [one], headers=[("object_id", *columns)], to_columns=columns)
    with Journal(path) as journal:
        _, line = failures_of(journal, tmp_path)
    assert line[:3] == ["1", "201;202", "204"]


def test_failures_of_many_chunks_are_found_with_their_own_record(tmp_path: Path) -> None:
    """Records are kept in chunks; each failure gets the cells of its own row and input."""
    chunks = [
        [chunk([reject(row, f"{name}{row}", "9") for row in range(start, start + 3)]) for start in (2, 9, 20)]
        for name in "ab"
    ]
    with Journal(stage(tmp_path, *chunks)) as journal:
        _, *found = failures_of(journal, tmp_path)
    assert [line[0] for line in found] == [f"{n}{row}" for n in "ab" for row in (2, 3, 4, 9, 10, 11, 20, 21, 22)]
    assert [f"{line[2][0]}{line[3]}" for line in found] == [line[0] for line in found]


# --- summary


def test_a_summary_can_name_any_file(tmp_path: Path) -> None:
    """A file's name that is no text is written as JSON's own escape."""
    write_summary(tmp_path / "s.json", {"path": "\udcff.csv"})
    assert json.loads((tmp_path / "s.json").read_text()) == {"path": "\udcff.csv"}


# --- recent outcomes


def both_ends() -> list[Row]:
    """Return rows of each kind of pair: of one row, of two, written from the rarer end, and from both."""
    back = row_kind("companies", "contacts")
    return [
        link(2, 1, 9),
        link(3, 9, 2, back),
        link(4, 3, 9),
        link(5, 9, 3, back),
        link(6, 4, 9),
        link(7, 4, 9, row_kind(primary=True)),
        link(8, 5, 9, part=1),
        link(9, 6, 9),
        link(10, 7, 9),
    ]


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("by_record", [True, False])
@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_lines_of_recent_outcomes_are_those_of_the_journal(
    tmp_path: Path, ending: str, by_record: bool, at_once: int
) -> None:
    """Byte for byte: what is not read back, to save time, is the same line as if it were."""
    path = tmp_path / f"r.{ending}"
    with Journal(stage(tmp_path, [chunk(both_ends())], by_record=by_record)) as journal:
        with open_results(path, journal) as results:
            while pairs := claim(journal, at_once):
                outcomes = [failed(pair) if pair.object_id == "4" else created(pair) for pair in pairs]
                if len(pairs) > 2:
                    outcomes[-2:] = [Outcome(pair_ids=numbers(*pairs[-2:]), result=outcomes[-1].result, rows=2)]
                journal.record(outcomes, {})
                journal.remember(**results.catch_up())
            at_first = path.read_bytes()
        journal.rewrite("results")
    path.unlink()
    with Journal(journal.path) as journal:
        written(journal, path)
    assert at_first.count(b"\n") == 9 + (ending == "csv")
    assert path.read_bytes() == at_first


def test_lines_of_outcomes_that_others_recorded_come_from_the_journal(tmp_path: Path) -> None:
    """A gap in the numbers, as between two commands, is closed from the journal."""
    path = tmp_path / "r.csv"
    with Journal(stage(tmp_path, [chunk(ROWS)])) as journal:
        first, *others = claim(journal, 9)
        journal.record([created(first)], {})
        with open_results(path, journal) as results:
            journal.claim_again()
            claim(journal, 9)
            journal.record([created(pair) for pair in others], {})
            journal.remember(**results.catch_up())
    assert [line["row"] for line in lines_of(path)] == ["2", "3", "4", "6", "5"]


def test_what_a_later_pass_sends_is_written_down_as_it_comes(tmp_path: Path) -> None:
    """A crash in the middle of the second pass loses no more than one in the first."""

    async def until_there_are(lines: int) -> None:
        while (tmp_path / "r.csv").read_text().count("\n") < lines:  # noqa: ASYNC110 - no event tells of a file
            await asyncio.sleep(0.01)

    path = stage(tmp_path, [chunk([link(2, 1, 9), link(3, 2, 9)])])

    async def passes() -> None:
        async with AsyncJournal(Journal(path)) as journal:
            await journal.follow(partial(open_results, tmp_path / "r.csv"))
            for lines in (2, 3):
                writing = asyncio.create_task(journal.write())
                journal.record([created(one) for pairs in await journal.claim(1) for one in pairs.each()])
                async with asyncio.timeout(5):
                    await until_there_are(lines)
                journal.close()
                await writing
            await journal.finish()

    asyncio.run(passes())


def test_the_journal_finishes_the_work_of_a_cancelled_task(tmp_path: Path) -> None:
    """An answer is recorded, also when its task no longer waits for it."""
    path = stage(tmp_path, [chunk([link(2, 1, 9), link(3, 2, 9)])])

    async def cancelled() -> None:
        async with AsyncJournal(Journal(path)) as journal:
            (one,) = [one for pairs in await journal.claim(1) for one in pairs.each()]
            task = asyncio.create_task(journal.call(Journal.record, [created(one)], {}))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())
    with Journal(path) as journal:
        assert journal.counts().by_status["created"] == 1


def test_after_an_error_the_journal_writes_no_more(tmp_path: Path) -> None:
    """A disk may say of what comes after that it is written, and lose it."""
    path = stage(tmp_path, [chunk([link(2, 1, 9), link(3, 2, 9)])])

    def fail(journal: Journal) -> None:
        raise RecordError(str(journal.path))

    async def broken() -> None:
        async with AsyncJournal(Journal(path)) as journal:
            (one,) = [one for pairs in await journal.claim(1) for one in pairs.each()]
            with pytest.raises(RecordError):
                await journal.call(fail)
            journal.record([created(one)])
            with pytest.raises(RecordError):
                await journal.call(Journal.counts)
            await journal.finish()

    asyncio.run(broken())
    with Journal(path) as journal:
        assert journal.counts().by_status["created"] == 0
