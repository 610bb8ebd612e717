"""Processes that end themselves, without warning, at a named point of a turn.

    python -m tests.support.crashing worker ROLE POINT [FILE]    a worker; it works once there is such a file
    python -m tests.support.crashing web                         a web process, killed between accept and wake

With a FILE, a worker that is wanted later begins at once: starting Python takes longer than most of what is tested.
Only turns whose message, and summaries whose text, holds CRASH are hit. The points are wrapped around the adapters in
the composition root; the product knows nothing of them.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from celery import Celery

from api.asgi import Application
from shared.broker import Publisher, Waker, make_celery
from shared.claude import Claude
from shared.ids import SessionRef
from shared.prompt import Prompt, Reply
from shared.settings import Settings, load_settings
from shared.storage.contract import TenantStore
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.types import Claim, Committed, NotClaimed, Outcome
from tests.support.waiting import wait_for
from worker.main import arguments, create_app
from worker.runtime import Adapters, real_adapters

CRASH = "CRASH"
POISON = "POISON"
SUMMARY_POINTS = ("before-summary", "after-summary")
POINTS = ("after-claim", "during-call", "before-commit", "after-commit", "before-announce", "before-strike")


def die() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingTenantStore:
    """A tenant's store that dies after a claim, before a commit or after it."""

    def __init__(self, real: TenantStore, point: str) -> None:
        self._real = real
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def claim(self, ref: SessionRef, nonce: str, read_tokens: int, *, quarantine: bool) -> Claim | NotClaimed:
        claim = await self._real.claim(ref, nonce, read_tokens, quarantine=quarantine)
        if self._point == "after-claim" and isinstance(claim, Claim) and CRASH in claim.request.message:
            die()
        return claim

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        hit = CRASH in claim.request.message
        if self._point == "before-commit" and hit:
            die()
        done = await self._real.commit(claim, outcome)
        if self._point == "after-commit" and hit:
            die()
        return done

    async def end_summary(self, claim: SummaryClaim, outcome: SummaryOutcome) -> Committed:
        hit = CRASH in (outcome.summary or "")
        if self._point == "before-summary" and hit:
            die()
        done = await self._real.end_summary(claim, outcome)
        if self._point == "after-summary" and hit:
            die()
        return done


class CrashingStore:
    """A store that hands out crashing tenants."""

    def __init__(self, real: Any, point: str) -> None:
        self._real = real
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def tenant(self, tenant: str) -> CrashingTenantStore:
        return CrashingTenantStore(self._real.tenant(tenant), self._point)

    async def strike(self, bucket: str, row_ids: Sequence[str]) -> None:
        if self._point == "before-strike":
            die()
        await self._real.strike(bucket, row_ids)


class CrashingClaude:
    """A Claude client that dies while the reply comes; on poison always, else at its point."""

    def __init__(self, real: Claude, point: str) -> None:
        self._real = real
        self._point = point

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        newest = str(prompt.messages[-1])

        def hear(text: str) -> None:
            if (self._point == "during-call" and CRASH in newest) or POISON in newest:
                die()
            on_text(text)

        return await self._real.ask(prompt, hear)

    async def count(self, prompt: Prompt) -> int:
        return await self._real.count(prompt)

    async def close(self) -> None:
        await self._real.close()


class CrashingPublisher:
    """A publisher that dies instead of publishing."""

    def publish(self, events: Any) -> None:
        die()


class CrashingWaker(Waker):
    """A waker that dies instead of waking."""

    def wake(self, ref: SessionRef, *, quarantine: bool = False) -> bool:
        die()
        return False


def crashing_adapters(point: str) -> Adapters:
    """Return the real adapters with one crash among them."""
    real = real_adapters()

    def publisher(app: Celery, settings: Settings) -> Publisher:
        return CrashingPublisher() if point == "before-announce" else real.make_publisher(app, settings)

    return Adapters(
        open_store=lambda settings: CrashingStore(real.open_store(settings), point),
        open_claude=lambda settings: CrashingClaude(Claude(settings), point),
        make_publisher=publisher,
    )


def create_crashing_web() -> Application:
    """Return a web application that dies between accept and wake."""
    return Application(load_settings(), lambda settings: CrashingWaker(make_celery(settings, socket_seconds=1)))


def main() -> None:
    """Run what the arguments name."""
    settings = load_settings()
    if sys.argv[1] == "web":
        uvicorn.run(create_crashing_web, factory=True, port=settings.port, log_config=None)
    else:
        role, point, *files = sys.argv[2:]
        app = create_app(settings, crashing_adapters(point))
        if settings.store_kind == "dynamodb":
            importlib.import_module("shared.storage.dynamodb.store")
        for file in files:
            wait_for(f"{file} to be there", Path(file).exists, 600)
        app.start(arguments(role, settings))


if __name__ == "__main__":
    main()
