"""What is kept of a hook: which platform, whose, its settings, and its secrets, sealed."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Self

from pydantic import Field, model_validator

from shared.ids import new_ulid
from shared.models import Identifier, Model
from shared.platforms.answering import hosts
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import SHARED, SIGNING, TOKEN, HookSettings, OpenHook, PlatformName, SecretName
from shared.sealing import KeptSecret, Sealer, with_newest

_ID: Final = re.compile(r"hook_[0-9a-hjkmnp-tv-z]{26}")


def new_hook_id() -> str:
    """Return an id for a new hook."""
    return f"hook_{new_ulid()}"


def is_hook_id(text: str) -> bool:
    """Return whether this may be a hook's id."""
    return _ID.fullmatch(text) is not None


class Hook(Model):
    """A hook as kept. `secrets`: by name, the current one first, then those that are valid beside it for a while."""

    id: str
    tenant: str
    platform: PlatformName
    name: Identifier
    settings: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[SecretName, tuple[KeptSecret, ...]] = Field(default_factory=dict)
    created_at: datetime
    disabled: bool = False

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        self.typed_settings()
        return self

    def typed_settings(self) -> HookSettings:
        """Return its settings as those of its platform."""
        return PLATFORMS[self.platform].settings.model_validate(self.settings)

    def with_settings(self, settings: Mapping[str, Any]) -> Hook:
        """Return it with other settings, as they are written outside.

        Where they have it call another host than before, it has no token any more: whoever may change settings could
        have it sent to a server of theirs.

        Raises:
            ValidationError: they are not its platform's.

        """
        typed = PLATFORMS[self.platform].settings.model_validate(settings)
        found = typed.model_dump(mode="json", by_alias=True, exclude_unset=True)
        elsewhere = not self._hosts(typed) <= self._hosts(self.typed_settings())
        kept = {name: each for name, each in self.secrets.items() if not (elsewhere and name == TOKEN)}
        return self.model_copy(update={"settings": found, "secrets": kept})

    def _hosts(self, settings: HookSettings) -> frozenset[tuple[str, str]]:
        return hosts(OpenHook(self.id, self.tenant, self.platform, settings, {}))

    @property
    def is_standard(self) -> bool:
        """Whether its deliveries are signed by Standard Webhooks."""
        settings = self.typed_settings()
        return isinstance(settings, GenericSettings) and settings.proof.kind == "standard-webhooks"

    @property
    def asks_in_address(self) -> bool:
        """Whether the secret of our making belongs into the address that it is posted to."""
        settings = self.typed_settings()
        if isinstance(settings, GenericSettings):
            return settings.proof.kind == "shared" and settings.proof.place == "query"
        return self.platform == "chatwoot"

    def needed(self, given: Container[SecretName]) -> tuple[SecretName, ...]:
        """Return the secrets of our making that it cannot begin without, beside those that were given."""
        settings, proven_by = self.typed_settings(), PLATFORMS[self.platform].proven_by
        if isinstance(settings, GenericSettings):
            proven_by = (SHARED,) if settings.proof.kind == "shared" else (SIGNING,)
        return (SHARED,) if SHARED in proven_by and not any(name in given for name in proven_by) else ()

    def with_secret(self, name: SecretName, secret: KeptSecret, overlap: timedelta) -> Hook:
        """Return it with a new secret of a name; the one before is valid for so long still."""
        kept = with_newest(self.secrets.get(name, ()), secret, overlap)
        return self.model_copy(update={"secrets": {**self.secrets, name: kept}})

    def owner(self, name: SecretName) -> str:
        """Return whose a secret of it is, as it is sealed: it opens in no other hook, and under no other name."""
        return f"{self.tenant}/{self.id}/{name}"

    def opened(self, sealer: Sealer, now: datetime) -> OpenHook:
        """Return it with its secrets that are valid, unsealed.

        Raises:
            CannotUnseal

        """
        secrets: Mapping[str, list[str]] = {
            name: [sealer.open(self.owner(name), each.sealed) for each in kept if each.valid_at(now)]
            for name, kept in self.secrets.items()
        }
        return OpenHook(self.id, self.tenant, self.platform, self.typed_settings(), secrets)
