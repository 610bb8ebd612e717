"""What the routes of hooks take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, Field, RootModel, StringConstraints

from api.schemas import Asked
from shared.hooks.hook import Hook
from shared.models import Attachment, Identifier, Metadata, Model
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.proving import QUERY
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import (
    SHARED,
    SIGNING,
    TOKEN,
    AgentMessage,
    CustomerMessage,
    Event,
    Handling,
    PlatformName,
    SecretName,
)

SecretText = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
HookId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class HookBody(Asked):
    """A connection to a platform."""

    platform: PlatformName
    name: Identifier | None = Field(None, description="what people call it; absent: the platform's name")
    settings: dict[str, Any] = Field(default_factory=dict, description="as its platform wants them; see the reference")
    secrets: dict[SecretName, SecretText] = Field(
        default_factory=dict, description="those of the platform's making; they can be given later"
    )


class HookPatch(Asked):
    """What to change of a hook; what is absent stays."""

    name: Identifier | None = None
    settings: dict[str, Any] | None = Field(None, description="these are changed, others stay; null: the default again")
    disabled: bool | None = Field(None, description="true: deliveries are refused, nothing is posted")


class HookSecretBody(Asked):
    """A new secret of a hook."""

    name: SecretName
    secret: SecretText | None = Field(None, description="its text; absent: it is made here, and told this once")
    overlap_hours: float = Field(24, ge=0, le=168, description="how long the one before is valid beside it")


class HookPath(BaseModel):
    """A hook in a path."""

    hook_id: HookId


class WebhookPath(BaseModel):
    """Where a platform posts to."""

    platform: Annotated[str, StringConstraints(max_length=40)]
    hook_id: HookId


class HookSecretView(Model):
    """A secret, without its text."""

    name: SecretName
    created_at: datetime
    valid_until: datetime | None = Field(None, description="absent: until another one is given")


class MissingSecret(Model):
    """A secret that it cannot work without, and what that is."""

    name: SecretName
    what: str

    @classmethod
    def of(cls, hook: Hook) -> list[MissingSecret]:
        """Return those of a hook: one that proves deliveries, and the token where replies are posted with it."""
        platform, settings = PLATFORMS[hook.platform], hook.typed_settings()
        proven_by, posts = platform.proven_by, True
        if isinstance(settings, GenericSettings):
            proven_by = (SHARED,) if settings.proof.kind == "shared" else (SIGNING,)
            written = settings.model_dump_json()
            posts = any(place in written for place in ("{token}", "{basic}"))
        found = [] if any(name in hook.secrets for name in proven_by) else [proven_by[0]]
        if posts and TOKEN not in hook.secrets:
            found.append(TOKEN)
        return [cls(name=name, what=platform.secrets[name].what) for name in found]


class HookView(Model):
    """A hook. `made`: secrets that were made just now, by name; they are told this once."""

    id: str
    platform: PlatformName
    name: str
    settings: dict[str, Any]
    secrets: list[HookSecretView] = Field(description="the current one of each name first")
    missing: list[MissingSecret] = Field(description="what it cannot work without, and was not given yet")
    url: str = Field(description="what the platform posts to; where a secret belongs into it, it is in it this once")
    created_at: datetime
    disabled: bool
    made: dict[SecretName, str] | None = None
    notice: str | None = Field(None, description="what a change took with it, and the mend")

    @classmethod
    def of(
        cls, hook: Hook, base: str, made: dict[SecretName, str] | None = None, notice: str | None = None
    ) -> HookView:
        """Return what callers see of a hook."""
        url = f"{base}/webhooks/{hook.platform}/{hook.id}"
        if made and SHARED in made and hook.asks_in_address:
            url += f"?{QUERY}={quote(made[SHARED], safe='')}"
        return cls(
            id=hook.id,
            platform=hook.platform,
            name=hook.name,
            settings=hook.typed_settings().model_dump(mode="json", by_alias=True, exclude_none=True),
            secrets=[
                HookSecretView(name=name, created_at=each.created_at, valid_until=each.valid_until)
                for name, kept in hook.secrets.items()
                for each in kept
            ],
            missing=MissingSecret.of(hook),
            url=url,
            created_at=hook.created_at,
            disabled=hook.disabled,
            made=made or None,
            notice=notice,
        )


class HookList(RootModel[list[HookView]]):
    """Hooks."""


class HookTestBody(Asked):
    """A delivery to try: nothing comes of it."""

    headers: dict[str, str] = Field(default_factory=dict, max_length=100, description="as the platform sent them")
    body: Annotated[str, StringConstraints(max_length=1_048_576)] = Field(description="exactly as it was sent")
    query: Annotated[str, StringConstraints(max_length=1000)] = Field(
        "", description="what followed `?` in the address"
    )
    at: AwareDatetime | None = Field(None, description="when it came, for one that is older; absent: now")


class TriedEvent(Model):
    """What one event of a delivery is to this service."""

    kind: Literal["customer message", "agent message", "handling", "ignored"]
    reason: str | None = Field(None, description="why it is ignored")
    message_id: str | None = None
    conversation: str | None = None
    customer_id: str | None = None
    text: str | None = None
    author: str | None = None
    to: Literal["agent", "human", "over"] | None = None
    attachments: list[Attachment] = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)

    @classmethod
    def of(cls, event: Event) -> TriedEvent:
        """Return how an event is told."""
        if isinstance(event, CustomerMessage | AgentMessage):
            mine = isinstance(event, CustomerMessage)
            return cls(
                kind="customer message" if mine else "agent message",
                message_id=event.message_id,
                conversation=event.conversation,
                customer_id=event.customer_id,
                text=event.text,
                author=event.author if isinstance(event, AgentMessage) else None,
                attachments=list(event.attachments),
                metadata=event.metadata if isinstance(event, CustomerMessage) else {},
            )
        if isinstance(event, Handling):
            return cls(kind="handling", conversation=event.conversation, customer_id=event.customer_id, to=event.to)
        return cls(kind="ignored", reason=event.reason)


class HookTestView(Model):
    """What would come of a delivery."""

    genuine: bool
    problem: str | None = Field(None, description="why it would be refused")
    challenge: dict[str, Any] | None = Field(None, description="what a first request would be answered")
    events: list[TriedEvent] = Field(default_factory=list)


class TakenView(Model):
    """How many events of a delivery were taken, and how many are nothing to this service."""

    taken: int
    ignored: int
