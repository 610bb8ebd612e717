"""The names of queues, tasks and the exchange."""

from __future__ import annotations

from kombu import Exchange

CHAT = "chat"
QUARANTINE = "quarantine"
MAINTENANCE = "maintenance"
SUMMARIES = "summaries"
QUEUES = (CHAT, QUARANTINE, MAINTENANCE, SUMMARIES)

ADVANCE = "customer_memory.advance_session"
RECONCILE = "customer_memory.reconcile"
SUMMARIZE = "customer_memory.summarize_session"
BATCH = "customer_memory.advance_batch"
DISPATCH = "customer_memory.dispatch_summaries"

EVENTS = Exchange("customer-memory.events", type="topic", durable=True)
