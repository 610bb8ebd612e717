"""What a hook of Sunshine Conversations is told."""

from __future__ import annotations

from pydantic import Field

from shared.models import Identifier
from shared.platforms.settings import HttpsBase
from shared.platforms.types import HookSettings


class SunshineSettings(HookSettings):
    """One app, and how it is called."""

    base_url: HttpsBase = Field(description="https://subdomain.zendesk.com/sc, or https://api.smooch.io")
    app_id: Identifier = Field(description="the app: deliveries of others are refused")
    integration: Identifier | None = Field(
        None,
        description="id or name of our switchboard integration: while another has the conversation, it is a person's; "
        "none: there is no switchboard",
    )
    display_name: Identifier = Field("Assistant", description="what replies are signed with")
    hand_off_to: Identifier = Field("next", description="id or name of the switchboard integration that takes over")
    brief_field: int | None = Field(
        None, description="id of a ticket field that is given the brief for the person who takes over"
    )
