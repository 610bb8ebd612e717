"""What Chatwoot posts. Its signature is of `timestamp.body`; what cannot sign yet brings a token in the address.

Source: https://github.com/chatwoot/chatwoot, lib/webhooks/trigger.rb, app/models/message.rb
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from shared.errors import NotGenuine
from shared.models import Attachment
from shared.platforms.chatwoot.settings import ChatwootSettings
from shared.platforms.proving import from_epoch, header, hex_mac, in_query, require_any, require_fresh
from shared.platforms.reading import MOST_ATTACHMENTS, Id, Loose, OwnId, attachment, clean, read_as, read_json
from shared.platforms.types import (
    SHARED,
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

CLOUD: Final = "https://app.chatwoot.com"
STATUS_EVENTS: Final = frozenset(
    {"conversation_status_changed", "conversation_opened", "conversation_resolved", "conversation_updated"}
)


class _Account(Loose):
    id: int


class _Contact(Loose):
    id: Id
    identifier: OwnId = None
    name: str | None = None


class _Person(Loose):
    id: Id | None = None
    type: str | None = None
    name: str | None = None


class _Assignee(Loose):
    id: Id | None = None


class _Meta(Loose):
    sender: _Contact
    assignee: _Assignee | None = None
    assignee_type: str | None = None
    hmac_verified: bool | None = None


class _Listed(Loose):
    account_id: int | None = None


class _Conversation(Loose):
    id: Id
    status: str
    inbox_id: int | None = None
    meta: _Meta
    messages: tuple[_Listed, ...] = ()
    account: _Account | None = None


class _File(Loose):
    id: Id | None = None
    file_type: str | None = None
    data_url: str | None = None
    file_size: int | None = None
    extension: str | None = None


class _Message(Loose):
    id: Id
    content: str | None = None
    message_type: str
    private: bool = False
    account: _Account
    sender: _Person | None = None
    attachments: tuple[_File, ...] = ()
    content_attributes: dict[str, Any] | None = None
    conversation: _Conversation


class _Kind(Loose):
    event: str


class ChatwootIncoming(AsksNothing):
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        if not hook.secrets.get(SIGNING):
            require_any(in_query(posted), hook.secrets.get(SHARED, ()), str)
            return
        stamp = header(posted, "x-chatwoot-timestamp")
        signed = stamp.encode() + b"." + posted.body
        given = header(posted, "x-chatwoot-signature", "sha256=")
        require_any(given, hook.secrets[SIGNING], lambda secret: hex_mac(secret.encode(), signed))
        require_fresh(from_epoch(stamp), posted.now)

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        body, settings = read_json(posted), hook.settings_as(ChatwootSettings)
        event = read_as(_Kind, body).event
        if event == "message_created":
            return _of_message(read_as(_Message, body), settings)
        if event in STATUS_EVENTS:
            return [_of_status(event, read_as(_Conversation, body), settings)]
        return [Ignored("another kind of event")]


def _of_message(message: _Message, settings: ChatwootSettings) -> list[Event]:
    found = message.conversation
    _check_account(message.account.id, settings)
    ignored = _ignored(message, settings)
    if ignored is not None:
        return [Ignored(ignored)]
    conversation = f"{settings.account_id}/{found.id}"
    customer = _customer(found.meta, settings)
    files = tuple(_file(each) for each in message.attachments[:MOST_ATTACHMENTS])
    if message.message_type == "incoming":
        said = CustomerMessage(message.id, conversation, customer, clean(message.content), files)
        if _whose(found, settings) == "human":
            return [Handling(conversation, customer, "human"), said]
        return [said]
    author = (clean(message.sender.name) if message.sender else "") or None
    return [AgentMessage(message.id, conversation, customer, clean(message.content), author, files)]


def _ignored(message: _Message, settings: ChatwootSettings) -> str | None:
    """Return why a message is nothing to us; None where it is."""
    if settings.inbox_ids and message.conversation.inbox_id not in settings.inbox_ids:
        return "another inbox"
    if message.private:
        return "a private note"
    if message.message_type == "incoming":
        return None
    if message.message_type != "outgoing":
        return "what Chatwoot wrote itself"
    sender = message.sender
    if sender is None or sender.type != "user" or (message.content_attributes or {}).get("automation_rule_id"):
        return "our own reply, or another bot's"
    return "our own reply" if settings.user_id is not None and sender.id == str(settings.user_id) else None


def _of_status(event: str, found: _Conversation, settings: ChatwootSettings) -> Event:
    account = found.account.id if found.account else next((each.account_id for each in found.messages), None)
    if account is not None:
        _check_account(account, settings)
    if settings.inbox_ids and found.inbox_id not in settings.inbox_ids:
        return Ignored("another inbox")
    conversation, customer = f"{settings.account_id}/{found.id}", _customer(found.meta, settings)
    if found.status == "resolved":
        return Handling(conversation, customer, "over")
    to = _whose(found, settings)
    if event == "conversation_updated" and to != "human":
        # Told at every change of a label, too: it says that somebody took it, and not that it came back.
        return Ignored("nothing of whose it is")
    return Handling(conversation, customer, to)


def _whose(found: _Conversation, settings: ChatwootSettings) -> Literal["agent", "human"]:
    """Return whose a conversation is, by its status and its assignee."""
    assigned = found.meta.assignee is not None and found.meta.assignee_type not in {"AgentBot", "Captain::Assistant"}
    if found.status == "resolved" or (not assigned and settings.answers == "unassigned"):
        return "agent"
    return "agent" if found.status == "pending" and not assigned else "human"


def _customer(meta: _Meta, settings: ChatwootSettings) -> str:
    """Return the customer's id: the site's own where it proved it, else the contact's within the account."""
    own = clean(meta.sender.identifier)
    if own and meta.hmac_verified:
        return own
    base = settings.base_url
    place = "" if base == CLOUD else f"{urlsplit(base).netloc}/"
    return f"chatwoot:{place}{settings.account_id}:{meta.sender.id}"


def _file(each: _File) -> Attachment:
    name = (each.data_url or "").rpartition("/")[2].partition("?")[0]
    return attachment(name or each.file_type, each.data_url, each.file_type, each.file_size)


def _check_account(account: int, settings: ChatwootSettings) -> None:
    if account != settings.account_id:
        raise NotGenuine
