"""The portals' work on Dask: on a cluster of processes on this machine, or on any scheduler by its address."""

import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

from loader.errors import Interrupted, RecordError, SchedulerLost, UsageError
from loader.fleets.work import Order, PortalEnd, forget_stop, stop_work, work
from loader.stopping import Stop

Submit: TypeAlias = Callable[[Order], "Future[PortalEnd]"]
"""Does an order somewhere: as a task of Dask, or, for a test, in a thread."""

LOOK_SECONDS = 0.5

MOST_PROCESSES = 4
"""A load waits for HubSpot most of its time, so several portals share a process."""

ENDED_BY_SYSTEM = 143
"""The exit code of a portal's work whose worker got SIGTERM: another worker continues it."""

SETTINGS = {
    "distributed.worker.profile.enabled": False,  # 100 looks a second at every thread: a fifth of the CPU.
}
"""Settings of Dask, for this command and the processes that it starts."""


def run(
    orders: Sequence[Order],
    submit: Submit,
    *,
    at_once: int,
    stop: Stop,
    ended: Callable[[Order, PortalEnd], float | None] = lambda *_: None,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Do all orders, the first ones first, `at_once` at a time, and return when no work is left.

    `ended` gets the result of each, and returns after how many seconds the portal is to be done again; None: not at
    all. `look` is called twice a second. At the first request of `stop`, the portals at work end as after Ctrl-C, and
    the others do not begin; at the second, nothing is waited for. Raises SchedulerLost.
    """
    waiting, running = deque(orders), dict[Future[PortalEnd], Order]()
    later: list[tuple[float, Order]] = []
    stopped: set[Future[PortalEnd]] = set()
    try:
        while (waiting or running or later) and not stop.at_once:
            if stop.asked():
                waiting.clear()
                later.clear()
                for future in running.keys() - stopped:
                    with suppress(RecordError):  # It is tried again at the next look.
                        stop_work(running[future])
                        stopped.add(future)
            waiting += [order for moment, order in later if moment <= time.monotonic()]
            later = [(moment, order) for moment, order in later if moment > time.monotonic()]
            while waiting and len(running) < at_once:
                order = waiting.popleft()
                running[submit(order)] = order
            if not running:
                time.sleep(LOOK_SECONDS)
            for future in wait(running, LOOK_SECONDS, FIRST_COMPLETED).done:
                order = running.pop(future)
                end = _end_of(future)
                if end is None or (end.exit_code == ENDED_BY_SYSTEM and not stop.asked()):
                    waiting.appendleft(order)
                elif (seconds := ended(order, end)) is not None:
                    later.append((time.monotonic() + seconds, order))
            look()
    finally:
        if stop.asked():
            for order in orders:
                with suppress(RecordError):
                    forget_stop(order)


def _end_of(future: "Future[PortalEnd]") -> PortalEnd | None:
    """Return the result of an order; None: its worker was lost, so it must be done again. Raises SchedulerLost."""
    try:
        return future.result()
    except CancelledError:
        raise SchedulerLost(
            "the Dask scheduler is gone, and the work on the HubSpot accounts stops: start a scheduler, then run the "
            "same command again, which continues where they stopped"
        ) from None
    except Exception as error:
        from distributed.scheduler import KilledWorker  # noqa: PLC0415 - see `on_dask`

        if isinstance(error, KilledWorker):
            return None  # That workers are killed again and again says nothing about the portal.
        raise


@contextmanager
def on_dask(at_once: int, scheduler: str | None) -> Iterator[Submit]:
    """Hold a cluster for a block: processes of this machine, or the workers of a scheduler, by its address.

    Raises UsageError where Dask is not installed, no scheduler answers, or no process can start.
    """
    try:
        import dask  # noqa: PLC0415 - of the extra `fleet`, and it takes a second
        from distributed import Client, LocalCluster  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"fleet needs the package {error.name}, which is not installed; install it with: "
            "pip install 'association-loader[fleet]'"
        ) from error
    with ExitStack() as held:
        held.enter_context(dask.config.set(SETTINGS))
        # For a lost scheduler the client logs a traceback.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        if scheduler is None:
            processes = min(MOST_PROCESSES, at_once)
            try:
                cluster = LocalCluster(
                    n_workers=processes,
                    threads_per_worker=-(-at_once // processes),
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    memory_limit=None,
                    preload=[__name__],
                    silence_logs=logging.CRITICAL,
                )
            except RuntimeError as error:  # Each of their processes imports the script that starts them.
                raise UsageError(
                    f"the worker processes cannot start ({str(error).rstrip('.')}): in a script, call fleet below "
                    "if __name__ == '__main__':"
                ) from None
            client = Client(held.enter_context(cluster))
        else:
            try:
                client = Client(scheduler)
            except Exception as error:  # Not a scheduler: Dask takes any bytes for a length (MemoryError).
                raise UsageError(
                    f"--scheduler {scheduler}: no Dask scheduler answers there ({type(error).__name__}): start one, or "
                    "leave --scheduler out for a cluster of this machine"
                ) from None
        executor = held.enter_context(client).get_executor(pure=False)
        yield lambda order: executor.submit(_task, order)


def dask_setup(worker: Any) -> None:
    """Prepare a process of this machine's cluster, as Dask does for each that it starts.

    Ctrl-C in a terminal reaches every process, but only the command stops the portals. At SIGTERM the process stops its
    own portals in order, as `dask worker` does, before another one takes its place.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    close = partial(worker.close, nanny=False, reason="asked by a signal")
    signal.signal(signal.SIGTERM, lambda *_: worker.loop.add_callback_from_signal(close))


def _task(order: Order) -> PortalEnd:
    """Do an order as a task; it stops when its worker closes, as after SIGTERM, or has no scheduler."""
    from distributed import Status, get_worker  # noqa: PLC0415 - see `on_dask`

    worker = get_worker()

    def asked() -> Interrupted | None:
        return None if worker.status in (Status.running, Status.paused) else Interrupted(signal.SIGTERM)

    return work(order, asked=asked)
