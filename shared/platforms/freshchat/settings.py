"""What a hook of Freshchat is told."""

from __future__ import annotations

from pydantic import Field

from shared.models import Identifier
from shared.platforms.settings import HttpsBase
from shared.platforms.types import HookSettings


class FreshchatSettings(HookSettings):
    """One account, and as whom it is called."""

    base_url: HttpsBase = Field(description="the account's API, such as https://acme.freshchat.com")
    agent_id: Identifier = Field(description="the agent who replies for us: what they write is our own")
    app_id: Identifier | None = Field(
        None, description="the account's app: where it is given, deliveries of others are refused"
    )
    hand_off_to: Identifier | None = Field(None, description="id of the group that takes over; none: it is unassigned")
