"""What a hook of Freshdesk is told."""

from __future__ import annotations

from pydantic import Field

from shared.models import Identifier
from shared.platforms.settings import HttpsBase, Label
from shared.platforms.types import HookSettings


class FreshdeskSettings(HookSettings):
    """One account."""

    domain: Label = Field(description="of https://domain.freshdesk.com")
    agent_id: Identifier | None = Field(
        None, description="id of the agent whose API key replies are posted with: what they write is our own"
    )
    hand_off_to: int | None = Field(None, description="id of the group that takes over; none: only the note is left")
    base_url: HttpsBase | None = Field(None, description="another address of its API, such as a proxy")
