"""Sealing what must be stored and is nobody's to read: with SECRET_KEY, of which two may be valid at once.

What was sealed says whose it is, so that it opens nothing of anybody else's when it is put in another place.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field

from shared.errors import CannotUnseal
from shared.models import Model


class Sealer:
    """Seals with the first of its keys, and opens with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([_fernet(key) for key in keys])

    def seal(self, owner: str, text: str) -> str:
        """Return `text` sealed for its owner."""
        return self._fernet.encrypt(json.dumps([owner, text]).encode()).decode()

    def open(self, owner: str, sealed: str) -> str:
        """Return what was sealed for this owner.

        Raises:
            CannotUnseal

        """
        try:
            found, text = json.loads(self._fernet.decrypt(sealed))
        except (InvalidToken, ValueError) as error:
            raise CannotUnseal from error
        if found != owner:
            raise CannotUnseal
        return str(text)


class KeptSecret(Model):
    """A secret, sealed; it is valid until `valid_until`, or for good."""

    sealed: str = Field(repr=False)
    created_at: datetime
    valid_until: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Return whether it is valid."""
        return self.valid_until is None or now < self.valid_until

    def resealed(self, sealer: Sealer, owner: str) -> KeptSecret:
        """Return it sealed with the first key of the sealer.

        Raises:
            CannotUnseal

        """
        return self.model_copy(update={"sealed": sealer.seal(owner, sealer.open(owner, self.sealed))})


def with_newest(kept: Sequence[KeptSecret], newest: KeptSecret, overlap: timedelta) -> tuple[KeptSecret, ...]:
    """Return secrets with a new one first; the one before is valid for so long still, and any older one is gone."""
    before = [each for each in kept[:1] if each.valid_at(newest.created_at)]
    until = newest.created_at + overlap
    return (newest, *(each.model_copy(update={"valid_until": until}) for each in before))


def sealer_of(keys: Sequence[str]) -> Sealer | None:
    """Return what seals with these keys; None where there is none."""
    return Sealer(keys) if keys else None


def _fernet(key: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"customer-memory sealing").derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
