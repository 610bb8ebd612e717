"""The names of queues, tasks and the exchange."""

from __future__ import annotations

from kombu import Exchange

CHAT = "chat"
QUARANTINE = "quarantine"
MAINTENANCE = "maintenance"
SUMMARIES = "summaries"
CALLBACKS = "callbacks"
QUEUES = (CHAT, QUARANTINE, MAINTENANCE, SUMMARIES, CALLBACKS)

ADVANCE = "customer_memory.advance_session"
RECONCILE = "customer_memory.reconcile"
SUMMARIZE = "customer_memory.summarize_session"
BATCH = "customer_memory.advance_batch"
DISPATCH = "customer_memory.dispatch_summaries"
GATHER = "customer_memory.gather_cold_sessions"
DELIVER = "customer_memory.deliver_callback"
DISPATCH_CALLBACKS = "customer_memory.dispatch_callbacks"

EVENTS = Exchange("customer-memory.events", type="topic", durable=True)
