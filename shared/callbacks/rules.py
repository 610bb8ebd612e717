"""What the settings let callbacks reach."""

from __future__ import annotations

from shared.callbacks.urls import Rules, networks
from shared.settings import Settings


def rules_of(settings: Settings) -> Rules:
    """Return the deployment's rules."""
    return Rules(settings.callback_allow_http, networks(settings.callback_allowed_cidrs))
