"""The contract, on a real Valkey server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from shared.storage.redis import store
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
from tests.contract.merging import MergingContract, MergingForEverContract
from tests.contract.recall_index import RecallIndexContract
from tests.contract.records import RecordContract
from tests.contract.redaction import RedactionContract
from tests.contract.redis_desk import assert_no_stray_keys, make_desk
from tests.contract.retention import ForEverContract, RetentionContract
from tests.contract.store import Desk, limits_of
from tests.contract.summaries import SummaryContract
from tests.contract.tenant_index import TenantIndexContract
from tests.contract.turns import TurnContract
from tests.support.valkey import Valkey


@pytest.fixture
async def desk(valkey: Valkey, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    redis = Redis.from_url(valkey.url(3), decode_responses=True)
    await redis.flushdb()
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


async def test_a_subscription_that_hears_nothing_is_kept_while_the_server_answers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("QUIET_SECONDS", 0.2), ("ANSWER_SECONDS", 0.3), ("RESUBSCRIBE_SECONDS", 0.05)):
        monkeypatch.setattr(store, name, seconds)
    async with aclosing(desk.store.finished()) as finished:  # type: ignore[type-var]  # it is a generator
        assert await anext(finished) == ""
        with pytest.raises(TimeoutError):  # begun anew, it would say that something may have been missed
            await asyncio.wait_for(anext(finished), 1.5)
