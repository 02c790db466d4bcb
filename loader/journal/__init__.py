"""The journal of a run: the only place that knows SQLite, and the only truth about what was read, sent and answered."""

from loader.journal.async_journal import AsyncJournal, InThread, View
from loader.journal.facts import EndedEarly, Facts, OutputTable, PastCommand, RequestCounts, Undo, Written
from loader.journal.failed_records import FailedRecord, failed_places, failed_records
from loader.journal.journal import Counts, Journal
from loader.journal.lines import Line, LineBlock, line_blocks, line_of_pair, line_of_reject, lines
from loader.journal.lock import Lock, holder
from loader.journal.lookups import Lookups, forget_lookups
from loader.journal.new_journal import Figures, FirstReject, NewJournal, put_in_place
from loader.journal.schema import is_journal, output_names, remove_journal

__all__ = [
    "AsyncJournal",
    "Counts",
    "EndedEarly",
    "Facts",
    "FailedRecord",
    "Figures",
    "FirstReject",
    "InThread",
    "Journal",
    "Line",
    "LineBlock",
    "Lock",
    "Lookups",
    "NewJournal",
    "OutputTable",
    "PastCommand",
    "RequestCounts",
    "Undo",
    "View",
    "Written",
    "failed_places",
    "failed_records",
    "forget_lookups",
    "holder",
    "is_journal",
    "line_blocks",
    "line_of_pair",
    "line_of_reject",
    "lines",
    "output_names",
    "put_in_place",
    "remove_journal",
]
