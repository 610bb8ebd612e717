"""What a hook of Zendesk is told."""

from __future__ import annotations

from pydantic import Field

from shared.models import Identifier
from shared.platforms.settings import HttpsBase, Label
from shared.platforms.types import HookSettings


class ZendeskSettings(HookSettings):
    """One account of Zendesk, and as whom it is called."""

    subdomain: Label = Field(description="of https://subdomain.zendesk.com")
    account_id: Identifier | None = Field(
        None, description="the account's number: where it is given, events of others are refused"
    )
    email: Identifier | None = Field(None, description="of the agent whose API token replies are posted with")
    user_id: Identifier | None = Field(
        None, description="that agent's own id: what they write is our own reply, and ignored"
    )
    base_url: HttpsBase | None = Field(None, description="another address of its API, such as a proxy")
    hand_off_to: int | None = Field(None, description="id of the group that takes over; none: the tag says it")
    hand_off_tag: Identifier = Field(
        "handed-to-a-person", description="the tag of tickets that a person has: they get no more replies"
    )
