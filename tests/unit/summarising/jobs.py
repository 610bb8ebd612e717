"""Summary jobs without processes: the real runner over a real store contract, with Claude scripted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shared.clock import system_clock
from shared.context.tokens import load_counter
from shared.conversation.announce import Announcer
from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Message, Role, Strategy
from shared.settings import Settings
from shared.storage.types import KeptDigest, NewSession
from shared.summaries.kept import DigestRecord, SummaryRecord
from shared.summarising.job import SummaryJobs, SummaryParts
from tests.contract.store import Desk
from tests.unit.turns import RecordingPublisher, ScriptedClaude

COUNTER = load_counter()


@dataclass
class Bureau:
    """A desk with somebody who summarises."""

    desk: Desk
    claude: ScriptedClaude
    publisher: RecordingPublisher
    jobs: SummaryJobs

    async def session(self, *texts: str, strategy: Strategy = "summarization", customer: str = "cust-1") -> SessionRef:
        """Return a session in which customer and agent said these in turn."""
        session_id = self.desk.ids.session(bucket_of(self.desk.tenant, customer))
        await self.desk.own.create_session(session_id, NewSession(customer, compression_strategy=strategy))
        ref = SessionRef(self.desk.tenant, session_id)
        for number, text in enumerate(texts):
            await self.say(ref, text, "assistant" if number % 2 else "user")
        return ref

    async def say(self, ref: SessionRef, text: str, role: Role = "user") -> Message:
        """Record a message, counted as in the service."""
        message = self.desk.message(text, role=role, tokens=COUNTER.count(text))
        return await self.desk.own.record(ref.session_id, message, backdated=False)

    async def summary(self, ref: SessionRef) -> SummaryRecord | None:
        """Return the session's summary."""
        kept = await self.desk.own.summaries(ref.session_id)
        return SummaryRecord.model_validate_json(kept[0].value) if kept else None

    async def digests(self, customer: str = "cust-1") -> list[tuple[KeptDigest, DigestRecord]]:
        """Return the customer's digests."""
        return [
            (kept, DigestRecord.model_validate_json(kept.value)) for kept in await self.desk.own.digests(customer, 10)
        ]


def open_bureau(desk: Desk, executor: ThreadPoolExecutor, **settings: Any) -> Bureau:
    """Return a bureau over a desk."""
    given = Settings(**{"extraction": False, **settings})
    claude, publisher = ScriptedClaude(), RecordingPublisher()
    announcer = Announcer(desk.store, publisher, executor, include_content=False)
    parts = SummaryParts(desk.store, claude, announcer, COUNTER, given, system_clock, Ids())
    return Bureau(desk, claude, publisher, SummaryJobs(parts))
