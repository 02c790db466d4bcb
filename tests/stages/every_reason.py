"""A journal of a long run in which every reason that there is occurs, and a plan; every text is hostile."""

import math
import random
from pathlib import Path

from loader.events import (
    Cost,
    Kind,
    LookedUp,
    Losing,
    MergedRecord,
    MirrorPlanned,
    NewLabel,
    Planned,
    PlannedType,
    RejectedFor,
    RejectedRow,
    SoFar,
)
from loader.journal import EndedEarly, Journal, PastCommand, RequestCounts
from loader.model import Outcome, Pair, Reject, Result, Understood
from loader.reasons import ANSWERS, ROWS
from loader.settings import Rate
from loader.show.pace import MOST_BUCKETS, Bucket, Pace, latency_classes
from loader.show.report import plan_page
from tests.rows import Link
from tests.stages.fake_portal import row_kind
from tests.stages.staged import NOW, chunk, claim, created, link, numbers, stage

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\x1b[2J\u202e"
"""What a cell, a label or an answer might hold: it must be seen as text, and do nothing."""


def every_reason(folder: Path) -> Path:
    """Make the journal `r.journal` in a folder and return its path."""
    hostile = row_kind(label=HOSTILE)
    rejects = [
        Reject(2000 + number, 0, HOSTILE, HOSTILE, hostile, reason, f"Row {number}: {HOSTILE} is wrong")
        for number, reason in enumerate(ROWS)
    ]
    links: list[Link] = [link(2 + number, 1 + number, 7) for number in range(3 * len(ANSWERS))]
    path = stage(folder, [chunk([*links, *rejects])])
    with Journal(path) as journal:
        first, *others = claim(journal, 10_000)
        codes = [*ANSWERS, "NEW_AT_HUBSPOT", HOSTILE]
        journal.record([created(first), *(_failed(*each) for each in zip(others, codes, strict=False))], _facts())
        journal.remember(**_long_series())
    return path


def every_plan() -> str:
    """Return the page of a plan in which everything occurs that there is."""
    understood = Understood(
        format="csv",
        encoding="utf-8",
        delimiter=";",
        sheet=HOSTILE,
        header_row=1,
        columns={"object_id": (HOSTILE,), "to_object_id": (HOSTILE, HOSTILE)},
        notes=[HOSTILE],
        unused=(HOSTILE,),
        warnings=(HOSTILE,),
    )
    event = Planned(
        inputs={HOSTILE: understood, f"{HOSTILE} 2": understood},
        kinds=(Kind(1, HOSTILE, HOSTILE, "USER_DEFINED", "7", HOSTILE),) * 60,
        rows=1000,
        pairs=900,
        rejected=100,
        reasons=dict.fromkeys(ROWS, 1),
        without=1,
        unchecked=((HOSTILE, HOSTILE),),
        looked_up=(LookedUp(HOSTILE, HOSTILE, 3, 2), LookedUp(HOSTILE, HOSTILE, 3, None)),
        portal_id=HOSTILE,
        requests=1,
        seconds=1.0,
        rate=Rate(190, 10.0),
        daily_quota=1000,
        costs={"put": Cost(1, 900, 901, 90.0, 0.9, 0), "batch": Cost(1, 1, 2, 0.2, 0.0001, 90)},
        so_far=SoFar(900, 1, whole=True),
        losing=Losing(2, 1),
        merged=(MergedRecord("0-1", HOSTILE, HOSTILE),),
        account_type=HOSTILE,
        address=HOSTILE,
        method="batch",
        rejects=tuple(
            RejectedFor(code, 3, reason.cause, reason.mend, (RejectedRow(HOSTILE, 2, HOSTILE, HOSTILE, HOSTILE),) * 2)
            for code, reason in ROWS.items()
        ),
        failures=HOSTILE,
        next_command=f"association-loader load '{HOSTILE}.csv'",
        new_labels=(NewLabel("0-1", "0-2", HOSTILE, HOSTILE, 1, (HOSTILE,)),),
        mirror=MirrorPlanned(
            types=(PlannedType(HOSTILE, HOSTILE, "USER_DEFINED", "7", HOSTILE, 1, 1, 1),),
            associations=9,
            removed=1,
            exempt_records=1,
            requests=2,
            too_many=HOSTILE,
        ),
    )
    return plan_page(event, [HOSTILE], version=HOSTILE, written_at=NOW)


def _failed(pair: Pair, code: str) -> Outcome:
    message = f"{HOSTILE} for {pair.object_id}"
    result = Result("failed", 400, "", (), code, message, HOSTILE, 8, NOW)
    return Outcome(pair_ids=numbers(pair), result=result, rows=pair.rows)


def _facts() -> dict[str, object]:
    command = f"association-loader load '{HOSTILE}.csv' --label '{HOSTILE}'"
    return {
        "outputs": {"results": "r <img src=x onerror=alert(1)>.csv"},
        "command": command,
        "next_command": command,
        "folder": f"/srv/{HOSTILE}",
        "stopped": EndedEarly(message=f"stopped by {HOSTILE}", category="X", http_status=400),
        "exit_code": 4,
        "portal_id": HOSTILE,
        "seconds": 90_061.0,
        "rate": Rate(190, 10.0),
        "daily_left": 120_000,
        "daily_limit": 625_000,
        "requests": RequestCounts(
            sent=1_234_567,
            retried=2345,
            rate_limited=678,
            by_status={"201": 1_230_000, "400": 2000, "429": 678, "500": 1800},
            sending_seconds=90_000.0,
        ),
        "commands": (
            PastCommand(began_at=NOW, after_seconds=0.0, ended_at=NOW, exit_code=5),
            PastCommand(began_at=NOW, after_seconds=40_000.0),
        ),
    }


def _long_series() -> dict[str, object]:
    """A day of requests, with two storms in it."""
    chance, pace = random.Random(7), Pace()
    for minute in range(1500):
        storm = 20 if minute in range(400, 430) or minute in range(900, 960) else 0
        sent = int(1000 + 120 * math.sin(minute / 90) - 30 * storm)
        latencies = latency_classes(chance.lognormvariate(-2.2 + storm / 20, 0.4) for _ in range(60))
        pace.add(
            minute * 60.0,
            Bucket(sent, storm, storm, storm // 4, sent, 3 if storm else 0, 40, 19.0, latencies),
        )
    assert len(pace.buckets) <= MOST_BUCKETS
    return {"pace": pace.changes(), "pace_width": pace.width}
