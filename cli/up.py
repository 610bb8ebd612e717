"""`customer-memory up`: the whole service on this machine, in one terminal."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from cli import embedded, guardian
from cli.console import Console
from cli.processes import PROCFILE, SIMULATOR, answers, exists, service
from cli.rundir import RunDir, RunRecord, groups_of
from cli.secret import kept_key
from cli.service import Service
from cli.supervisor import Supervisor
from shared.errors import CustomerMemoryError, StoreUnavailable
from shared.settings import Settings, load_settings
from shared.storage import open_store

# Addresses that mean every interface, and how this machine reaches them.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - looked up, not bound
TABLE_SECONDS = 10.0
Then = Callable[[Callable[[str], None]], Coroutine[None, None, None]]
WITH_PARENT = "CUSTOMER_MEMORY_STOP_WITH_PARENT"

READY = """
Customer Memory is ready at {url}

  try it     curl -s {url}/api/chat -H 'content-type: application/json' -H 'prefer: wait=20' \\
               -d '{{"customerId": "cust-1", "message": "Hello, where is my order 4711?"}}'
  look       {url}/ in a browser, and {url}/console
  or talk    customer-memory chat --url {url}
  docs       {url}/docs
  data       {data}
  stop       Ctrl-C
"""
SIMULATED = "Claude is SIMULATED (no ANTHROPIC_API_KEY): replies quote only what the service remembered.\n"


@click.command
def up() -> None:
    """Start everything: embedded store, simulator, web, workers and beat.

    Settings come from the environment and from .env. With REDIS_URL set, or AWS_REGION for DynamoDB, there is no
    embedded store; with ANTHROPIC_API_KEY set there is no simulator. Ctrl-C stops all of it, in order.
    """
    if os.name != "posix":
        message = "`up` needs Linux or macOS. Elsewhere use Docker: docker compose up"
        raise click.ClickException(message)
    settings = load_settings()
    run_dir = RunDir(settings.data_dir)
    lock = run_dir.lock(click.echo)
    check_port(settings.host, settings.port)
    plan = make_plan(settings, run_dir, lock)
    if settings.store_kind == "dynamodb":
        check_table(settings)
    sys.exit(run(plan, run_dir, lock))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be started, and where it will be found."""

    services: tuple[Service, ...]
    record: RunRecord
    banner: str


def make_plan(settings: Settings, run_dir: RunDir, lock: int, **more: str) -> Plan:
    """Decide what these settings need, and how each process finds the others; `more` goes into their environment."""
    env = {**base_environment(), **more}
    if settings.log_format == "auto":
        env["LOG_FORMAT"] = "text" if sys.stdout.isatty() else "json"  # The services themselves see a pipe.
    services = []
    named = settings.redis_url is not None or settings.store_kind == "dynamodb"
    if named:
        _ = settings.broker_address  # or told how to name it, before anything starts
    store = None if named else embedded.prepare(run_dir.path)
    if store is not None:
        env["REDIS_URL"] = store.url(0)
        if settings.broker_url is None:
            env["BROKER_URL"] = store.url(1)
        if settings.secret_key is None:
            env["SECRET_KEY"] = kept_key(run_dir.path)
        services.append(store.service(dict(env), lock))
    if settings.simulated and "simulator_url" not in settings.model_fields_set:
        port = embedded.free_port()
        env["SIMULATOR_URL"] = f"http://127.0.0.1:{port}"
        simulator = SIMULATOR._replace(command=SIMULATOR.command.format(port=port))
        services.append(service("simulator", simulator, env, answers(env["SIMULATOR_URL"] + "/healthz")))
    url = public_url(settings.host, settings.port)
    ready_file = run_dir.path / "worker-ready"
    ready_file.unlink(missing_ok=True)
    env["READY_FILE"] = str(ready_file)
    ready = {"web": answers(f"{url}/readyz"), "worker": exists(ready_file)}
    services += [service(name, treatment, env, ready.get(name)) for name, treatment in PROCFILE.items()]
    record = RunRecord(
        pid=os.getpid(),
        started=guardian.started_at(os.getpid()) or "",
        url=url,
        redis_url=env["REDIS_URL"] if store else None,
        broker_url=env.get("BROKER_URL") if store else None,
        simulator_url=env.get("SIMULATOR_URL"),
    )
    banner = READY.format(url=url, data=_whereabouts(settings, run_dir)) + (SIMULATED if settings.simulated else "")
    return Plan(tuple(services), record, banner)


def _whereabouts(settings: Settings, run_dir: RunDir) -> str:
    if settings.store_kind == "dynamodb":
        return f"in the DynamoDB table {settings.dynamodb_table_name} in {settings.aws_region}"
    return "in the store that REDIS_URL names" if settings.redis_url else str(run_dir.path / "valkey")


def run(plan: Plan, run_dir: RunDir, lock: int, then: Then | None = None) -> int:
    """Run the plan until it is stopped, and return the exit code.

    Args:
        plan: what to run.
        run_dir: where it is written down.
        lock: what holds that folder.
        then: what to do once all is ready; it is given what writes lines. Its failure stops everything.

    """

    async def supervise() -> int:
        loop = asyncio.get_running_loop()

        def nobody_reads() -> None:
            loop.call_soon_threadsafe(supervisor.stop)

        console = Console([item.name for item in plan.services], on_broken=nobody_reads)
        supervisor = Supervisor(plan.services, relay=console.relay, say=console.say, keep_fds=(lock,))

        def record(guard: int, groups: dict[str, int]) -> None:
            update = {
                "guardian": guard,
                "guardian_started": guardian.started_at(guard),
                "groups": groups_of(plan.services, groups),
            }
            try:
                run_dir.write(plan.record.model_copy(update=update))
            except OSError as error:
                console.say(f"{run_dir.record_path} could not be written: {error}")

        def ready() -> None:
            console.say(plan.banner)
            if then is not None:
                supervisor.spawn(then(console.say))

        try:
            return await supervisor.run(
                on_ready=ready,
                on_change=record,
                parent=parent_to_watch(os.environ.get(WITH_PARENT, "")),
            )
        finally:
            run_dir.forget()
            await asyncio.to_thread(console.close)

    return asyncio.run(supervise())


def parent_to_watch(value: str) -> int | None:
    """Return the process to stop with: the named one, or for `1` whichever started us; None where none is asked for.

    A parent that names itself is missed even when it dies while we begin.
    """
    if not value.isdigit():
        return None
    return os.getppid() if int(value) == 1 else int(value)


def base_environment() -> dict[str, str]:
    """Return our environment with this interpreter's commands first on PATH, and output unbuffered."""
    binaries = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    env = {**os.environ, "PATH": f"{binaries}{os.pathsep}{path}", "PYTHONUNBUFFERED": "1"}
    env.pop(WITH_PARENT, None)
    return env


def public_url(host: str, port: int) -> str:
    """Return the address to give to people: every-interface addresses become loopback."""
    shown = EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def check_table(settings: Settings) -> None:
    """Make sure that there is a table we may use, before anything is started. One that does not answer may do so later.

    Raises:
        StoreError: there is none, or it refuses us; the text says how to mend it.

    """

    async def look() -> None:
        async with open_store(settings, patience=TABLE_SECONDS) as store:
            await store.ping()

    with suppress(StoreUnavailable):
        asyncio.run(look())


def check_port(host: str, port: int) -> None:
    """Make sure that the port can be listened on, before anything is started.

    Raises:
        CustomerMemoryError: it cannot; the text says how to choose another.

    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        message = f"HOST={host} PORT={port} cannot be listened on: {error.strerror}. Set PORT to a free one."
        raise CustomerMemoryError(message) from error
