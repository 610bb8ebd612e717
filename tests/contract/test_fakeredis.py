"""The contract, on the fake that fast unit tests use: it must not drift."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import cast

import fakeredis
import pytest

from shared.ids import bucket_of
from shared.storage.deliveries import DeliveryFacts
from shared.storage.keys import BUCKETS
from shared.storage.redis.store import RedisStore
from shared.storage.types import OF_TENANT
from tests.contract.batches import BatchContract
from tests.contract.bursts import BurstContract
from tests.contract.cold import ColdContract
from tests.contract.context import ContextContract
from tests.contract.deliveries import DeliveryContract
from tests.contract.entries import EntryContract
from tests.contract.entry_races import EntryRaceContract
from tests.contract.erasure import ErasureContract
from tests.contract.handling import HandlingContract
from tests.contract.hooks import HookContract
from tests.contract.lost import LostAnswerContract
from tests.contract.merging import ANON, MARIA, MergingContract, MergingForEverContract, merge
from tests.contract.recall_index import RecallIndexContract
from tests.contract.records import RecordContract
from tests.contract.redaction import RedactionContract
from tests.contract.redis_desk import assert_no_stray_keys, make_desk
from tests.contract.retention import ForEverContract, RetentionContract
from tests.contract.store import Desk, limits_of
from tests.contract.summaries import SummaryContract
from tests.contract.tenant_index import TenantIndexContract
from tests.contract.turns import TurnContract


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    yield make_desk(redis, limits_of(request))
    await assert_no_stray_keys(redis)
    await redis.aclose()


class TestTurns(TurnContract):
    """The path of a request."""


class TestRecords(RecordContract):
    """Everything else."""


class TestBursts(BurstContract):
    """Messages that are answered at once."""


class TestHandling(HandlingContract):
    """Sessions that people take over, and what hooks need kept."""


class TestLostAnswers(LostAnswerContract):
    """Answers lost on the way."""


class TestContext(ContextContract):
    """What the context needs kept."""


class TestEntries(EntryContract):
    """Memory entries that are extracted."""


class TestRedaction(RedactionContract):
    """Messages without their text."""


class TestRecallIndex(RecallIndexContract):
    """The recall index."""


class TestSummaries(SummaryContract):
    """Summaries and digests."""


class TestBatches(BatchContract):
    """Batches of summaries."""


class TestCold(ColdContract):
    """What is left to batches."""


class TestEntryRaces(EntryRaceContract):
    """Many writers of one memory entry."""


class TestErasure(ErasureContract):
    """Customers who are erased."""


class TestMerging(MergingContract):
    """Customers who turn out to be others."""


class TestRetention(RetentionContract):
    """What is kept no longer."""


class TestMergingForEver(MergingForEverContract):
    """Merging where there is no retention."""


class TestForEver(ForEverContract):
    """What is kept where there is no retention."""


class TestDeliveries(DeliveryContract):
    """Callbacks."""


class TestTenantIndex(TenantIndexContract):
    """What is listed of a tenant as a whole."""


class TestHooks(HookContract):
    """Hooks."""


async def test_the_sweep_is_told_where_a_callback_waits_whose_request_has_moved(desk: Desk) -> None:
    asked = await desk.turn("Call me", customer=ANON, callback=OF_TENANT)
    await desk.turn("Hello", customer=MARIA)
    await merge(desk)
    store = cast("RedisStore", desk.store)
    await store._client.redis.delete(BUCKETS)  # forgotten, since all was still for long
    store._marks._marked.clear()
    now = datetime.fromtimestamp(desk.clock.ms / 1000, UTC)
    facts = DeliveryFacts(status="pending", created_at=now, due_at=now + timedelta(seconds=1))
    assert await desk.own.put_delivery(asked.request_id, "{}", 0, facts)
    assert bucket_of(desk.tenant, MARIA) in await store.active_buckets()
