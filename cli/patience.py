"""Asking the service with patience: an answer that says "later" is waited for, a cut connection made anew."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any

from cli.http import Answer, Api, Unreachable

# A request has its outcome within REQUEST_DEADLINE_MINUTES, of at most 55.
PATIENCE_SECONDS = 3600.0
RECONNECTS = 6
FIRST_WAIT_SECONDS = 0.2
LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


async def ask(api: Api, method: str, path: str, **request: Any) -> Answer:
    """Send until there is an answer that is final. "Later" is waited for as long as it says.

    What is sent may arrive twice when an answer was lost: give it an Idempotency-Key where that matters.

    Raises:
        Unreachable: there was no answer, time and again.

    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    cuts = delays = 0
    while True:
        try:
            answer = await api.call(method, path, **request)
        except Unreachable:
            cuts += 1
            if cuts > RECONNECTS:
                raise
            await asyncio.sleep(FIRST_WAIT_SECONDS * 2 ** (cuts - 1))
            continue
        if answer.status not in LATER or time.monotonic() > give_up:
            return answer
        delays += 1
        await asyncio.sleep(answer.retry_after(FIRST_WAIT_SECONDS * 2 ** min(delays, 6)))
