"""Contexts to look at: what Claude would be sent now, and what it was sent. Read without a lease, changing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.context.calibration import UNLEARNED, correction_of
from shared.context.pin import Pin
from shared.context.sources import Draft
from shared.context.tokens import TokenCounter
from shared.conversation.drafting import Known, default_budget, make_draft, said_in, wanted_of
from shared.conversation.instructions import in_force
from shared.conversation.learning import readable_calibrations
from shared.errors import ContextGone, UnknownRequest
from shared.models import AgentInstructions, ChatRequest, MemoryEntry, Message, Receipt, Session
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.contract import Store, TenantStore
from shared.storage.records import weight_of
from shared.storage.types import KeptDigest

NEXT = "next"  # stands for the request id of a message that was not sent


@dataclass(frozen=True, slots=True)
class Preview:
    """Reads one tenant's sessions as a turn would."""

    store: Store
    own: TenantStore
    settings: Settings
    counter: TokenCounter
    recaller: Recaller

    async def upcoming(self, session_id: str, message: str) -> Draft:
        """Return the draft of the session's next turn, were `message` the customer's.

        It begins where the last answered request began, while that one is kept.

        Raises:
            UnknownSession

        """
        session = await self.own.session(session_id)
        most = self.settings.context_messages
        page, memory, instructions, kept, summaries, digests = await asyncio.gather(
            self.own.messages(session_id, most, max(0, session.message_count - most)),
            self._memory(session.customer_id, self.settings.context_memory_entries),
            self._instructions(),
            self.store.calibration(),
            self.own.summaries(session_id),
            self._digests(session),
        )
        budget = session.token_budget or default_budget(self.settings)
        history = _newest(page.items, budget.available)
        model = session.model or self.settings.chat_model
        correction = correction_of(readable_calibrations(kept), model, self.counter.name)
        kept_pin = await self._last_pin(history)
        pin = Pin.read(kept_pin)
        known = Known(
            session=session,
            newest=message,
            newest_id=NEXT,
            attachments=(),
            history=history,
            history_complete=not history or history[0].seq == 1,
            memory=memory,
            pin=kept_pin,
            summary=summaries[0] if summaries else None,
            pinned_summary=next((each for each in summaries[1:] if pin and each.version == pin.summary), None),
            digests=digests,
            now=await self.store.now(),
        )
        if self.settings.recall_share > 0:
            wanted = wanted_of(known, self.settings, look=True)
            known = replace(known, recalled=await self.recaller.recall(self.own, wanted))
        return make_draft(known, instructions, self.settings, model, correction)

    async def sent(self, request_id: str) -> tuple[Receipt, Draft]:
        """Return a request's receipt, and what there is of its parts today; one of a burst has that of its first.

        Raises:
            UnknownRequest: there is none, or Claude was not asked.
            ContextGone: its messages are not there any more.

        """
        record = await self.own.request(request_id)
        if record.answered_with is not None:
            record = await self.own.request(record.answered_with)
        receipt = record.receipt
        if receipt is None:
            raise UnknownRequest("The request has no receipt: it waits, or it failed before Claude was asked.")
        pin = Pin.read(receipt.pin)
        if pin is None:
            raise ContextGone
        session = await self.own.session(record.session_id)
        named = next((part.included for part in receipt.parts if part.name == "recall"), [])
        *earlier, last = [said_in(each) for each in (record, *await self._requests(record.burst))]
        page, memory, instructions, summaries, digests, recalled = await asyncio.gather(
            self.own.messages(record.session_id, self.settings.context_messages + 1, pin.start - 1),
            self._memory(record.customer_id, self.settings.memory_max_entries),
            self._instructions(),
            self.own.summaries(record.session_id),
            self._digests(session),
            self.recaller.again(self.own, record.customer_id, named),
        )
        asked = next((each.seq for each in page.items if each.request_id == record.id and each.role == "user"), None)
        if asked is None:
            raise ContextGone
        known = Known(
            session=session,
            newest=last.text,
            newest_id=last.id,
            attachments=last.attachments,
            earlier=earlier,
            history=[each for each in page.items if each.seq < asked],
            history_complete=pin.start == 1,
            memory=memory,
            pin=receipt.pin,
            summary=next((each for each in summaries if each.version == pin.summary), None),
            digests=digests,
            recalled=recalled,
        )
        return receipt, make_draft(known, instructions, self.settings, receipt.model, UNLEARNED)

    async def _requests(self, ids: Sequence[str]) -> Sequence[ChatRequest]:
        return await asyncio.gather(*map(self.own.request, ids))

    async def _memory(self, customer_id: str, most: int) -> Sequence[MemoryEntry]:
        if most == 0:
            return ()
        return (await self.own.memories(customer_id, None, None, most, None)).items

    async def _digests(self, session: Session) -> Sequence[KeptDigest]:
        """Return the digests of the customer's other sessions, as many as a turn reads."""
        most = self.settings.context_digests
        found = await self.own.digests(session.customer_id, most + 1) if most else ()
        return [each for each in found if each.session_id != session.id][:most]

    async def _instructions(self) -> AgentInstructions:
        return in_force(await self.own.instructions(), self.settings.agent_instructions)

    async def _last_pin(self, history: Sequence[Message]) -> str | None:
        answered = [each.request_id for each in history if each.role == "assistant" and each.request_id]
        if not answered:
            return None
        try:
            receipt = (await self.own.request(answered[-1])).receipt
        except UnknownRequest:
            return None
        return receipt.pin if receipt else None


def _newest(messages: Sequence[Message], room: int) -> Sequence[Message]:
    """Return the newest messages until they fill the room, as a claim reads them."""
    first, left = len(messages), room
    while first > 0 and left > 0:
        first -= 1
        left -= weight_of(messages[first].tokens, room)
    return messages[first:]
