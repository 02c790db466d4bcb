"""`python -m tests.fleets.driver FOLDER [SCHEDULER]`: have the orders of a folder done, as a command does."""

import json
import signal
import sys
from pathlib import Path
from uuid import uuid4

from loader.errors import Interrupted, LoaderError
from loader.fleets import engine
from loader.fleets.work import Order, PortalEnd, worst
from loader.stopping import Stop


def main(folder: Path, scheduler: str | None, at_once: int) -> int:
    """Return the exit code of all portals."""
    command_id, ends, stop = uuid4().hex, list[PortalEnd](), Stop()
    orders = [Order(**each, command_id=command_id) for each in json.loads((folder / "orders.json").read_text())]
    signal.signal(signal.SIGINT, lambda *_: stop.request(Interrupted(signal.SIGINT)))
    try:
        with engine.on_dask(at_once, scheduler) as submit:
            print("begun", flush=True)
            engine.run(orders, submit, at_once=at_once, stop=stop, ended=lambda _, end: ends.append(end))
    except LoaderError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for end in ends:
        jobs = [(job.exit_code, job.taken_over, job.not_provable, job.error) for job in end.jobs]
        print(json.dumps({"profile": end.profile, "exit_code": end.exit_code, "jobs": jobs, "error": end.error}))
    return worst([end.exit_code for end in ends])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None, at_once=12))
