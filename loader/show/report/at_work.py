"""How the work went as a whole: what was sent and answered, and which commands did it."""

from loader.events import Status
from loader.show.report.figures import Figures
from loader.show.report.forms import facts, moment, table
from loader.show.report.markup import Markup, element

EXIT_CODES = {
    0: "every row is there",
    1: "finished; some rows failed or were rejected",
    3: "stopped: the token, a permission or the portal",
    4: "stopped: too many rows failed",
    5: "stopped for now: a quota, a time limit, or HubSpot out of reach",
    130: "interrupted",
    143: "interrupted",
}


def requests(found: Figures) -> Markup:
    """Return the section on what went over the wire, or nothing where nothing did."""
    traffic = found.facts.get("traffic") or {}
    if not traffic.get("sent"):
        return Markup("")
    allowed, seconds = found.facts.get("rate") or (0, 1)
    achieved = traffic["sent"] / traffic["sending_seconds"] if traffic.get("sending_seconds") else 0.0
    left, limit = found.facts.get("quota") or (None, None)
    quota = "" if left is None else f"{left:,} left{f' of {limit:,}' if limit else ''} at the last answer"
    known = {
        "Sent": f"{traffic['sent']:,}, of which {traffic['retried']:,} were retries",
        "Answers by status": " · ".join(f"{status}: {count:,}" for status, count in traffic["by_status"].items()),
        "Rate": f"{achieved:,.3g} per second; the limit was {allowed:,} in {seconds:g} s",
        "Quota of the day": quota,
    }
    return element("section", element("h2", "Requests"), facts(known))


def commands(found: Figures, status: Status) -> Markup:
    """Return the section on the commands that worked on the run, one after the other."""
    unfinished = "still at work" if status.process else "was killed"
    rows = [
        (moment(each["began_at"]), moment(each.get("ended_at")) or unfinished, _ended(each.get("exit_code")))
        for each in found.facts.get("commands") or []
    ]
    if not rows:
        return Markup("")
    return element("section", element("h2", "Commands that worked on it"), table(("Began", "Ended", "Exit code"), rows))


def _ended(exit_code: int | None) -> str:
    return "" if exit_code is None else f"{exit_code}: {EXIT_CODES.get(exit_code, '')}".rstrip(": ")
