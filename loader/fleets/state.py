"""The state of a portal, from the last heartbeat of its worker."""

from datetime import datetime

from loader.events import Portal
from loader.fleets.description import FleetPortal
from loader.fleets.lease import Work
from loader.fleets.work import worst

SILENT_SECONDS = 15.0
"""A heartbeat comes every two seconds, and nothing is sent any more ten seconds after the last one."""

_DOING = {"bringing": "bringing the files of", "running": "loading", "copying": "copying the files of"}
"""What a worker does with a job, by the job's phase."""


def state_of(portal: FleetPortal, work: Work | None, now: datetime) -> Portal:
    """Return the state of a portal; `work` is None if no worker has begun with it."""
    jobs = work.jobs if work else ()
    at_work = next((job for job in jobs if job.phase in _DOING), None)
    codes = [job.exit_code for job in jobs if job.exit_code is not None]
    seconds_ago = (now - datetime.fromisoformat(work.at)).total_seconds() if work and work.at else None
    until = max((job.resets_at for job in jobs if job.resets_at), default=None)
    return Portal(
        profile=portal.profile,
        portal_id=portal.portal_id,
        state=_state(work, seconds_ago, until, now),
        jobs=len(portal.jobs),
        ended=sum(job.phase == "ended" for job in jobs),
        job=at_work.job if at_work else "",
        doing=_DOING[at_work.phase] if at_work else "",
        rows=sum(job.rows for job in jobs),
        done=sum(job.done + job.failed for job in jobs),
        failed=sum(job.failed for job in jobs),
        rate=at_work.rate if at_work else 0.0,
        seconds_left=at_work.seconds_left if at_work else None,
        since=work.at if work else None,
        seconds_ago=seconds_ago,
        until=until,
        taken_over=sum(job.taken_over for job in jobs),
        not_provable=sum(job.not_provable for job in jobs),
        exit_code=worst(codes) if codes else None,
        error=next((f"{job.job}: {job.error}" for job in jobs if job.error), ""),
    )


def _state(work: Work | None, seconds_ago: float | None, until: str | None, now: datetime) -> str:
    if work is None:
        return "waiting"
    if work.ended:
        return "quota" if until and datetime.fromisoformat(until) > now else "ended"
    return "silent" if seconds_ago is not None and seconds_ago > SILENT_SECONDS else "working"
