"""The store: what it promises (`contract`), and who keeps the promises (`redis/`, `dynamodb/`)."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import Settings
from shared.storage.contract import Store
from shared.storage.dynamodb.address import Address
from shared.storage.limits import Limits

__all__ = ["address_of", "limits_of", "open_store"]

WEB_PATIENCE_SECONDS = 1.6


def open_store(
    settings: Settings, *, patience: float = WEB_PATIENCE_SECONDS, connections: int = 64, rest: float = 0.0
) -> Store:
    """Return the store that the settings name; nothing is sent yet.

    `patience` is how many seconds an operation may take before it raises `StoreUnavailable`; for `rest` seconds after
    that, others raise it at once.

    Raises:
        SettingsError: the settings name no store.

    """
    # Each adapter is imported where it is used: nobody waits for a library of the other's.
    if settings.store_kind == "dynamodb":
        from shared.storage.dynamodb.store import open_dynamodb  # noqa: PLC0415 - see above

        return open_dynamodb(address_of(settings), limits_of(settings), patience, connections, rest)
    from shared.storage.redis.store import open_redis  # noqa: PLC0415 - see above

    return open_redis(settings.store_url, limits_of(settings), patience, connections, rest)


def address_of(settings: Settings) -> Address:
    """Return where the settings say that the table is, and who asks."""
    return Address(
        table=settings.dynamodb_table_name,
        region=str(settings.aws_region),
        endpoint_url=settings.aws_endpoint_url,
        access_key_id=_told(settings.aws_access_key_id),
        secret_access_key=_told(settings.aws_secret_access_key),
        session_token=_told(settings.aws_session_token),
    )


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
        read_digests=settings.context_digests,
        poison_limit=settings.poison_limit,
        summary_threshold_tokens=settings.summary_threshold_tokens,
        summary_idle_ms=round(settings.summary_idle_minutes * 60_000),
        summary_lease_ms=round(settings.summary_lease_seconds * 1000),
        summaries_by_default=settings.compression_strategy != "sliding_window",
        digests=settings.session_digests,
        memory_delay_ms=round(settings.memory_delay_seconds * 1000) if settings.remembers else 0,
        memory_threshold_tokens=settings.memory_threshold_tokens,
        index_bytes=settings.recall_index_kb * 1024,
        delivery_retention_ms=round(settings.delivery_retention_hours * 3_600_000),
    )


def _told(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
