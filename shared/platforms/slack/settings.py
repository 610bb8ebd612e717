"""What a hook of Slack is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.models import Identifier
from shared.platforms.settings import HttpsBase
from shared.platforms.types import HookSettings


class SlackSettings(HookSettings):
    """One app in one workspace: where customers write, and who is not one."""

    base_url: HttpsBase = Field("https://slack.com", description="where Slack's API is")
    app_id: Identifier = Field(description="the app: deliveries of others are refused")
    team_id: Identifier = Field(description="the workspace, T…: deliveries of others are refused")
    channels: tuple[Identifier, ...] = Field((), description="the channels that are answered; empty: all the app is in")
    hand_off_channel: Identifier | None = Field(
        None, description="a channel of the support team, where they are told of threads they should take over"
    )
    agents: tuple[Identifier, ...] = Field((), description="members of the support team: what they write is a person's")
    customer: Literal["user", "channel"] = Field(
        "user", description="who is the customer: whoever began the thread, or all who write in the channel as one"
    )
