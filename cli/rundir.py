"""The data folder: one running service at a time, and where the other commands find it.

`DATA_DIR/lock` is held by flock through a descriptor that the supervisor shares with its guardian and the embedded
store: it is free exactly when all of them have gone, however they went. `DATA_DIR/run.json` says who runs and where.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from cli.guardian import Group, process_table, started_at, stop_groups
from cli.service import Service
from shared.errors import CustomerMemoryError
from shared.settings import Settings

LOCK_WAIT_SECONDS = 45.0
POLL_SECONDS = 0.1
DEMO: Final = "demo"  # the folder in DATA_DIR of the demo's own service


class DataDirBusy(CustomerMemoryError):
    """Another `customer-memory up` runs on this DATA_DIR."""


class DataDirUnusable(CustomerMemoryError):
    """DATA_DIR cannot be made or written."""


class NotRunning(CustomerMemoryError):
    """Nothing runs here that could be asked."""


class RunRecord(BaseModel):
    """What `run.json` holds. `started` and the groups' own tell these processes from later ones with the same ids."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    pid: int
    started: str
    url: str
    redis_url: str | None = None
    broker_url: str | None = None
    simulator_url: str | None = None
    guardian: int = 0
    guardian_started: str | None = None
    groups: tuple[Group, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return started_at(self.pid) == self.started

    @property
    def guarded(self) -> bool:
        """Whether its guardian still runs."""
        return self.guardian_started is not None and started_at(self.guardian) == self.guardian_started


class RunDir:
    """DATA_DIR, as `up` and the commands that look for it see it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def record_path(self) -> Path:
        """Where the record of the running service lies."""
        return self.path / "run.json"

    def lock(self, say: Callable[[str], None]) -> int:
        """Take the folder for this process, and return the descriptor that holds it.

        A supervisor that lives is never disturbed. What a dead one left is waited for while its guardian stops it,
        and stopped from here when the guardian is dead too.

        Raises:
            DataDirBusy: another supervisor runs here; the text says where.
            DataDirUnusable: the folder cannot be made or written.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            message = f"DATA_DIR={self.path} cannot be written: {error.strerror}. Set DATA_DIR to a folder of yours."
            raise DataDirUnusable(message) from error
        if _try_lock(descriptor):
            return descriptor
        record = self.read()
        if record is None or record.alive:
            where = f" at {record.url} (process {record.pid})" if record else ""
            os.close(descriptor)
            message = f"It already runs{where} with DATA_DIR={self.path}. Stop that one, or give this one another."
            raise DataDirBusy(message)
        say("An earlier run was killed; waiting until what it left is stopped.")
        give_up = time.monotonic() + LOCK_WAIT_SECONDS
        while not _try_lock(descriptor):
            if not record.guarded:
                stop_groups(record.groups)
            if time.monotonic() > give_up:
                os.close(descriptor)
                message = f"What an earlier run left still holds {self.path / 'lock'}. End those processes first."
                raise DataDirBusy(message)
            time.sleep(POLL_SECONDS)
        return descriptor

    def write(self, record: RunRecord) -> None:
        """Say who runs here; readable by this user alone, for it holds the store's password."""
        fresh = self.record_path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(record.model_dump(by_alias=True, mode="json"), indent=2) + "\n", encoding="utf-8")
        fresh.replace(self.record_path)

    def read(self) -> RunRecord | None:
        """Return the record, of whatever age; None where there is none that can be read."""
        try:
            return RunRecord.model_validate_json(self.record_path.read_bytes())
        except (OSError, ValidationError):
            return None

    def running(self) -> RunRecord | None:
        """Return the record of the service that runs here now; None where none does."""
        record = self.read()
        return record if record is not None and record.alive else None

    def forget(self) -> None:
        """Take the record away."""
        self.record_path.unlink(missing_ok=True)


def groups_of(services: Sequence[Service], groups: Mapping[str, int]) -> tuple[Group, ...]:
    """Return the running process groups of these services, with what it takes to stop them later."""
    table = process_table()
    found = []
    for service in services:
        leader = table.get(groups.get(service.name, 0))
        if leader is not None:
            group = Group(service.name, service.layer, groups[service.name], service.grace_seconds, leader.started)
            found.append(group)
    return tuple(found)


def find_settings(settings: Settings) -> Settings:
    """Return settings that name a store: the one they name themselves, else the embedded one that runs on DATA_DIR.

    The simulator is that of the service that runs there, whatever its store.

    Raises:
        NotRunning: neither is there; the text says how to mend it.

    """
    named = settings.redis_url is not None or settings.store_kind == "dynamodb"
    record = RunDir(settings.data_dir).running()
    if not named and (record is None or record.redis_url is None):
        raise NotRunning(_nothing_runs(settings, "set REDIS_URL"))
    if record is None:
        return settings
    found = {} if named else {"redis_url": record.redis_url, "broker_url": record.broker_url}
    update: dict[str, object] = {name: SecretStr(url) for name, url in found.items() if url}
    if record.simulator_url:
        update["simulator_url"] = record.simulator_url
    return settings.model_copy(update=update)


def find_url(settings: Settings, given: str | None) -> str:
    """Return the service's address: the given one, else that of the service that runs on DATA_DIR.

    Raises:
        NotRunning: neither is there.

    """
    if given:
        return given.rstrip("/")
    record = RunDir(settings.data_dir).running()
    if record is None:
        raise NotRunning(_nothing_runs(settings, "give --url"))
    return record.url


def _nothing_runs(settings: Settings, otherwise: str) -> str:
    """Return what to say where no service runs on DATA_DIR; the demo's may, whose data are apart."""
    demo = settings.data_dir / DEMO
    if RunDir(demo).running() is not None:
        return f"No service runs on {settings.data_dir}, but the demo does: set DATA_DIR={demo} to use it."
    return f"No service runs on {settings.data_dir}. Start it first (customer-memory up), or {otherwise}."


def _try_lock(descriptor: int) -> bool:
    # Imported here: Windows has no fcntl, and everything but `up` works there.
    import fcntl  # noqa: PLC0415 - see above

    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
