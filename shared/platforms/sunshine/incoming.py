"""What Sunshine Conversations posts: lists of events, with a shared secret as X-API-Key.

Source: https://developer.zendesk.com/documentation/conversations/messaging-platform/programmable-conversations/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field

from shared.errors import NotGenuine
from shared.models import Attachment
from shared.platforms.proving import header, require_any
from shared.platforms.reading import Id, Loose, OwnId, attachment, clean, few, read_as, read_json
from shared.platforms.sunshine.settings import SunshineSettings
from shared.platforms.types import (
    SIGNING,
    AgentMessage,
    AsksNothing,
    CustomerMessage,
    Event,
    Handling,
    Ignored,
    OpenHook,
    Posted,
)

SWITCHED: Final = frozenset({"switchboard:passControl", "switchboard:acceptControl", "switchboard:releaseControl"})
API: Final = "api:conversations"


class _App(Loose):
    id: Id


class _Integration(Loose):
    id: Id | None = None
    name: str | None = None


class _Conversation(Loose):
    id: Id
    active: _Integration | None = Field(None, alias="activeSwitchboardIntegration")


class _User(Loose):
    id: Id
    external: OwnId = Field(None, alias="externalId")


class _Author(Loose):
    type: str
    user: _User | None = None
    display_name: str | None = Field(None, alias="displayName")
    subtypes: tuple[str, ...] = ()


class _Source(Loose):
    type: str | None = None


class _Content(Loose):
    type: str
    text: str | None = None
    alt: str | None = Field(None, alias="altText")
    media: str | None = Field(None, alias="mediaUrl")
    media_type: str | None = Field(None, alias="mediaType")
    size: int | None = Field(None, alias="mediaSize")


class _Message(Loose):
    id: Id
    author: _Author
    content: _Content
    source: _Source | None = None


class _Said(Loose):
    conversation: _Conversation
    message: _Message


class _Switched(Loose):
    conversation: _Conversation
    active: _Integration | None = Field(None, alias="activeSwitchboardIntegration")


class _Event(Loose):
    type: str
    payload: Any = None


class _Delivery(Loose):
    app: _App
    events: tuple[_Event, ...]


class SunshineIncoming(AsksNothing):
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        require_any(header(posted, "x-api-key"), hook.secrets.get(SIGNING, ()), str)

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        settings = hook.settings_as(SunshineSettings)
        delivery = read_as(_Delivery, read_json(posted))
        if delivery.app.id != settings.app_id:
            raise NotGenuine
        return [told for each in few(delivery.events) for told in _of_event(each, settings)]


def _of_event(event: _Event, settings: SunshineSettings) -> list[Event]:
    if event.type == "conversation:message":
        return _of_message(read_as(_Said, event.payload), settings)
    if event.type in SWITCHED and settings.integration is not None:
        switched = read_as(_Switched, event.payload)
        active = switched.active or switched.conversation.active
        if active is None:
            return [Ignored("nothing of whose it is")]
        conversation = f"{settings.app_id}/{switched.conversation.id}"
        return [Handling(conversation, None, "agent" if _ours(active, settings) else "human")]
    return [Ignored("another kind of event")]


def _of_message(said: _Said, settings: SunshineSettings) -> list[Event]:
    message, active = said.message, said.conversation.active
    conversation, text = f"{settings.app_id}/{said.conversation.id}", clean(message.content.text)
    files = _files(message.content)
    if message.author.type == "user" and message.author.user is not None:
        if message.content.type not in {"text", "image", "file", "formResponse", "location"}:
            return [Ignored("a kind of message without text")]
        user = message.author.user
        customer = clean(user.external) or f"sunshine:{settings.app_id}:{user.id}"
        found = CustomerMessage(message.id, conversation, customer, text, files)
        if settings.integration is not None and active is not None and not _ours(active, settings):
            return [Handling(conversation, customer, "human"), found]
        return [found]
    source = message.source.type if message.source else None
    if message.author.type != "business" or source in {None, API} or "AI" in message.author.subtypes:
        return [Ignored("our own reply, or another bot's")]
    return [AgentMessage(message.id, conversation, None, text, clean(message.author.display_name) or None, files)]


def _ours(active: _Integration, settings: SunshineSettings) -> bool:
    return settings.integration in {active.id, active.name}


def _files(content: _Content) -> tuple[Attachment, ...]:
    if content.type not in {"image", "file"}:
        return ()
    name = content.alt or (content.media or "").rpartition("/")[2].partition("?")[0] or content.type
    return (attachment(name, content.media, content.media_type, content.size),)
