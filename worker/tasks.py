"""The tasks: thin, with ids for arguments, and nothing to decide that the store does not."""

from __future__ import annotations

import structlog
from celery import Celery, Task

from shared.broker import ADVANCE, QUARANTINE, RECONCILE
from shared.errors import StoreError
from shared.ids import SessionRef
from worker.runtime import WorkerRuntime

log = structlog.get_logger()

TURNS_AT_A_STRETCH = 10


def register(app: Celery, runtime: WorkerRuntime) -> None:
    """Give the application its tasks of turns, and of healing."""

    @app.task(name=ADVANCE, bind=True, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def advance_session(task: Task, reference: str) -> None:
        _advance(runtime, SessionRef.parse(reference), quarantine=_queue(task) == QUARANTINE)

    @app.task(name=RECONCILE, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def reconcile(*, every: bool = False) -> None:
        try:
            found = runtime.reconcile(every=every)
        except StoreError as error:
            log.warning("reconcile.store_away", error=str(error))
        else:
            log.debug("reconcile", found=found)


def _advance(runtime: WorkerRuntime, ref: SessionRef, *, quarantine: bool) -> None:
    """Run the session's turns while there are any; after some, queue up again so that others get their turn."""
    for _ in range(TURNS_AT_A_STRETCH):
        try:
            ended = runtime.advance(ref, quarantine=quarantine)
        except StoreError as error:
            log.warning("advance.store_away", session=str(ref), error=str(error))
            return
        if ended.due_in is not None and not quarantine:
            runtime.wake_later(ref, ended.due_in)
        if ended.next is None:
            return
        if quarantine or ended.next == QUARANTINE:
            runtime.waker.wake(ref, quarantine=ended.next == QUARANTINE)
            return
    runtime.waker.wake(ref)


def _queue(task: Task) -> str:
    info = task.request.delivery_info or {}
    return str(info.get("routing_key", ""))
