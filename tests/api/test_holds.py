"""Held connections, while the store is away for a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio

from api import holds
from api.holds import Holds
from api.hub import Hub
from api.waiting import Hold
from shared.errors import StoreUnavailable
from shared.ids import Ids, bucket_of
from shared.models import ChatRequest
from shared.settings import load_settings
from shared.storage import open_store
from shared.storage.contract import Store
from shared.storage.types import NewRequest
from tests.support.valkey import Valkey


class Away:
    """A store, and a tenant's records, that does not answer the first times it is asked for a request."""

    def __init__(self, real: Any, times: list[int]) -> None:
        self._real = real
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def tenant(self, tenant: str) -> Away:
        return Away(self._real.tenant(tenant), self._times)

    async def request(self, request_id: str) -> ChatRequest:
        if self._times[0] > 0:
            self._times[0] -= 1
            raise StoreUnavailable("no answer in time")
        found: ChatRequest = await self._real.request(request_id)
        return found


@pytest_asyncio.fixture
async def store(server: Valkey) -> AsyncIterator[Store]:
    """A store."""
    async with open_store(load_settings(redis_url=server.url(9))) as store:
        yield store


async def test_a_listener_is_not_told_that_its_request_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a request that ended as deleted, when the store does not answer twice, then the listener hears its end."""
    monkeypatch.setattr(holds, "AWAY_SECONDS", 0.01)
    own, ids, bucket = store.tenant("acme"), Ids(), bucket_of("acme", "cust-1")
    request = NewRequest(request_id=ids.request(bucket), customer_id="cust-1", message="Hello")
    session_id = await own.accept(request, ids.session(bucket))
    await own.delete_session(session_id)
    held = Holds(cast("Store", Away(store, [2])), Hub())
    told = b"".join(
        [event async for event in held.events(Hold(kind="stream", tenant="acme", request_id=request.request_id))]
    )
    assert b'"session-deleted"' in told
    assert b"unknown-request" not in told


async def test_a_listener_of_a_request_that_is_gone_is_told(store: Store) -> None:
    nowhere = Ids().request(bucket_of("acme", "cust-1"))
    told = b"".join(
        [event async for event in Holds(store, Hub()).events(Hold(kind="stream", tenant="acme", request_id=nowhere))]
    )
    assert b"unknown-request" in told
