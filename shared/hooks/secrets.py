"""Which secrets a hook may hold, and which of them are made here."""

from __future__ import annotations

from typing import Final

from shared.hooks.hook import Hook
from shared.platforms.freshchat.incoming import check_key
from shared.platforms.generic.incoming import check_key as check_mac_key
from shared.platforms.generic.proof import HmacProof
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import SHARED, SIGNING, SecretName
from shared.text import find_control

LONGEST: Final = 8192


class BadSecret(ValueError):
    """A secret that a hook cannot hold; the text says why, and the mend."""


def may_make(hook: Hook, name: SecretName) -> bool:
    """Return whether a secret of a hook can be made here: what signs is the platform's, unless it is any platform."""
    return name == SHARED or (name == SIGNING and hook.platform == "generic")


def checked(hook: Hook, name: SecretName, text: str) -> str:
    """Return a secret as it is kept, without white space around it.

    Raises:
        BadSecret

    """
    known = PLATFORMS[hook.platform].secrets
    if name not in known:
        raise BadSecret(f"is no secret of {hook.platform}; it has {', '.join(known)}")
    found = text.strip()
    if not 1 <= len(found) <= LONGEST or find_control(found) is not None:
        raise BadSecret(f"must be 1 to {LONGEST:,} characters of text")
    if hook.is_standard and name == SIGNING and not found.startswith("whsec_"):
        raise BadSecret("must begin with whsec_, as Standard Webhooks writes symmetric secrets")
    if hook.platform == "freshchat" and name == SIGNING:
        try:
            check_key(found)
        except ValueError as error:
            raise BadSecret(str(error)) from error
    settings = hook.typed_settings()
    if name == SIGNING and isinstance(settings, GenericSettings) and isinstance(settings.proof, HmacProof):
        try:
            check_mac_key(found, settings.proof)
        except ValueError as error:
            raise BadSecret(str(error)) from error
    return found
