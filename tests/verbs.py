"""The verbs as tests call them: with settings, and through neither door."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from loader.events import Labels, Notify, Planned
from loader.options.command import Command
from loader.run import export as export_verb
from loader.run import labels as labels_verb
from loader.run import load as load_verb
from loader.run import plan as plan_verb
from loader.run import undo as undo_verb
from loader.run import verify as verify_verb
from loader.run.call import Agree, Call, Done
from loader.run.report import ExportReport, Report, UndoReport, Verification
from loader.send.gateway import Surroundings
from loader.settings import Settings
from loader.stopping import Stop

T = TypeVar("T")


async def _agree(_: object) -> None:
    """Nobody is asked."""


def _verb(run: Callable[[Call], Coroutine[Any, Any, Done[T]]], name: str) -> Callable[..., Coroutine[Any, Any, T]]:
    async def called(
        settings: Settings,
        *arguments: str,
        notify: Notify = lambda _: None,
        stop: Stop | None = None,
        around: Surroundings | None = None,
        agree: Agree | None = None,
    ) -> T:
        call = Call(
            command=Command(verb=name, values={"dry_run": False, "json": False}, arguments=arguments),
            settings=settings,
            notify=notify,
            stop=stop or Stop(),
            agree=agree or _agree,
            around=around,
        )
        return (await run(call)).result

    return called


load: Callable[..., Coroutine[Any, Any, Report]] = _verb(load_verb.run, "load")
plan: Callable[..., Coroutine[Any, Any, Planned]] = _verb(plan_verb.run, "plan")
verify: Callable[..., Coroutine[Any, Any, Verification]] = _verb(verify_verb.run, "verify")
undo: Callable[..., Coroutine[Any, Any, UndoReport]] = _verb(undo_verb.run, "undo")
export: Callable[..., Coroutine[Any, Any, ExportReport]] = _verb(export_verb.run, "export")
labels: Callable[..., Coroutine[Any, Any, Labels]] = _verb(labels_verb.run, "labels")
