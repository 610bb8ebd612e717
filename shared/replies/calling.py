"""Making a call to a platform, and saying in words what its answer means."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, Protocol

from shared.callbacks.sender import Answer
from shared.clock import Clock
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import Call, Judged, OpenHook, Outgoing, Told

MOST_READ: Final = 2_097_152
JSON: Final = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}


class Calls(Protocol):
    """What makes a call."""

    async def call(self, method: str, url: str, headers: dict[str, str], body: str | None, keep: int = 0) -> Answer:
        """Return what came of it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a call: the answer with the words for what is wrong, what it said, and what that means."""

    answer: Answer
    said: Any
    judged: Judged

    @property
    def means(self) -> str:
        """What it means: see `Judged`."""
        return self.judged.means

    @property
    def sure(self) -> bool:
        """Whether it is known if the platform took it."""
        status = self.answer.status
        if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        # Slack tells of its own errors with 200.
        return not (self.judged.means == "later" and status < HTTPStatus.MULTIPLE_CHOICES)

    @property
    def works(self) -> bool | None:
        """Whether the platform answers as it should, as circuits count."""
        return self.sure and not self.limited

    @property
    def limited(self) -> bool:
        """Whether the platform is asked too much, by whichever delivery of the hook."""
        return self.answer.status == HTTPStatus.TOO_MANY_REQUESTS


async def ask(calls: Calls, outgoing: Outgoing, hook: OpenHook, call: Call, clock: Clock) -> Heard:
    """Make a call; return what came of it, whatever that is."""
    body = None if call.json is None else json.dumps(call.json, ensure_ascii=False, separators=(",", ":"))
    answer = await calls.call(call.method, call.url, {**JSON, **call.headers}, body, MOST_READ)
    if answer.status is None:
        return Heard(answer, None, Judged("later"))
    said = _read(answer.body)
    judged = outgoing.judge(Told(answer.status, clock(), answer.headers, said, answer.retry_after))
    if judged.means == "taken":
        return Heard(replace(answer, error=None), said, judged)
    error = _words(judged, answer.status, hook)
    return Heard(replace(answer, error=error, retry_after=judged.wait), said, judged)


def _read(body: bytes | None) -> Any:
    try:
        return json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None


def _words(judged: Judged, status: int, hook: OpenHook) -> str:
    name, code = PLATFORMS[hook.platform].title, f"{status}, {judged.word}" if judged.word else str(status)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"{name} answered with a redirect ({status}); none is followed: name the address itself in the hook"
    if judged.means == "locked":
        return (
            f"{name} does not let us in ({code}): the hook's token is wrong, has ended, or may not do this; "
            f"give it another one, `customer-memory hooks rotate {hook.id} token`, and replay"
        )
    if judged.means == "gone":
        return f"{name} knows no such conversation ({code}): it was deleted, or the hook is of another account"
    return f"{name} answered {code}"
