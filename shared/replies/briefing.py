"""Gathering what the person who takes a conversation over should know."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from shared.models import ChatRequest, MemoryEntry
from shared.storage.contract import TenantStore
from shared.summaries.brief import brief
from shared.summaries.kept import previous_of

MOST_MESSAGES: Final = 100
MOST_TICKETS: Final = 20
LONGEST_TICKET: Final = 200


async def brief_of(own: TenantStore, request: ChatRequest, why: str) -> str:
    """Return the brief for a request's session. Raises UnknownSession, StoreError."""
    session = await own.session(request.session_id)
    kept = await own.summaries(request.session_id)
    previous = previous_of(kept[0] if kept else None)
    first = max(kept[0].through if kept else 0, session.message_count - MOST_MESSAGES)
    messages = (await own.messages(request.session_id, MOST_MESSAGES, first)).items
    entries = (await own.memories(session.customer_id, "ticket", None, MOST_TICKETS, None)).items
    now = session.last_message_at or request.accepted_at
    tickets = [_told(entry) for entry in entries if entry.holds_at(now)]
    return await asyncio.to_thread(brief, why, previous.text, previous.ledger, messages, tickets)


def _told(entry: MemoryEntry) -> str:
    value = entry.value if isinstance(entry.value, str) else json.dumps(entry.value, ensure_ascii=False)
    return f"{entry.key}: {value}"[:LONGEST_TICKET]
