"""The worker's Celery application, and its roles.

`python -m worker ROLE` starts one process of a role, or beat; `ROLES` is their table.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown

from shared.broker import (
    CALLBACKS,
    CHAT,
    DISPATCH,
    DISPATCH_CALLBACKS,
    GATHER,
    MAINTENANCE,
    QUARANTINE,
    RECONCILE,
    SUMMARIES,
    make_celery,
    transport_of,
)
from shared.log import set_up_logs
from shared.settings import Settings
from worker.callbacks import register_callbacks
from worker.runtime import Adapters, WorkerRuntime, real_adapters
from worker.summaries import register_batches, register_summaries
from worker.tasks import register

OnWarm = Callable[[], None]

BROKER_SECONDS = 10.0
EVERY_BUCKET_SECONDS = 300.0
GATHER_SECONDS = 900.0  # until sessions that were left to a batch go into one; it takes up to a day itself
DISPATCH_ROUNDS = 4  # of the reconciler, for one of the summaries


@dataclass(frozen=True, slots=True)
class Role:
    """How one kind of worker process runs: its queue, Celery's pool, and tasks at a time (None: by setting)."""

    queue: str
    pool: str
    concurrency: int | None


ROLES = {
    "chat": Role(CHAT, "threads", None),
    # A process for each turn: what one request does to it, no other suffers.
    "quarantine": Role(QUARANTINE, "prefork", 2),
    "maintenance": Role(MAINTENANCE, "threads", 4),
    "summaries": Role(SUMMARIES, "threads", None),
    # Of its own: receivers that do not answer hold up callbacks, and nothing else.
    "callbacks": Role(CALLBACKS, "threads", None),
}


def create_app(
    settings: Settings,
    adapters: Adapters | None = None,
    *,
    on_warm: OnWarm | None = None,
    role: str | None = None,
) -> Celery:
    """Return the worker's Celery application with its tasks and beat schedule.

    `role`: as which its processes tell that they live. `on_warm`: called when the worker takes tasks and all that turns
    need is open. Given, that is opened at the start, so that the first customer does not wait for it.
    """
    app = make_celery(settings, socket_seconds=BROKER_SECONDS)
    app.conf.beat_schedule = {
        "reconcile": _entry(RECONCILE, settings.reconcile_seconds, every=False),
        "reconcile-every-bucket": _entry(RECONCILE, EVERY_BUCKET_SECONDS, every=True),
        "dispatch-callbacks": _entry(DISPATCH_CALLBACKS, settings.reconcile_seconds),
        "dispatch-summaries": _entry(DISPATCH, settings.reconcile_seconds * DISPATCH_ROUNDS),
        "gather-cold-sessions": _entry(GATHER, GATHER_SECONDS),
    }
    runtime = WorkerRuntime(app, settings, adapters or real_adapters())
    register(app, runtime)
    register_summaries(app, runtime)
    register_batches(app, runtime)
    register_callbacks(app, runtime)

    def own_logs(**_: object) -> None:
        set_up_logs(settings)

    def stop(**_: object) -> None:
        runtime.stop()

    setup_logging.connect(own_logs, weak=False)

    if on_warm is not None:
        warm_up = partial(_warm_up, runtime, on_warm)

        def start_warm_up(**_: object) -> None:
            threading.Thread(target=warm_up, name="warm-up", daemon=True).start()

        worker_ready.connect(start_warm_up, weak=False)
    if role in ROLES:
        # Not before a fork: a pool of processes forks its children first, and again when one has died.
        begun = worker_process_init if ROLES[role].pool == "prefork" else worker_ready
        begun.connect(partial(_start_heart, runtime, role), weak=False)
    worker_shutdown.connect(stop, weak=False)
    worker_process_shutdown.connect(stop, weak=False)
    return app


def _start_heart(runtime: WorkerRuntime, role: str, **_: object) -> None:
    threading.Thread(target=partial(runtime.live, role), name="heart", daemon=True).start()


def _warm_up(runtime: WorkerRuntime, on_warm: OnWarm) -> None:
    runtime.warm_up()
    on_warm()


def arguments(role: str, settings: Settings) -> list[str]:
    """Return Celery's command line for a role."""
    if role == "beat":
        return [
            "--quiet",
            "beat",
            "--scheduler",
            "celery.beat:Scheduler",
            "--loglevel",
            settings.log_level,
            "--pidfile=",
        ]
    kind = ROLES[role]
    return [
        "--quiet",
        "worker",
        f"--queues={kind.queue}",
        f"--pool={kind.pool}",
        f"--concurrency={_concurrency(role, settings)}",
        f"--hostname={role}@%h",
        f"--loglevel={settings.log_level}",
        "--without-gossip",
        "--without-mingle",
        *([] if transport_of(settings).remote_control else ["--without-heartbeat"]),
    ]


def _concurrency(role: str, settings: Settings) -> int:
    by_setting = {"summaries": settings.summary_concurrency, "callbacks": settings.callback_concurrency}
    return ROLES[role].concurrency or by_setting.get(role, settings.worker_concurrency)


def _entry(task: str, seconds: float, **arguments: bool) -> dict[str, object]:
    return {
        "task": task,
        "schedule": seconds,
        "kwargs": arguments,
        "options": {"queue": MAINTENANCE, "expires": seconds, "ignore_result": True},
    }
