"""API keys: an API key is a tenant. Only hashes are kept.

    cmk_<key id: 16 hex>_<secret: 43 characters, 256 random bits>

The key id finds the record in one step; the secret is compared in constant time, against a record that is no one's
where the id is unknown. A secret of 256 random bits needs no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Literal, Protocol

from shared.clock import Clock
from shared.models import Model
from shared.storage.keys import valid_tenant

KeyRole = Literal["tenant", "operator"]

_KEY = re.compile(r"cmk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class ApiKey(Model):
    """An API key's record. `role` operator acts for any tenant it names; tenant only for its own."""

    key_id: str
    secret_hash: str
    tenant: str
    role: KeyRole
    label: str | None = None
    created_at: datetime
    revoked_at: datetime | None = None


_NOBODY = hashlib.sha256(b"").hexdigest()


class KeyVault(Protocol):
    """Where records of API keys are kept, as text."""

    async def read(self, key_id: str) -> str | None:
        """Return a key's record."""

    async def write(self, key_id: str, record: str) -> None:
        """Keep a key's record."""

    async def all(self) -> list[str]:
        """Return every record."""

    async def count(self) -> int:
        """Return how many records there are; more than one may count as two."""


class AccessKeys:
    """The deployment's API keys."""

    def __init__(self, vault: KeyVault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def create(self, tenant: str, role: KeyRole, label: str | None) -> tuple[ApiKey, str]:
        """Make a key; return its record and its text, which is shown this once and never kept.

        Raises:
            ValueError: the tenant's name will not do.

        """
        if not valid_tenant(tenant):
            message = (
                f"a tenant is 1-63 lower-case letters, digits and hyphens, not beginning with a hyphen: {tenant!r}"
            )
            raise ValueError(message)
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        record = ApiKey(
            key_id=key_id,
            secret_hash=_hash(secret),
            tenant=tenant,
            role=role,
            label=label,
            created_at=self._clock(),
        )
        await self._write(record)
        return record, f"cmk_{key_id}_{secret}"

    async def list(self) -> list[ApiKey]:
        """Return every key, revoked ones too, oldest first."""
        found = [ApiKey.model_validate_json(raw) for raw in await self._vault.all()]
        return sorted(found, key=lambda key: key.created_at)

    async def any(self) -> bool:
        """Return whether a key was ever made; if so, every request needs one."""
        return await self._vault.count() > 0

    async def revoke(self, key_id: str) -> ApiKey | None:
        """Revoke a key; return its record, None where there is no such key."""
        record = await self._read(key_id)
        if record is None:
            return None
        revoked = record if record.revoked_at else record.model_copy(update={"revoked_at": self._clock()})
        await self._write(revoked)
        return revoked

    async def find(self, text: str) -> ApiKey | None:
        """Return the record of a key as presented; None when it is malformed, unknown, wrong or revoked."""
        match = _KEY.fullmatch(text)
        key_id, secret = match.groups() if match else ("0" * 16, "")
        record = await self._read(key_id)
        right = hmac.compare_digest(record.secret_hash if record else _NOBODY, _hash(secret))
        return record if record and right and match and record.revoked_at is None else None

    async def named(self, key_id: str) -> ApiKey | None:
        """Return the record of a key that is not revoked, by its id."""
        record = await self._read(key_id)
        return record if record and record.revoked_at is None else None

    async def _read(self, key_id: str) -> ApiKey | None:
        raw = await self._vault.read(key_id)
        return ApiKey.model_validate_json(raw) if raw else None

    async def _write(self, record: ApiKey) -> None:
        await self._vault.write(record.key_id, record.model_dump_json())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
