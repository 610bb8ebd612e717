"""What a hook of Chatwoot is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.platforms.settings import HttpsBase
from shared.platforms.types import HookSettings


class ChatwootSettings(HookSettings):
    """One account of a Chatwoot, and how it is called."""

    base_url: HttpsBase = Field("https://app.chatwoot.com", description="where Chatwoot is")
    account_id: int = Field(ge=1, description="the account's number: deliveries of others are refused")
    inbox_ids: tuple[int, ...] = Field((), description="the inboxes that are answered; empty: all that post to us")
    answers: Literal["pending", "unassigned"] = Field(
        "pending",
        description="which conversations are the agent's: pending ones, as a bot has them, or any that nobody took",
    )
    user_id: int | None = Field(
        None, description="the user whose token replies are posted with, where it is not an agent bot's"
    )
    hand_off_to: int | None = Field(
        None, description="the user who is assigned what is handed over, where any that nobody took are the agent's"
    )
    token_header: Literal["api_access_token", "authorization"] = Field(
        "api_access_token", description="the header that carries the token; a proxy may drop the one with underscores"
    )
