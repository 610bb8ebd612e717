"""Hooks and deliveries as the adapters are given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.platforms.incoming import INCOMING
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import Event, OpenHook, PlatformName, Posted
from tests.support.deliveries import NOW, SAMPLES, Body, Sample, encoded

URL = "https://memory.example.com/webhooks"


def hook_of(
    platform: PlatformName,
    settings: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Sequence[str]] | None = None,
) -> OpenHook:
    """Return a hook of a platform, as its sample has it."""
    sample = SAMPLES[platform]
    chosen = sample.settings if settings is None else settings
    held = {sample.secret_name: [sample.secret]} if secrets is None else secrets
    return OpenHook("hook_1", "acme", platform, PLATFORMS[platform].settings.model_validate(chosen), held)


def posted(body: bytes, headers: Mapping[str, str], now: datetime = NOW, url: str = URL) -> Posted:
    """Return a delivery."""
    return Posted({name.lower(): value for name, value in headers.items()}, body, url, now)


def signed(sample: Sample, body: Body | None = None, at: datetime = NOW, now: datetime = NOW) -> Posted:
    """Return a delivery with the sample's proof."""
    raw = encoded(sample.message() if body is None else body)
    return posted(raw, sample.sign(sample.secret, raw, at), now)


def told(platform: PlatformName, body: Any, **settings: Any) -> list[Event]:
    """Return what a body says to a hook whose settings are the sample's, and these."""
    hook = hook_of(platform, {**SAMPLES[platform].settings, **settings})
    return list(INCOMING[platform].read(posted(encoded(body), {}), hook))


def one(platform: PlatformName, body: Any, **settings: Any) -> Event:
    """Return the one thing that a body says."""
    (event,) = told(platform, body, **settings)
    return event
