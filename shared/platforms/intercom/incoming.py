"""What Intercom posts: notifications about a conversation. The signature is of the body alone, which tells its time.

Source: https://developers.intercom.com/docs/webhooks/webhook-notifications
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from shared.errors import Malformed, NotGenuine
from shared.models import Attachment
from shared.platforms.html import looks_like_html, text_of
from shared.platforms.intercom.settings import IntercomSettings
from shared.platforms.proving import from_epoch, header, hex_mac, require_any, require_recent
from shared.platforms.reading import MOST_ATTACHMENTS, Id, Loose, OwnId, attachment, clean, read_as, read_json
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

CUSTOMERS: Final = frozenset({"user", "lead", "contact", "visitor"})
COMMENTS: Final = frozenset({"comment", "open", "close", "assignment"})
"""Parts that may carry words for the customer to see."""


class _Author(Loose):
    type: str
    id: Id
    name: str | None = None


class _File(Loose):
    name: str | None = None
    url: str | None = None
    content_type: str | None = None
    filesize: int | None = None


class _Said(Loose):
    id: Id
    body: str | None = None
    part_type: str | None = None
    author: _Author
    attachments: tuple[_File, ...] = ()


class _Parts(Loose):
    conversation_parts: tuple[_Said, ...] = ()


class _Contact(Loose):
    id: Id
    external_id: OwnId = None


class _Contacts(Loose):
    contacts: tuple[_Contact, ...] = ()


class _Conversation(Loose):
    id: Id
    admin_assignee_id: Id | None = None
    source: _Said | None = None
    contacts: _Contacts = _Contacts()
    conversation_parts: _Parts = _Parts()


class _Data(Loose):
    item: Any = None


class _Notification(Loose):
    topic: str
    app_id: Id
    created_at: float
    data: _Data = _Data()


class IntercomIncoming(AsksNothing):
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        given = header(posted, "x-hub-signature", "sha1=")
        secrets = hook.secrets.get(SIGNING, ())
        require_any(given, secrets, lambda secret: hex_mac(secret.encode(), posted.body, "sha1"))

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        notification, settings = read_as(_Notification, read_json(posted)), hook.settings_as(IntercomSettings)
        require_recent(from_epoch(notification.created_at), posted.now)
        if notification.app_id != settings.app_id:
            raise NotGenuine
        kind, topic = _TOPICS.get(notification.topic, ""), notification.topic
        if not kind:
            return [Ignored("a private note" if topic == "conversation.admin.noted" else "another kind of event")]
        item = read_as(_Conversation, notification.data.item)
        if not item.contacts.contacts:
            raise Malformed("The conversation names no contact.")
        if kind == "said":
            return _of_message(topic, item, settings)
        if kind == "over":
            return _handled(item, _customers(item, settings), "over")
        if item.admin_assignee_id in {None, "0"}:
            # As after a hand-off, which leaves it to a team, or to whoever sees it.
            return [Ignored("assigned to no teammate")]
        return _handled(item, _customers(item, settings), "human" if _taken(item, settings) else "agent")


_TOPICS: Final = {
    "conversation.user.created": "said",
    "conversation.user.replied": "said",
    "conversation.admin.replied": "said",
    "conversation.admin.assigned": "whose",
    "conversation.admin.closed": "over",
}


def _of_message(topic: str, item: _Conversation, settings: IntercomSettings) -> list[Event]:
    parts = item.conversation_parts.conversation_parts
    said = item.source if topic.endswith(".created") else parts[-1] if parts else None
    if said is None:
        raise Malformed("The conversation holds no message.")
    text, files = _text(said), tuple(_file(each) for each in said.attachments[:MOST_ATTACHMENTS])
    if said.author.type in CUSTOMERS and not topic.startswith("conversation.admin."):
        customer = _writer(said.author, item, settings)
        found = CustomerMessage(said.id, item.id, customer, text, files)
        return [Handling(item.id, customer, "human"), found] if _taken(item, settings) else [found]
    if said.author.type != "admin" or said.part_type not in COMMENTS:
        return [Ignored("no public message of a person")]
    if said.author.id == settings.admin_id:
        return [Ignored("our own reply")]
    first, *others = _customers(item, settings)
    recorded = AgentMessage(said.id, item.id, first, text, clean(said.author.name) or None, files)
    return [recorded, *_handled(item, others, "human")]


def _customers(item: _Conversation, settings: IntercomSettings) -> list[str]:
    """Return whose a conversation is: of a group, every contact in it."""
    return [_customer(each, settings) for each in item.contacts.contacts]


def _customer(contact: _Contact, settings: IntercomSettings) -> str:
    return clean(contact.external_id) or f"intercom:{settings.app_id}:{contact.id}"


def _writer(author: _Author, item: _Conversation, settings: IntercomSettings) -> str:
    """Return the customer who wrote: the contact of that id, else the id itself, and nobody else's memory."""
    contact = next((each for each in item.contacts.contacts if each.id == author.id), _Contact(id=author.id))
    return _customer(contact, settings)


def _handled(item: _Conversation, customers: list[str], to: Literal["agent", "human", "over"]) -> list[Event]:
    return [Handling(item.id, each, to) for each in customers]


def _taken(item: _Conversation, settings: IntercomSettings) -> bool:
    return item.admin_assignee_id not in {None, "0", settings.admin_id}


def _text(said: _Said) -> str:
    """Return a message's text: HTML before version 2.15 of the API, plain text since."""
    body = said.body or ""
    return clean(text_of(body) if looks_like_html(body) else body)


def _file(each: _File) -> Attachment:
    return attachment(each.name, each.url, each.content_type, each.filesize)
