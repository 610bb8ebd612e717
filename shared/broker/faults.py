"""Which errors mean that the broker is away, or does not answer."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import OperationalError


def faults_of(app: Celery) -> tuple[type[Exception], ...]:
    """Return the errors of the application's transport; nothing is sent for it."""
    connection = app.connection_for_write()
    return (OperationalError, OSError, TimeoutError, *connection.connection_errors, *connection.channel_errors)
