"""What platforms post: a customer's message each, and what else comes with it, made anew for each call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.platforms.types import PlatformName
from tests.support import signers
from tests.support.signers import Signer

NOW = datetime(2026, 7, 20, 11, 15, 29, tzinfo=UTC)
Body = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """A platform as tests meet it: settings of a hook, its secret, how it signs, and a customer's message."""

    platform: PlatformName
    settings: Body
    secret_name: str
    secret: str
    other_secret: str
    sign: Signer
    message: Callable[..., Body]
    has_time: bool = True
    """Whether the proof tells its time apart from the body."""


def chatwoot(text: str = "Where is my parcel?", number: int = 74, at: datetime = NOW, **more: Any) -> Body:
    """A message in a conversation; `more` replaces fields of the message, or of its conversation by `conversation`."""
    del at
    contact = {"id": 89, "name": "Jane", "email": "jane@example.com", "identifier": "cust_42"}
    conversation = {
        "id": 15,
        "inbox_id": 8,
        "status": "pending",
        "channel": "Channel::WebWidget",
        "contact_inbox": {"id": 240, "contact_id": 89, "inbox_id": 8, "hmac_verified": False},
        "messages": [{"id": number, "content": text, "message_type": 0, "account_id": 2}],
        "meta": {"sender": contact, "assignee": None, "assignee_type": None, "hmac_verified": False},
        **more.pop("conversation", {}),
    }
    return {
        "event": "message_created",
        "id": number,
        "content": text,
        "content_type": "text",
        "content_attributes": {},
        "message_type": "incoming",
        "private": False,
        "created_at": "2026-07-20T11:15:29.497Z",
        "account": {"id": 2, "name": "Acme"},
        "inbox": {"id": 8, "name": "Website"},
        "sender": contact,
        "conversation": conversation,
        **more,
    }


def zendesk(text: str = "Where is my parcel?", number: int = 98, at: datetime = NOW, **more: Any) -> Body:
    """A comment on a ticket; `more` replaces fields of the comment."""
    author = {"id": "8447388090494", "is_staff": False, "name": "Jane"}
    comment = {"id": str(number), "body": text, "is_public": True, "author": author, **more}
    return {
        "type": "zen:event-type:ticket.comment_added",
        "id": "d4f5c389-8f4a-4c2e-a1b9-8e4f39c71d52",
        "account_id": 22129848,
        "time": at.isoformat(),
        "zendesk_event_version": "2022-11-06",
        "subject": "zen:ticket:5158",
        "detail": {"id": "5158", "requester_id": "8447388090494", "status": "OPEN", "external_id": None},
        "event": {"comment": comment, "meta": {"sequence": {"id": "a", "position": 1}}},
    }


def sunshine(text: str = "Where is my parcel?", number: int = 1, at: datetime = NOW, **more: Any) -> Body:
    """A message of a conversation; `more` replaces fields of the message."""
    author = {"type": "user", "userId": "u1", "user": {"id": "u1", "externalId": "cust_42"}}
    message = {
        "id": f"5e55622dac66fb73a3c0{number:04d}",
        "content": {"type": "text", "text": text},
        "author": author,
        "source": {"type": "web"},
        **more,
    }
    active = {"id": "sb-1", "name": "memory", "integrationType": "custom"}
    conversation = {"id": "13f32c6cf7d0d38e6e0eba93", "type": "personal", "activeSwitchboardIntegration": active}
    event = {
        "id": f"0ca7d56ba7b2e081e479{number:04d}",
        "type": "conversation:message",
        "createdAt": at.isoformat(),
        "payload": {"conversation": conversation, "message": message},
    }
    return {"app": {"id": "5698edbf2a43bd081be982f1"}, "webhook": {"id": "w", "version": "v2"}, "events": [event]}


def intercom(text: str = "Where is my parcel?", number: int = 4412, at: datetime = NOW, **more: Any) -> Body:
    """A part of a conversation; `more` replaces fields of the part, or the topic by `topic`."""
    author = {"type": "user", "id": "6762f1571bb69f9f2193bbbb", "name": "Jane", "email": "jane@example.com"}
    topic = more.pop("topic", "conversation.user.replied")
    assignee = more.pop("admin_assignee_id", None)
    part = {
        "type": "conversation_part",
        "id": str(number),
        "part_type": "comment",
        "body": f"<p>{text}</p>",
        "author": author,
        "attachments": [],
        **more,
    }
    contact = {"type": "contact", "id": "6762f1571bb69f9f2193bbbb", "external_id": "cust_42"}
    item = {
        "type": "conversation",
        "id": "524",
        "state": "open",
        "admin_assignee_id": assignee,
        "source": {"type": "conversation", "id": "403918349", "body": f"<p>{text}</p>", "author": author},
        "contacts": {"type": "contact.list", "contacts": [contact]},
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": [part]},
    }
    return {
        "type": "notification_event",
        "topic": topic,
        "id": "notif_1",
        "app_id": "abc123",
        "created_at": int(at.timestamp()),
        "data": {"type": "notification_event_data", "item": item},
    }


def freshchat(text: str = "Where is my parcel?", number: int = 1, at: datetime = NOW, **more: Any) -> Body:
    """A message of a conversation; `more` replaces fields of the message."""
    message = {
        "message_parts": [{"text": {"content": text}}],
        "app_id": "app-1",
        "actor_id": "u-1",
        "id": f"m-{number}",
        "conversation_id": "c-1",
        "message_type": "normal",
        "actor_type": "user",
        "user_id": "u-1",
        **more,
    }
    return {
        "actor": {"actor_type": "user", "actor_id": "u-1"},
        "action": "message_create",
        "action_time": at.isoformat(),
        "data": {"message": message},
    }


def freshdesk(text: str = "Where is my parcel?", number: int = 1, at: datetime = NOW, **more: Any) -> Body:
    """Our template, as a rule fills it; `more` replaces fields."""
    del at
    told = {"event": "customer", "ticket_id": "12", "comment": text, "requester_id": "77", "at": f"t{number}"}
    return {**told, "requester_external_id": "cust_42", **more}


def slack(text: str = "Where is my parcel?", number: int = 1, at: datetime = NOW, **more: Any) -> Body:
    """A message in a channel; `more` replaces fields of the event."""
    del at
    event = {
        "type": "message",
        "channel": "C1",
        "user": "U1",
        "text": text,
        "ts": f"1784546129.{number:06d}",
        **more,
    }
    bot = {"team_id": "T1", "user_id": "UBOT", "is_bot": True}
    return {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event_id": f"Ev{number}",
        "event": event,
        "authorizations": [bot],
    }


GENERIC: Body = {
    "name": "desk",
    "account": "acme",
    "proof": {
        "kind": "hmac",
        "header": "X-Desk-Signature",
        "timestampHeader": "X-Desk-Time",
        "base": "{timestamp}.{body}",
    },
    "customer": {
        "when": "kind == 'said' && by.role == 'customer'",
        "id": "id",
        "conversation": "thread",
        "customer": "by.id",
        "text": "text",
        "attachments": "files",
    },
    "human": {
        "when": "kind == 'said' && by.role == 'agent' && !internal",
        "id": "id",
        "conversation": "thread",
        "text": "text",
        "author": "by.name",
    },
    "handling": {
        "conversation": "thread",
        "human": "kind == 'taken'",
        "agent": "kind == 'freed'",
        "over": "kind == 'closed'",
    },
}


def generic(text: str = "Where is my parcel?", number: int = 1, at: datetime = NOW, **more: Any) -> Body:
    """A message on a desk of nobody's; `more` replaces fields."""
    del at
    by = {"role": "customer", "id": "c-9", "name": "Jane"}
    return {"kind": "said", "id": number, "thread": "th-1", "text": text, "by": by, "internal": False, **more}


def sign_generic(secret: str, body: bytes, at: datetime) -> signers.Headers:
    """Hexadecimal, of `timestamp.body`."""
    stamp = str(int(at.timestamp()))
    return {"X-Desk-Time": stamp, "X-Desk-Signature": signers.mac(secret, stamp.encode() + b"." + body).hex()}


def _samples() -> tuple[Sample, ...]:
    one, other = "s3cret-of-the-platform", "s3cret-of-another"
    rsa = (signers.RSA_PUBLIC, signers.OTHER_RSA_PUBLIC)
    app = "5698edbf2a43bd081be982f1"
    sunny = {"baseUrl": "https://acme.zendesk.com/sc", "appId": app, "integration": "memory"}
    fresh = {"baseUrl": "https://acme.freshchat.com", "agentId": "a-1", "appId": "app-1"}
    slack_app = {"appId": "A1", "teamId": "T1", "agents": ["UAGENT"]}
    return (
        Sample("chatwoot", {"accountId": 2}, "signing", one, other, signers.chatwoot, chatwoot),
        Sample("zendesk", {"subdomain": "acme", "userId": "900"}, "signing", one, other, signers.zendesk, zendesk),
        Sample("sunshine", sunny, "signing", one, other, signers.sunshine, sunshine, has_time=False),
        Sample(
            "intercom",
            {"appId": "abc123", "adminId": "31"},
            "signing",
            one,
            other,
            signers.intercom,
            intercom,
            has_time=False,
        ),
        Sample("freshchat", fresh, "signing", *rsa, signers.freshchat, freshchat, has_time=False),
        Sample("freshdesk", {"domain": "acme"}, "shared", one, other, signers.freshdesk, freshdesk, has_time=False),
        Sample("slack", slack_app, "signing", one, other, signers.slack, slack),
        Sample("generic", GENERIC, "signing", one, other, sign_generic, generic),
    )


SAMPLES = {sample.platform: sample for sample in _samples()}


def encoded(body: Body) -> bytes:
    """Return a body as it is posted."""
    return json.dumps(body, ensure_ascii=False).encode()
