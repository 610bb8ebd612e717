"""What Freshchat posts, signed with RSA (PKCS #1 v1.5, SHA-256) over the body, which tells its time.

Source: https://support.freshchat.com/support/solutions/articles/239404
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import Field

from shared.errors import NotGenuine
from shared.models import Attachment
from shared.platforms.freshchat.settings import FreshchatSettings
from shared.platforms.proving import from_iso, header, require_recent
from shared.platforms.reading import MOST_ATTACHMENTS, Id, Loose, attachment, clean, read_as, read_json
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

WHOSE: Final = {
    "conversation_assignment": "assignment",
    "conversation_resolution": "resolve",
    "conversation_reopen": "reopen",
}


class _Text(Loose):
    content: str | None = None


class _File(Loose):
    url: str | None = None
    name: str | None = None
    content_type: str | None = Field(None, alias="contentType")
    size: int | None = Field(None, alias="file_size_in_bytes")


class _Part(Loose):
    text: _Text | None = None
    image: _File | None = None
    file: _File | None = None
    video: _File | None = None


class _Message(Loose):
    id: Id
    conversation_id: Id
    app_id: Id | None = None
    actor_type: str
    actor_id: Id
    user_id: Id | None = None
    message_type: str = "normal"
    of_bots: bool = Field(default=False, alias="botsPrivateNote")
    message_parts: tuple[_Part, ...] = ()


class _Said(Loose):
    message: _Message


class _Conversation(Loose):
    conversation_id: Id
    app_id: Id | None = None
    assigned_agent_id: Id | None = None
    status: str | None = None


class _Changed(Loose):
    conversation: _Conversation
    to_agent_id: str | None = None


class _Delivery(Loose):
    action: str
    action_time: str
    data: Any = None


class FreshchatIncoming(AsksNothing):
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        try:
            signature = base64.b64decode(header(posted, "x-freshchat-signature"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotGenuine from error
        found = [_signed(key, signature, posted.body) for key in hook.secrets.get(SIGNING, ())]
        if not any(found):
            raise NotGenuine

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        delivery, settings = read_as(_Delivery, read_json(posted)), hook.settings_as(FreshchatSettings)
        require_recent(from_iso(delivery.action_time), posted.now)
        if delivery.action == "message_create":
            return [_of_message(read_as(_Said, delivery.data).message, settings)]
        part = WHOSE.get(delivery.action)
        if part is None or not isinstance(delivery.data, dict):
            return [Ignored("another kind of event")]
        changed = read_as(_Changed, delivery.data.get(part))
        _check_app(changed.conversation.app_id, settings)
        conversation = changed.conversation.conversation_id
        if delivery.action == "conversation_resolution":
            return [Handling(conversation, None, "over")]
        agent = changed.to_agent_id or changed.conversation.assigned_agent_id
        if agent in {None, ""} and delivery.action == "conversation_assignment":
            return [Ignored("assigned to no agent")]  # as after a hand-off to a group
        return [Handling(conversation, None, "agent" if agent in {None, "", settings.agent_id} else "human")]


def check_key(text: str) -> None:
    """Return where a text is an RSA public key.

    Raises:
        ValueError: it is none, with the mend.

    """
    if _key(text) is None:
        raise ValueError("is no RSA public key; paste the whole of it, from -----BEGIN to END-----")


def _of_message(message: _Message, settings: FreshchatSettings) -> Event:
    _check_app(message.app_id, settings)
    if message.message_type != "normal" or message.of_bots:
        return Ignored("a private note")
    user = message.user_id or (message.actor_id if message.actor_type == "user" else None)
    customer = f"freshchat:{settings.app_id or message.app_id or ''}:{user}" if user else None
    text = clean("\n".join(part.text.content for part in message.message_parts if part.text and part.text.content))
    if message.actor_type == "user" and customer is not None:
        return CustomerMessage(message.id, message.conversation_id, customer, text, _files(message))
    if message.actor_type != "agent":
        return Ignored("what Freshchat wrote itself")
    if message.actor_id == settings.agent_id:
        return Ignored("our own reply")
    return AgentMessage(message.id, message.conversation_id, customer, text, message.actor_id, _files(message))


def _files(message: _Message) -> tuple[Attachment, ...]:
    kinds = ("image", "file", "video")
    found = [(kind, getattr(part, kind)) for part in message.message_parts for kind in kinds]
    named = [(each.name or kind, each) for kind, each in found if each is not None]
    return tuple(attachment(name, each.url, each.content_type, each.size) for name, each in named[:MOST_ATTACHMENTS])


def _check_app(app_id: str | None, settings: FreshchatSettings) -> None:
    if settings.app_id is not None and app_id is not None and app_id != settings.app_id:
        raise NotGenuine


def _signed(key_text: str, signature: bytes, body: bytes) -> bool:
    key = _key(key_text)
    if key is None:
        return False
    try:
        key.verify(signature, body, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=100)
def _key(text: str) -> RSAPublicKey | None:
    """Return a key from PEM, which is often on one line, and says RSA PUBLIC KEY of what is not that."""
    inner = "".join(line for line in text.replace("-----", "\n").split("\n") if " KEY" not in line)
    try:
        key = load_der_public_key(base64.b64decode("".join(inner.split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) else None
