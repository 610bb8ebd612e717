"""What `doctor` looks at: one function a check, in a table. Each says how it is, and the mend where it is not well."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from cli.http import Api, Unreachable
from cli.rundir import NotRunning, RunDir, find_settings
from cli.up import public_url
from shared.broker import Report, make_celery, transport_of
from shared.errors import SettingsError
from shared.settings import Settings, load_settings

State = Literal["ok", "warn", "fail"]

PROJECT = "customer-memory"
MIN_PYTHON = (3, 11)
WORKER_SECONDS = 1.0
BROKER_SECONDS = 3.0
MIN_DESCRIPTORS = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is, and what to do where it is not well."""

    state: State
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What the checks look at: settings that name a store, or the reason there are none."""

    settings: Settings | None
    settings_error: str = ""
    store_error: str = ""
    url: str = ""
    embedded: bool = False


Check = Callable[[Patient], Awaitable[Finding]]


def find_patient() -> Patient:
    """Read the settings and find the store and the service they lead to."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return Patient(None, settings_error=str(error))
    record = RunDir(settings.data_dir).running()
    url = record.url if record else public_url(settings.host, settings.port)
    try:
        found = find_settings(settings)
    except NotRunning as error:
        return Patient(settings, store_error=str(error), url=url)
    return Patient(found, url=url, embedded=settings.redis_url is None and settings.store_kind == "redis")


async def check_settings(patient: Patient) -> Finding:
    """Whether every setting can be read."""
    if patient.settings is None:
        return Finding("fail", "; ".join(patient.settings_error.splitlines()), "mend what is named, then ask again")
    return Finding("ok", "every setting can serve")


async def check_python(_patient: Patient) -> Finding:
    """Whether this Python is new enough."""
    version = platform.python_version()
    if sys.version_info < MIN_PYTHON:
        return Finding("fail", f"Python {version}", "install Python 3.11 or later")
    return Finding("ok", f"Python {version} on {platform.system()} {platform.machine()}")


async def check_packages(_patient: Patient) -> Finding:
    """Whether the packages this one needs are there, in versions it knows."""
    try:
        needed = importlib.metadata.requires(PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return Finding("warn", f"{PROJECT} is not installed here", "run `make run`, or pip install it")
    wrong = [problem for problem in map(_package_problem, needed) if problem]
    if wrong:
        return Finding("fail", ", ".join(wrong), "install again: make run, or pip install -r requirements.lock")
    shown = ("anthropic", "celery", "kombu", "redis", "flask")
    return Finding("ok", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in shown))


async def check_claude(patient: Patient) -> Finding:
    """Whether there is a key for Claude, or the simulator in its place. The key itself is never shown."""
    settings = need(patient)
    if not settings.simulated:
        return Finding("ok", f"ANTHROPIC_API_KEY is set; {settings.chat_model} answers")
    mend = "set ANTHROPIC_API_KEY for real replies"
    status = await _status(settings.simulator_url, "/healthz")
    if status != HTTPStatus.OK:
        return Finding("fail", f"no ANTHROPIC_API_KEY, and no simulator at {settings.simulator_url} ({status})", mend)
    return Finding("warn", f"SIMULATED: no ANTHROPIC_API_KEY; the simulator at {settings.simulator_url} answers", mend)


async def check_recall(patient: Patient) -> Finding:
    """Whether the model of meanings can be read, where one is named."""
    settings = need(patient)
    if settings.semantic_model is None:
        return Finding("ok", "earlier turns are found by words")
    from shared.remembering.semantic import load_meaning  # noqa: PLC0415 - only those who use it should wait

    try:
        meaning = await asyncio.to_thread(load_meaning, settings.semantic_model)
    except SettingsError as error:
        text, _, mend = str(error).partition("; ")
        return Finding("fail", text, mend)
    dimensions = meaning.dimensions if meaning else 0
    return Finding("ok", f"earlier turns are found by words and by meaning, {dimensions} dimensions")


async def check_broker(patient: Patient) -> Finding:
    """Whether the broker answers, and has what it needs. That it is not the store's own is judged with the settings."""
    settings = need_store(patient)

    def look() -> Report:
        return transport_of(settings).look(make_celery(settings, socket_seconds=BROKER_SECONDS), settings)

    try:
        report = await asyncio.to_thread(look)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own; all mean the same here
        return Finding("fail", f"the broker does not answer: {error}", "start it, or mend BROKER_URL")
    if report.amiss:
        return Finding("fail" if report.fatal else "warn", f"{report.text}; {report.amiss}", report.mend)
    return Finding("ok", report.text)


async def check_workers(patient: Patient) -> Finding:
    """Whether workers answer on the broker, of each kind."""
    settings = need_store(patient)

    def ping() -> list[str] | None:
        transport, app = transport_of(settings), make_celery(settings, socket_seconds=BROKER_SECONDS)
        if not transport.remote_control:
            return None
        transport.look(app, settings)  # Asking the workers of a broker that is away would try for long.
        return sorted(app.control.inspect(timeout=WORKER_SECONDS).ping() or {})

    mend = "start them: customer-memory up, or python -m worker chat|quarantine|maintenance|summaries|callbacks"
    try:
        names = await asyncio.to_thread(ping)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own; all mean the same here
        return Finding("warn", f"workers could not be asked: {error}", "mend the broker first")
    if names is None:
        return Finding("warn", "workers cannot be asked over this broker", "look at their logs: each says it is ready")
    missing = {"chat", "quarantine", "maintenance", "summaries", "callbacks"} - {
        name.partition("@")[0] for name in names
    }
    if missing:
        return Finding("warn", f"no answer within {WORKER_SECONDS:g} s from: {', '.join(sorted(missing))}", mend)
    return Finding("ok", ", ".join(names))


async def check_callbacks(patient: Patient) -> Finding:
    """Whether callbacks can be signed."""
    keys = len(need(patient).secret_keys)
    if keys or patient.embedded:
        sealed = "by two keys, as while they rotate" if keys > 1 else "by one key"
        return Finding("ok", f"can be signed; secrets are sealed {sealed}")
    mend = "set it on every process, and keep it apart from the store: openssl rand -hex 32"
    return Finding("warn", "SECRET_KEY is not set: callbackUrl is refused", mend)


async def check_service(patient: Patient) -> Finding:
    """Whether the web process says that it is ready."""
    status = await _status(patient.url, "/readyz")
    if status == HTTPStatus.OK:
        return Finding("ok", f"{patient.url}/readyz answers")
    return Finding("warn", f"{patient.url}/readyz: {status}", "start it: customer-memory up, or python -m api")


async def check_descriptors(_patient: Patient) -> Finding:
    """Whether enough files may be open: each held request is one."""
    if sys.platform == "win32":
        return Finding("ok", "no such limit here")
    import resource  # noqa: PLC0415 - Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    if hard != resource.RLIM_INFINITY and hard < MIN_DESCRIPTORS:
        return Finding("warn", f"at most {shown} open files", f"raise it: ulimit -Hn {MIN_DESCRIPTORS}")
    return Finding("ok", f"{soft} open files, raised to {shown} at start")


class Skipped(Exception):
    """The check needs something that another finding says is missing."""


def need(patient: Patient) -> Settings:
    """Return the settings, or skip the check that asks for them.

    Raises:
        Skipped: they cannot be read.

    """
    if patient.settings is None:
        message = "mend the settings first"
        raise Skipped(message)
    return patient.settings


def need_store(patient: Patient) -> Settings:
    """Return settings that name a store, or skip the check that asks for them.

    Raises:
        Skipped: there is none.

    """
    settings = need(patient)
    if patient.store_error:
        raise Skipped(patient.store_error)
    return settings


async def _status(url: str, path: str) -> int | str:
    try:
        async with Api(url, None) as api:
            return (await api.call("GET", path)).status
    except Unreachable:
        return "no answer"


def _package_problem(text: str) -> str:
    try:
        needed = Requirement(text)
    except InvalidRequirement:
        return f"{text} cannot be read"
    if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
        return ""
    try:
        version = importlib.metadata.version(needed.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{needed.name} is missing"
    return (
        ""
        if needed.specifier.contains(version, prereleases=True)
        else f"{needed.name} {version} is not {needed.specifier}"
    )
