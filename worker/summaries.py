"""The tasks of summaries: thin, with ids for arguments. None of them runs where replies are made."""

from __future__ import annotations

import structlog
from celery import Celery

from shared.broker import BATCH, DISPATCH, GATHER, SUMMARIZE
from shared.errors import StoreError
from shared.ids import SessionRef
from shared.storage.jobs import RunningPart
from worker.runtime import WorkerRuntime

log = structlog.get_logger()


def register_summaries(app: Celery, runtime: WorkerRuntime) -> None:
    """Give the application its tasks of summaries."""

    @app.task(name=DISPATCH, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def dispatch_summaries() -> None:
        try:
            launched = runtime.dispatch()
        except StoreError as error:
            log.warning("dispatch.store_away", error=str(error))
        else:
            log.debug("dispatch", launched=launched)

    @app.task(name=SUMMARIZE, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def summarize_session(reference: str) -> None:
        try:
            runtime.summarize(SessionRef.parse(reference))
        except StoreError as error:
            log.warning("summary.store_away", session=reference, error=str(error))


def register_batches(app: Celery, runtime: WorkerRuntime) -> None:
    """Give the application its tasks of batches."""

    @app.task(name=GATHER, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def gather_cold_sessions() -> None:
        try:
            gathered = runtime.gather()
        except StoreError as error:
            log.warning("gather.store_away", error=str(error))
        else:
            log.debug("gather", sessions=gathered)

    @app.task(name=BATCH, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def advance_batch(tenant: str, batch_id: str, number: int) -> None:
        try:
            outcome = runtime.advance_batch(RunningPart(tenant, batch_id, number))
        except StoreError as error:
            log.warning("batch.store_away", batch=batch_id, part=number, error=str(error))
        else:
            log.debug("batch", batch=batch_id, part=number, outcome=outcome)
