"""The store: what it promises (`contract`), and who keeps the promises (`redis/`)."""

from __future__ import annotations

from shared.settings import Settings
from shared.storage.redis.store import RedisStore, open_redis
from shared.storage.types import Limits

__all__ = ["limits_of", "open_store"]

WEB_PATIENCE_SECONDS = 1.6


def open_store(
    settings: Settings, *, patience: float = WEB_PATIENCE_SECONDS, connections: int = 64, rest: float = 0.0
) -> RedisStore:
    """Return the store that the settings name; nothing is sent yet.

    `patience` is how many seconds an operation may take before it raises `StoreUnavailable`; for `rest` seconds after
    that, others raise it at once.

    Raises:
        SettingsError: the settings name no store.

    """
    return open_redis(settings.store_url, limits_of(settings), patience, connections, rest)


def limits_of(settings: Settings) -> Limits:
    """Return the settings' bounds as the store applies them."""
    return Limits(
        session_ttl_ms=round(settings.session_ttl_hours * 3_600_000),
        request_deadline_ms=round(settings.request_deadline_minutes * 60_000),
        request_retention_ms=round(settings.request_retention_hours * 3_600_000),
        memory_retention_ms=round(settings.memory_retention_days * 86_400_000),
        lease_ms=round(settings.lease_seconds * 1000),
        grace_ms=round(settings.reconcile_seconds * 1000),
        announce_grace_ms=round(settings.reconcile_seconds * 2000),
        max_open_requests=settings.max_open_requests,
        memory_max_entries=settings.memory_max_entries,
        read_messages=settings.context_messages,
        read_memory=settings.context_memory_entries,
        poison_limit=settings.poison_limit,
    )
