"""What is told to end while it asks the store, ends, wherever it stands.

On Python 3.11 `asyncio.wait_for`, through which the Redis client sends its commands, can swallow a cancellation that
comes just as the command goes out. Whoever cancels a loop and waits for its end must survive that: else a turn, or a
listener, hangs until its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, cast

import pytest
import pytest_asyncio

from api.holds import Holds
from api.hub import Hub
from api.waiting import Hold
from shared.conversation.lease import held
from shared.conversation.stream import ReplyStream
from shared.ids import Ids, SessionRef, bucket_of
from shared.settings import load_settings
from shared.storage import open_store
from shared.storage.contract import Store, TenantStore
from shared.storage.types import Claim, NewRequest
from tests.support.valkey import Valkey

STEPS = 12
ENDS_WITHIN_SECONDS = 5.0


class Swallowing:
    """A store, and a tenant's records, of which listening swallows the first cancellation."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def tenant(self, tenant: str) -> Swallowing:
        return Swallowing(self._real.tenant(tenant))

    async def listen(self, request_id: str) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@pytest_asyncio.fixture
async def store(server: Valkey) -> AsyncIterator[Store]:
    """A store, over a connection that is open already."""
    async with open_store(load_settings(redis_url=server.url(9))) as store:
        await store.ping()
        yield store


@pytest.fixture
def tenant(store: Store) -> TenantStore:
    """A tenant's records."""
    return store.tenant("acme")


@pytest_asyncio.fixture
async def claim(tenant: TenantStore) -> Claim:
    """A request that a worker has just claimed."""
    ids, bucket = Ids(), bucket_of("acme", "cust-1")
    request = NewRequest(request_id=ids.request(bucket), customer_id="cust-1", message="Hello")
    session_id = await tenant.accept(request, ids.session(bucket))
    claim = await tenant.claim(SessionRef("acme", session_id), ids.ulid(), 1000, quarantine=False)
    assert isinstance(claim, Claim)
    return claim


async def steps(count: int) -> None:
    """Let everything else take `count` steps."""
    for _ in range(count):
        await asyncio.sleep(0)


async def assert_ends(work: Coroutine[Any, Any, None], what: str) -> None:
    """Hold `work` to ending soon."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=ENDS_WITHIN_SECONDS)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=ENDS_WITHIN_SECONDS)
    assert done, f"{what} did not end"
    await task


async def test_a_stream_ends_though_its_listening_would_not(store: Store, claim: Claim) -> None:
    await store.tenant("acme").delete_session(claim.ref.session_id)
    holds = Holds(cast("Store", Swallowing(store)), Hub())
    hold = Hold(kind="stream", tenant="acme", request_id=claim.request.id)
    heard: list[bytes] = []

    async def listen() -> None:
        heard.extend([event async for event in holds.events(hold)])

    await assert_ends(listen(), "the stream of a request that has failed")
    assert b"event: failed" in heard[-1]


async def test_a_reply_s_stream_stops(tenant: TenantStore, claim: Claim) -> None:
    async def stream_and_stop(count: int) -> None:
        stream = ReplyStream(tenant, claim)
        stream.add("Good morning")
        stream.start()
        await steps(count)
        await stream.stop()

    for count in range(STEPS):
        await assert_ends(stream_and_stop(count), f"a reply's stream, stopped after {count} steps,")


async def test_a_lease_is_let_go(tenant: TenantStore, claim: Claim) -> None:
    async def hold_and_let_go(count: int) -> None:
        async with held(tenant, claim, 0, lambda: None):
            await steps(count)

    for count in range(STEPS):
        await assert_ends(hold_and_let_go(count), f"a lease, let go after {count} steps,")
