"""All tenants' hooks: found by id, as of a few seconds ago; changed by compare-and-set; their secrets sealed."""

from __future__ import annotations

import base64
import secrets as random_secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from shared.errors import NoSecretKey, StoreUnavailable, UnknownHook
from shared.hooks.hook import Hook, is_hook_id, new_hook_id
from shared.hooks.secrets import BadSecret, checked, may_make
from shared.models import Identifier
from shared.platforms.generic.proof import HmacProof
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.types import OpenHook, PlatformName, SecretName
from shared.sealing import KeptSecret, Sealer
from shared.storage.contract import Store
from shared.storage.hooks import KeptHook

TRIES: Final = 8
FRESH_SECONDS: Final = 3.0
MOST_CACHED: Final = 10_000
OVERLAP: Final = timedelta(hours=24)
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Found:
    """A hook with its secrets unsealed, and whether it takes part."""

    hook: OpenHook
    disabled: bool


class Hooks:
    """All tenants' hooks. `sealer` None: SECRET_KEY is not set, and no hook can be made or opened."""

    def __init__(self, store: Store, sealer: Sealer | None) -> None:
        self._store = store
        self._sealer = sealer
        self._known: dict[str, tuple[float, Found | None]] = {}

    async def find(self, hook_id: str) -> OpenHook | None:
        """Return a hook as it was at most some seconds ago; None where there is none, or it is disabled.

        Raises:
            NoSecretKey, CannotUnseal

        """
        until, found = self._known.get(hook_id, (0.0, None))
        if time.monotonic() >= until:
            found = await self._look(hook_id)
            if len(self._known) >= MOST_CACHED:
                self._known.clear()
            self._known[hook_id] = (time.monotonic() + FRESH_SECONDS, found)
        return found.hook if found is not None and not found.disabled else None

    async def now(self, tenant: str, hook_id: str) -> Found | None:
        """Return a tenant's hook as it is now, and whether it is disabled; None where there is none.

        Raises:
            NoSecretKey, CannotUnseal

        """
        found = await self._look(hook_id)
        return found if found is not None and found.hook.tenant == tenant else None

    async def of(self, tenant: str) -> list[Hook]:
        """Return a tenant's hooks, in the order they were made."""
        return [_read(kept) for kept in await self._store.tenant(tenant).hooks()]

    async def get(self, tenant: str, hook_id: str) -> Hook:
        """Return a tenant's hook as it is.

        Raises:
            UnknownHook

        """
        return _read(await self._kept(tenant, hook_id))

    async def add(
        self,
        tenant: str,
        platform: PlatformName,
        name: Identifier,
        settings: Mapping[str, Any],
        given: Mapping[SecretName, str],
    ) -> tuple[Hook, dict[SecretName, str]]:
        """Make a hook; return it with the secrets that were made for it, which are shown this once.

        Raises:
            NoSecretKey, BadSecret
            ValidationError: the settings are not the platform's.

        """
        sealer, now = self._sealing(), await self._store.now()
        hook = Hook(
            id=new_hook_id(), tenant=tenant, platform=platform, name=name, settings=dict(settings), created_at=now
        ).with_settings(settings)
        made: dict[SecretName, str] = {each: new_secret(hook, each) for each in hook.needed(given)}
        for each, text in {**given, **made}.items():
            sealed = sealer.seal(hook.owner(each), checked(hook, each, text))
            hook = hook.with_secret(each, KeptSecret(sealed=sealed, created_at=now), timedelta())
        if not await self._store.tenant(tenant).put_hook(hook.id, hook.model_dump_json(), 0):
            raise StoreUnavailable("a hook with this id is there already")
        self._known.pop(hook.id, None)
        return hook, made

    async def opened(self, tenant: str, hook_id: str) -> OpenHook:
        """Return a tenant's hook as it is, disabled or not, with its secrets unsealed.

        Raises:
            UnknownHook, NoSecretKey, CannotUnseal

        """
        return (await self.get(tenant, hook_id)).opened(self._sealing(), await self._store.now())

    async def change(self, tenant: str, hook_id: str, change: Callable[[Hook], Hook]) -> Hook:
        """Change a tenant's hook, whoever else does so at the same time; return it.

        Raises:
            UnknownHook, and what `change` raises

        """
        own = self._store.tenant(tenant)
        for _ in range(TRIES):
            kept = await self._kept(tenant, hook_id)
            hook = _read(kept)
            changed = change(hook)
            if changed == hook or await own.put_hook(hook_id, changed.model_dump_json(), kept.version):
                self._known.pop(hook_id, None)
                return changed
        raise StoreUnavailable("the hook changed each time it was looked at")

    async def rotate(
        self, tenant: str, hook_id: str, name: SecretName, text: str | None, overlap: timedelta = OVERLAP
    ) -> tuple[Hook, str | None]:
        """Give a hook a new secret of a name; the one before is valid for so long still.

        `text` None: it is made here. Return the hook, and the text where it was made, which is shown this once.

        Raises:
            UnknownHook, NoSecretKey
            BadSecret: it is none of the platform's, or is not made here.

        """
        sealer, now, made = self._sealing(), await self._store.now(), list[str]()

        def anew(hook: Hook) -> Hook:
            if text is None and not may_make(hook, name):
                raise BadSecret("is made by the platform; give its text")
            if text is None and not made:
                made.append(new_secret(hook, name))
            sealed = sealer.seal(hook.owner(name), checked(hook, name, text or made[0]))
            return hook.with_secret(name, KeptSecret(sealed=sealed, created_at=now), overlap)

        return await self.change(tenant, hook_id, anew), made[0] if made else None

    async def remove(self, tenant: str, hook_id: str) -> None:
        """Remove a tenant's hook.

        Raises:
            UnknownHook

        """
        await self._kept(tenant, hook_id)
        await self._store.tenant(tenant).delete_hook(hook_id)
        self._known.pop(hook_id, None)

    async def reseal(self, kept: KeptHook) -> int:
        """Seal a hook's secrets with the first key of SECRET_KEY; return how many there are.

        Raises:
            NoSecretKey, CannotUnseal

        """
        sealer = self._sealing()

        def anew(hook: Hook) -> Hook:
            sealed = {
                name: tuple(each.resealed(sealer, hook.owner(name)) for each in secrets)
                for name, secrets in hook.secrets.items()
            }
            return hook.model_copy(update={"secrets": sealed})

        changed = await self.change(kept.tenant, kept.id, anew)
        return sum(len(secrets) for secrets in changed.secrets.values())

    async def _look(self, hook_id: str) -> Found | None:
        kept = await self._store.find_hook(hook_id) if is_hook_id(hook_id) else None
        if kept is None:
            return None
        hook = _read(kept)
        return Found(hook.opened(self._sealing(), await self._store.now()), hook.disabled)

    async def _kept(self, tenant: str, hook_id: str) -> KeptHook:
        kept = await self._store.find_hook(hook_id) if is_hook_id(hook_id) else None
        if kept is None or kept.tenant != tenant:
            raise UnknownHook
        return kept

    def _sealing(self) -> Sealer:
        if self._sealer is None:
            raise NoSecretKey
        return self._sealer


def new_secret(hook: Hook, name: SecretName) -> str:
    """Return a new secret that a platform can be given: 256 random bits, as its kind is written."""
    if hook.is_standard and name == "signing":
        return "whsec_" + base64.b64encode(random_secrets.token_bytes(SECRET_BYTES)).decode()
    settings = hook.typed_settings()
    if name == "signing" and isinstance(settings, GenericSettings) and isinstance(settings.proof, HmacProof):
        random = random_secrets.token_bytes(SECRET_BYTES)
        if settings.proof.key_encoding == "base64":
            return base64.b64encode(random).decode()
        if settings.proof.key_encoding == "hex":
            return random.hex()
    return random_secrets.token_urlsafe(SECRET_BYTES)


def _read(kept: KeptHook) -> Hook:
    return Hook.model_validate_json(kept.value)
