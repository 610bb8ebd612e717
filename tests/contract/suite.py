"""Every contract, as a module of tests takes them in with `*`: none is forgotten for a store."""

from __future__ import annotations

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
from tests.contract.retention import ForEverContract, RetentionContract
from tests.contract.summaries import SummaryContract
from tests.contract.tenant_index import TenantIndexContract
from tests.contract.turns import TurnContract


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
