"""The contract, on DynamoDB as moto's server plays it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from shared.storage.dynamodb.merging import DynamoMerging
from tests.contract.batches import BatchContract
from tests.contract.bursts import BurstContract
from tests.contract.cold import ColdContract
from tests.contract.context import ContextContract
from tests.contract.deliveries import DeliveryContract
from tests.contract.dynamodb_desk import make_desk
from tests.contract.entries import EntryContract
from tests.contract.entry_races import EntryRaceContract
from tests.contract.erasure import ErasureContract, erase
from tests.contract.handling import HandlingContract
from tests.contract.hooks import HookContract
from tests.contract.lost import LostAnswerContract
from tests.contract.merging import ANON, MARIA, MergingContract, MergingForEverContract
from tests.contract.recall_index import RecallIndexContract
from tests.contract.records import RecordContract
from tests.contract.redaction import RedactionContract
from tests.contract.retention import ForEverContract, RetentionContract
from tests.contract.store import Desk, limits_of
from tests.contract.summaries import SummaryContract
from tests.contract.tenant_index import TenantIndexContract
from tests.contract.turns import TurnContract
from tests.support.moto import Moto


@pytest.fixture
async def desk(moto: Moto, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    desk = make_desk(moto.table(), limits_of(request))
    yield desk
    await desk.store.close()


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

    cut_every = 7  # moto is slow
    stand_every = 4  # among them the first write of pieces


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


async def test_what_was_deleted_does_not_follow_to_one_who_is_erased_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.turn("Hello", customer=ANON)
    await desk.turn("Hello", customer=MARIA)
    await desk.own.put_memory(ANON, "city", "Rome", "note")
    await desk.own.delete_memory(ANON, "city")
    own = cast("DynamoMerging", desk.own)
    await own._begin_merge(ANON, MARIA)
    read, begun = own._client.all, False

    async def erased_then(asked: Any) -> Any:
        nonlocal begun
        found, first, begun = await read(asked), not begun, True
        if first:
            await erase(desk, MARIA)
        return found

    monkeypatch.setattr(own._client, "all", erased_then)
    await own._move_deleted(ANON, MARIA)
    assert MARIA not in await desk.inside.contents()
