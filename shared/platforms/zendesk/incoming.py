"""What Zendesk Support posts: events in their envelope, or a trigger's body made from our template.

Source: https://developer.zendesk.com/documentation/webhooks/verifying/ and …/api-reference/webhooks/event-types/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.errors import NotGenuine
from shared.platforms.proving import base64_mac, from_iso, header, require_any, require_fresh
from shared.platforms.reading import Id, Loose, clean, read_as, read_fields
from shared.platforms.templates import Template, of_template
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
from shared.platforms.zendesk.settings import ZendeskSettings

EVENT: Final = "zen:event-type:"
SYSTEM: Final = "-1"


class _Envelope(Loose):
    type: str
    account_id: Id


class _Detail(Loose):
    id: Id
    requester_id: Id


class _Author(Loose):
    id: Id
    is_staff: bool
    name: str | None = None


class _Comment(Loose):
    id: Id
    body: str | None = None
    is_public: bool
    author: _Author


class _Added(Loose):
    comment: _Comment


class _CommentAdded(Loose):
    detail: _Detail
    event: _Added


class _Changed(Loose):
    current: Id | None = None


class _TicketChanged(Loose):
    detail: _Detail
    event: _Changed


class _Ticket(Loose):
    id: Id


class _Actor(Loose):
    id: Id
    type: str
    name: str | None = None


class _ChatMessage(Loose):
    id: Id
    body: str | None = None


class _Chatted(Loose):
    actor: _Actor
    message: _ChatMessage


class _MessageAdded(Loose):
    detail: _Ticket
    event: _Chatted


class ZendeskIncoming(AsksNothing):
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        stamp = header(posted, "x-zendesk-webhook-signature-timestamp")
        given = header(posted, "x-zendesk-webhook-signature")
        signed = stamp.encode() + posted.body
        require_any(given, hook.secrets.get(SIGNING, ()), lambda secret: base64_mac(secret.encode(), signed))
        require_fresh(from_iso(stamp), posted.now)

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        body, settings = read_fields(posted), hook.settings_as(ZendeskSettings)
        if not isinstance(body, Mapping) or not str(body.get("type", "")).startswith(EVENT):
            template, delivery = read_as(Template, body), posted.headers.get("x-zendesk-webhook-invocation-id")
            return of_template(template, _account(settings), delivery, posted.now, settings.user_id)
        envelope = read_as(_Envelope, body)
        if settings.account_id is not None and envelope.account_id != settings.account_id:
            raise NotGenuine
        return [_of_event(envelope.type.removeprefix(EVENT), body, settings)]


def _of_event(name: str, body: Any, settings: ZendeskSettings) -> Event:
    if name == "ticket.comment_added":
        return _of_comment(read_as(_CommentAdded, body), settings)
    if name == "messaging_ticket.message_added":
        return _of_message(read_as(_MessageAdded, body), settings)
    if name == "ticket.status_changed":
        changed = read_as(_TicketChanged, body)
        if (changed.event.current or "").upper() not in {"SOLVED", "CLOSED"}:
            return Ignored("nothing of whose it is")
        return Handling(changed.detail.id, _customer(changed.detail.requester_id, settings), "over")
    if name == "ticket.agent_assignment_changed":
        return _of_assignment(read_as(_TicketChanged, body), settings)
    return Ignored("another kind of event")


def _of_assignment(changed: _TicketChanged, settings: ZendeskSettings) -> Event:
    if changed.event.current in {None, "", "0"}:
        return Ignored("assigned to no agent")  # as after a hand-off to a group
    taken = changed.event.current != settings.user_id
    customer = _customer(changed.detail.requester_id, settings)
    return Handling(changed.detail.id, customer, "human" if taken else "agent")


def _of_comment(added: _CommentAdded, settings: ZendeskSettings) -> Event:
    comment, ticket = added.event.comment, added.detail.id
    customer = _customer(added.detail.requester_id, settings)
    if not comment.is_public:
        return Ignored("a private note")
    if comment.author.id == SYSTEM:
        return Ignored("what Zendesk wrote itself")
    if not comment.author.is_staff:
        # Whoever is in copy may write, too: as the requester they could ask for what is remembered of that customer.
        return CustomerMessage(comment.id, ticket, _customer(comment.author.id, settings), clean(comment.body))
    if comment.author.id == settings.user_id:
        return Ignored("our own reply")
    return AgentMessage(comment.id, ticket, customer, clean(comment.body), clean(comment.author.name) or None)


def _of_message(added: _MessageAdded, settings: ZendeskSettings) -> Event:
    actor, message, ticket = added.event.actor, added.event.message, added.detail.id
    if actor.type == "end_user":
        return CustomerMessage(message.id, ticket, _customer(actor.id, settings), clean(message.body))
    if actor.type != "agent" or actor.id == settings.user_id:
        return Ignored("our own reply, or another bot's")
    return AgentMessage(message.id, ticket, None, clean(message.body), clean(actor.name) or None)


def _customer(user: str, settings: ZendeskSettings) -> str:
    return f"{_account(settings)}:{user}"


def _account(settings: ZendeskSettings) -> str:
    return f"zendesk:{settings.subdomain}"
