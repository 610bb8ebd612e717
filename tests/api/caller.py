"""One tenant's way in: a client with a key of its own, and what tests do with it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2

from shared.settings import Settings, load_settings
from shared.storage import open_store
from shared.storage.access import ApiKey, KeyRole
from tests.support.stack import Stack
from tests.support.waiting import wait_for

# How the settings begin that lead to a store.
OF_STORES = ("STORE", "REDIS_", "AWS_", "DYNAMODB_")
ENDED = frozenset({"succeeded", "failed"})


class Caller:
    """A tenant that asks. Closes its client as a context manager."""

    def __init__(self, stack: Stack, tenant: str, key: str) -> None:
        self.tenant = tenant
        self.key = key
        # Nothing to verify in plain HTTP; loading certificates would take longer than most tests.
        self.http = httpx2.Client(base_url=stack.url, timeout=60, headers=self.headers, verify=False)

    @property
    def headers(self) -> dict[str, str]:
        """What opens the door."""
        return {"Authorization": f"Bearer {self.key}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.http.close()

    def post(self, message: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> httpx2.Response:
        """Post a message of a customer, and do not wait for its reply."""
        return self.http.post("/api/chat", json={"customerId": "cust-1", "message": message, **more}, headers=headers)

    def begin(self, message: str, **more: Any) -> str:
        """Post a message that must be accepted; return the request's id."""
        response = self.post(message, **more)
        assert response.status_code == 202, response.text
        return str(response.json()["requestId"])

    def ask(self, message: str, **more: Any) -> dict[str, Any]:
        """Post a message and return its result, which must come."""
        response = self.post(message, headers={"Prefer": "wait=60"}, **more)
        assert response.status_code == 200, response.text
        return as_object(response)

    def result(self, request_id: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for the end of a request; return its status."""

        def look() -> dict[str, Any] | None:
            status = as_object(self.http.get(f"/api/chat/{request_id}"))
            return status if status["status"] in ENDED else None

        return wait_for(f"the end of {request_id}", look, seconds)

    def counted(self, text: str) -> None:
        """Wait until the tenant's counts hold a text: they are written after what they count is told."""
        wait_for(f"{text} to be counted", lambda: text in self.http.get("/metrics").text)

    def new_session(self, customer: str = "cust-1", **more: Any) -> dict[str, Any]:
        """Begin a session."""
        response = self.http.post("/api/sessions", json={"customerId": customer, **more})
        assert response.status_code == 201, response.text
        return as_object(response)

    def session(self, session_id: str) -> dict[str, Any]:
        """Return a session."""
        return as_object(self.http.get(f"/api/sessions/{session_id}"))

    def messages(self, session_id: str) -> list[dict[str, Any]]:
        """Return a session's messages."""
        found = self.http.get(f"/api/sessions/{session_id}/messages", params={"limit": 200}).json()
        assert isinstance(found, list), found
        return found

    def transcript(self, session_id: str) -> list[tuple[str, str]]:
        """Return (role, content) of a session's messages."""
        return [(message["role"], message["content"]) for message in self.messages(session_id)]

    def remember(self, customer: str, key: str, value: Any, **more: Any) -> httpx2.Response:
        """Write a memory entry."""
        return self.http.post("/api/memory", json={"customerId": customer, "key": key, "value": value, **more})


def as_object(response: httpx2.Response) -> dict[str, Any]:
    """Return an answer's JSON object."""
    found = response.json()
    assert isinstance(found, dict), found
    return found


def make_key(stack: Stack, tenant: str, role: KeyRole = "tenant") -> str:
    """Make an API key in the stack's store; return its text."""
    reach = {name.lower(): text for name, text in stack.settings.items() if name.startswith(OF_STORES)}
    return asyncio.run(_made(load_settings(**reach), tenant, role))[1]


def make_key_record(url: str, tenant: str, role: KeyRole = "tenant") -> tuple[ApiKey, str]:
    """Make an API key in the store at `url`; return its record and its text."""
    return asyncio.run(_made(load_settings(redis_url=url), tenant, role))


async def _made(settings: Settings, tenant: str, role: KeyRole) -> tuple[ApiKey, str]:
    async with open_store(settings, patience=10) as store:
        return await store.access.create(tenant, role, "made by a test")


def revoke_key(url: str, key_id: str) -> None:
    """Revoke an API key in the store at `url`."""

    async def revoke() -> None:
        async with open_store(load_settings(redis_url=url), patience=10) as store:
            assert await store.access.revoke(key_id) is not None

    asyncio.run(revoke())


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """Let a process of the stack stand still while the block runs: whatever waits for it, waits."""
    group = stack._processes[name].pid
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)
