"""The tasks of callbacks: thin, with ids for arguments."""

from __future__ import annotations

import structlog
from celery import Celery

from shared.broker import DELIVER, DISPATCH_CALLBACKS
from shared.errors import StoreError
from shared.storage.deliveries import DeliveryRef
from worker.runtime import WorkerRuntime

log = structlog.get_logger()


def register_callbacks(app: Celery, runtime: WorkerRuntime) -> None:
    """Give the application its tasks of callbacks."""

    @app.task(name=DISPATCH_CALLBACKS, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def dispatch_callbacks() -> None:
        try:
            woken = runtime.dispatch_callbacks()
        except StoreError as error:
            log.warning("callbacks.store_away", error=str(error))
        else:
            log.debug("callbacks", woken=woken)

    @app.task(name=DELIVER, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def deliver_callback(reference: str) -> None:
        try:
            runtime.deliver(DeliveryRef.parse(reference))
        except StoreError as error:
            log.warning("callback.store_away", delivery=reference, error=str(error))
