"""A tenant's account of callbacks: its own address, its secrets, and the endpoints that want no more.

Secrets are kept sealed, and shown once. Two are valid at a time, so that receivers can be given the new one in peace.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from shared.callbacks.signing import new_secret
from shared.errors import NoSecretKey, StoreUnavailable
from shared.models import Model
from shared.sealing import KeptSecret, Sealer, with_newest
from shared.storage.contract import Store

TRIES: Final = 8
FRESH_SECONDS: Final = 3.0
MOST_STOPPED: Final = 1_000
MOST_CACHED: Final = 10_000
OVERLAP: Final = timedelta(hours=24)


class Account(Model):
    """An account as kept. `secrets`: the current one first, then the one before. `stopped`: since when, by endpoint."""

    url: str | None = None
    secrets: tuple[KeptSecret, ...] = ()
    stopped: dict[str, datetime] = Field(default_factory=dict)

    def with_secret(self, secret: KeptSecret, overlap: timedelta) -> Account:
        """Return it with a new secret; the one before is valid for so long still."""
        return self.model_copy(update={"secrets": with_newest(self.secrets, secret, overlap)})

    def with_stopped(self, endpoint: str, now: datetime) -> Account:
        """Return it with an endpoint that answered 410; of very many the first are forgotten."""
        stopped = {**self.stopped, endpoint: now}
        return self.model_copy(update={"stopped": dict(list(stopped.items())[-MOST_STOPPED:])})

    def without_stopped(self, endpoint: str) -> Account:
        """Return it with an endpoint that is asked again."""
        return self.model_copy(update={"stopped": {each: at for each, at in self.stopped.items() if each != endpoint}})


class Accounts:
    """All tenants' accounts. `sealer` None: SECRET_KEY is not set, and nothing can be signed."""

    def __init__(self, store: Store, sealer: Sealer | None) -> None:
        self._store = store
        self._sealer = sealer
        self._known: dict[str, tuple[float, Account]] = {}

    async def read(self, tenant: str) -> Account:
        """Return a tenant's account as it is."""
        kept = await self._store.tenant(tenant).callbacks()
        account = Account.model_validate_json(kept.value) if kept.value else Account()
        if len(self._known) >= MOST_CACHED:
            self._known.clear()
        self._known[tenant] = (time.monotonic() + FRESH_SECONDS, account)
        return account

    async def of(self, tenant: str) -> Account:
        """Return a tenant's account as it was at most some seconds ago."""
        until, account = self._known.get(tenant, (0.0, None))
        return account if account is not None and time.monotonic() < until else await self.read(tenant)

    async def change(self, tenant: str, change: Callable[[Account], Account]) -> Account:
        """Change a tenant's account, whoever else does so at the same time; return it."""
        own = self._store.tenant(tenant)
        for _ in range(TRIES):
            kept = await own.callbacks()
            account = Account.model_validate_json(kept.value) if kept.value else Account()
            changed = change(account)
            if changed == account or await own.put_callbacks(changed.model_dump_json(), kept.version):
                self._known.pop(tenant, None)
                return changed
        raise StoreUnavailable("the account of callbacks changed each time it was looked at")

    async def new_secret(self, tenant: str, overlap: timedelta) -> tuple[Account, str]:
        """Give a tenant a new secret; return its account, and the secret's text, which is shown this once.

        Raises:
            NoSecretKey

        """
        text = new_secret()
        secret = KeptSecret(sealed=self._sealing().seal(tenant, text), created_at=await self._store.now())
        return await self.change(tenant, lambda account: account.with_secret(secret, overlap)), text

    async def reseal(self, tenant: str) -> int:
        """Seal a tenant's secrets with the first key of SECRET_KEY; return how many there are.

        Raises:
            NoSecretKey, CannotUnseal

        """
        sealer = self._sealing()

        def anew(account: Account) -> Account:
            sealed = tuple(each.resealed(sealer, tenant) for each in account.secrets)
            return account.model_copy(update={"secrets": sealed})

        return len((await self.change(tenant, anew)).secrets)

    def keys(self, tenant: str, account: Account, now: datetime) -> list[str]:
        """Return the texts of the secrets that are valid.

        Raises:
            NoSecretKey, CannotUnseal

        """
        valid = [each for each in account.secrets if each.valid_at(now)]
        return [self._sealing().open(tenant, each.sealed) for each in valid]

    @property
    def signs(self) -> bool:
        """Whether anything can be signed."""
        return self._sealer is not None

    def _sealing(self) -> Sealer:
        if self._sealer is None:
            raise NoSecretKey
        return self._sealer
