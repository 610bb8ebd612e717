"""What a hook of Intercom is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.models import Identifier
from shared.platforms.settings import HttpsBase
from shared.platforms.types import HookSettings


class IntercomSettings(HookSettings):
    """One workspace, and as whom it is called."""

    app_id: Identifier = Field(description="the workspace: deliveries of others are refused")
    region: Literal["us", "eu", "au"] = Field("us", description="where the workspace is hosted")
    admin_id: Identifier = Field(description="the teammate who replies for us: what they write is our own")
    version: str = Field("2.14", pattern=r"[0-9]{1,2}\.[0-9]{1,2}", description="Intercom-Version of our calls")
    hand_off_to: Identifier | None = Field(
        None, description="id of the teammate or team who takes over; none: it is left unassigned"
    )
    hand_off_kind: Literal["admin", "team"] = Field("team", description="what `handOffTo` is the id of")
    base_url: HttpsBase | None = Field(None, description="another address of its API, such as a proxy")
