"""A turn's draft: what the store read of a session, put together with what the settings and the tenant say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.context.calibration import Correction
from shared.context.pin import Pin
from shared.context.sources import Draft, Recalled, Said
from shared.models import AgentInstructions, Attachment, ChatRequest, MemoryEntry, Message, Session, TokenBudget
from shared.remembering.recaller import Wanted
from shared.settings import Settings
from shared.storage.records import readable
from shared.storage.types import Claim, IndexMark, KeptDigest, KeptSummary
from shared.summaries.kept import digest_of, summary_of


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of a session for one message. `pin`: as kept, None where there is none."""

    session: Session
    newest: str
    newest_id: str
    attachments: Sequence[Attachment]
    history: Sequence[Message]
    history_complete: bool
    memory: Sequence[MemoryEntry]
    pin: str | None
    summary: KeptSummary | None = None
    pinned_summary: KeptSummary | None = None
    digests: Sequence[KeptDigest] = ()
    recalled: Sequence[Recalled] = ()
    now: datetime | None = None
    """When the turn is: entries that hold no more are left out. None: all were chosen before."""
    earlier: Sequence[Said] = ()
    """What was said just before the newest message, and is answered with it."""
    handoff: bool = False
    """Whether a request asks that the agent may hand the conversation to a person; the tenant may, too."""

    @classmethod
    def of(cls, claim: Claim, recalled: Sequence[Recalled] = ()) -> Known:
        """Return what a claim read, and what was recalled for it."""
        *earlier, last = map(said_in, claim.requests)
        return cls(
            session=claim.session,
            newest=last.text,
            newest_id=last.id,
            attachments=last.attachments,
            earlier=earlier,
            handoff=any(request.handoff for request in claim.requests),
            history=claim.history,
            history_complete=claim.history_complete,
            memory=claim.memory,
            pin=claim.pin,
            summary=claim.summary,
            pinned_summary=claim.pinned_summary,
            digests=claim.digests,
            recalled=recalled,
            now=claim.now,
        )


def said_in(request: ChatRequest) -> Said:
    """Return what a request's customer said."""
    return Said(request.id, request.message, request.attachments)


def default_budget(settings: Settings) -> TokenBudget:
    """Return the budget of sessions that have none of their own."""
    return TokenBudget(max=settings.token_budget_max, reserve=settings.token_budget_reserve)


def wanted_of(known: Known, settings: Settings, mark: IndexMark | None = None, *, look: bool = False) -> Wanted:
    """Return what earlier turns are looked for by: the message, and what its session shows anyway."""
    pin, session = Pin.read(known.pin), known.session
    budget = session.token_budget or default_budget(settings)
    return Wanted(
        customer_id=session.customer_id,
        session_id=session.id,
        text="\n".join([*(said.text for said in known.earlier), known.newest]),
        now=known.now or session.last_message_at or session.created_at,
        tokens=int(budget.available * settings.recall_share),
        mark=mark,
        history=known.history,
        begins=pin.start if pin else 1,
        look=look,
    )


def make_draft(
    known: Known, instructions: AgentInstructions, settings: Settings, model: str, correction: Correction
) -> Draft:
    """Return the draft of a turn that asks `model`; what a session says of itself goes before the settings."""
    session = known.session
    return Draft(
        instructions=instructions,
        memory=[entry for entry in known.memory if known.now is None or entry.holds_at(known.now)],
        history=known.history,
        history_complete=known.history_complete,
        newest=known.newest,
        newest_id=known.newest_id,
        newest_attachments=known.attachments,
        earlier=known.earlier,
        handoff=known.handoff or bool(instructions.handoff),
        model=model,
        budget=session.token_budget or default_budget(settings),
        spare_budget=default_budget(settings),
        strategy=session.compression_strategy or settings.compression_strategy,
        correction=correction,
        pin=Pin.read(known.pin),
        summary=summary_of(known.summary),
        pinned_summary=summary_of(known.pinned_summary),
        digests=readable(digest_of, known.digests),
        recalled=known.recalled,
        recall_share=settings.recall_share,
        session_id=session.id,
        cache_ttl=settings.cache_ttl,
    )
