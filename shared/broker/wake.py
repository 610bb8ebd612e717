"""Waking workers."""

from __future__ import annotations

import time
from collections.abc import Callable

from celery import Celery

from shared.broker.faults import faults_of
from shared.broker.names import ADVANCE, BATCH, CALLBACKS, CHAT, DELIVER, QUARANTINE, SUMMARIES, SUMMARIZE
from shared.ids import SessionRef
from shared.rest import Rest
from shared.storage.deliveries import DeliveryRef
from shared.storage.jobs import RunningPart

REST_SECONDS = 5.0
LOOK_SECONDS = 2.0
DELIVER_SECONDS = 60.0  # a delivery that no worker has taken by then is found again
BATCH_SECONDS = 60.0  # a batch is woken in each round; what no worker has taken by then is not worth more


class Waker:
    """Publishes hints, by reference: that a session has work, that its summary is due, or a callback."""

    def __init__(self, app: Celery, depths: Callable[[Celery], dict[str, int]] | None = None) -> None:
        self._app = app
        self._depths_of = depths
        self._depths: dict[str, int] | None = None
        self._counted_until = 0.0
        self._faults = faults_of(app)
        self._rest = Rest(REST_SECONDS)
        self._looked_until = 0.0
        self._reached = False

    def wake(self, ref: SessionRef, *, quarantine: bool = False) -> bool:
        """Wake a worker for the session; return False when the broker is away, which only costs time.

        After a fault the broker is left alone for some seconds, so that an accept does not wait for it each time.
        """
        return self._send(ADVANCE, QUARANTINE if quarantine else CHAT, str(ref))

    def summarize(self, ref: SessionRef) -> bool:
        """Wake a worker for the session's summary; return False when the broker is away."""
        return self._send(SUMMARIZE, SUMMARIES, str(ref))

    def advance_batch(self, which: RunningPart) -> bool:
        """Wake a worker for a part of a batch; return False when the broker is away."""
        return self._send(BATCH, SUMMARIES, which.tenant, which.batch_id, which.number, expires=BATCH_SECONDS)

    def deliver(self, ref: DeliveryRef) -> bool:
        """Wake a worker for a callback; return False when the broker is away."""
        return self._send(DELIVER, CALLBACKS, str(ref), expires=DELIVER_SECONDS)

    def _send(self, task: str, queue: str, *arguments: object, expires: float | None = None) -> bool:
        if self._rest.lasts:
            return False
        try:
            self._app.send_task(task, args=arguments, queue=queue, retry=False, ignore_result=True, expires=expires)
        except self._faults:
            self._rest.begin()
            return False
        return True

    def answers(self) -> bool:
        """Return whether the broker can be reached, as last looked, at most some seconds ago."""
        if time.monotonic() >= self._looked_until:
            try:
                with self._app.connection_for_write() as connection:
                    connection.ensure_connection(max_retries=0, timeout=1)
                self._reached = True
            except self._faults:
                self._reached = False
            self._looked_until = time.monotonic() + LOOK_SECONDS
        return self._reached

    def depths(self) -> dict[str, int] | None:
        """Return how many messages wait in each queue, as last looked, at most some seconds ago; None: not known."""
        if self._depths_of is not None and time.monotonic() >= self._counted_until:
            try:
                self._depths = self._depths_of(self._app)
            except self._faults:
                self._depths = None
            self._counted_until = time.monotonic() + LOOK_SECONDS
        return self._depths
