"""Celery's own floor: tasks that do nothing, with the service's settings, producer and worker at once.

python -m benchmarks.noop BROKER-URL     is the worker
"""

from __future__ import annotations

import subprocess
import sys
import time
from urllib.parse import urlsplit, urlunsplit

import redis
from celery import Celery

from shared.broker import make_celery
from shared.settings import load_settings

TASK = "benchmarks.noop"
DATABASE = "/7"


def make_app(broker_url: str) -> Celery:
    """Return an application with one task, which counts in the broker's server when it is asked to."""
    store = urlunsplit(urlsplit(broker_url)._replace(path="/6"))
    app = make_celery(load_settings(redis_url=store, broker_url=broker_url), socket_seconds=10)
    counter = redis.Redis.from_url(store)
    done = {"count": 0}

    @app.task(name=TASK, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery publishes no types
    def noop(last: int) -> None:
        done["count"] += 1
        if done["count"] >= last:
            counter.set("noop-done", done["count"])

    return app


def tasks_per_second(broker_url: str, count: int) -> float:
    """Return how many no-op tasks a second go from `send_task` to done."""
    url = urlunsplit(urlsplit(broker_url)._replace(path=DATABASE))
    app = make_app(url)
    marks = redis.Redis.from_url(urlunsplit(urlsplit(url)._replace(path="/6")))
    marks.delete("noop-done")
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.noop", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        app.send_task(TASK, args=[1], queue="chat")
        _wait(marks)
        marks.delete("noop-done")
        began = time.perf_counter()
        for _ in range(count):
            app.send_task(TASK, args=[count + 1], queue="chat")
        _wait(marks)
        return count / (time.perf_counter() - began)
    finally:
        worker.terminate()
        worker.wait(30)


def _wait(marks: redis.Redis) -> None:
    until = time.monotonic() + 120
    while not marks.exists("noop-done"):
        if time.monotonic() > until:
            raise TimeoutError("the no-op worker did not finish")
        time.sleep(0.005)


if __name__ == "__main__":
    make_app(sys.argv[1]).start(
        ["worker", "--pool=threads", "--concurrency=50", "--queues=chat", "--without-gossip", "--without-mingle"]
    )
