"""What Slack posts through its Events API: `v0:timestamp:body` is signed, and a first request asks for a challenge.

Source: https://api.slack.com/authentication/verifying-requests-from-slack and https://api.slack.com/events/message
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from shared.errors import NotGenuine
from shared.models import Attachment
from shared.platforms.proving import from_epoch, header, hex_mac, require_any, require_fresh
from shared.platforms.reading import MOST_ATTACHMENTS, Id, Loose, attachment, clean, read_as, read_json
from shared.platforms.slack.settings import SlackSettings
from shared.platforms.types import SIGNING, AgentMessage, CustomerMessage, Event, Ignored, OpenHook, Posted

SAID: Final = frozenset({None, "file_share", "thread_broadcast"})
"""Subtypes of messages that somebody wrote, and wrote just now."""
ESCAPES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


class _Kind(Loose):
    type: str


class _Challenge(Loose):
    challenge: str


class _File(Loose):
    name: str | None = None
    mimetype: str | None = None
    size: int | None = None
    permalink: str | None = None


class _Root(Loose):
    user: Id | None = None


class _Message(Loose):
    type: str
    subtype: str | None = None
    channel: Id | None = None
    user: Id | None = None
    bot_id: Id | None = None
    text: str | None = None
    ts: Id | None = None
    thread_ts: Id | None = None
    parent_user_id: Id | None = None
    root: _Root = _Root()
    files: tuple[_File, ...] = ()


class _Bot(Loose):
    user_id: Id | None = None


class _Delivery(Loose):
    type: str
    team_id: Id
    api_app_id: Id
    event: Any = None
    authorizations: tuple[_Bot, ...] = ()


class SlackIncoming:
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        stamp = header(posted, "x-slack-request-timestamp")
        signed = b"v0:" + stamp.encode() + b":" + posted.body
        given = header(posted, "x-slack-signature", "v0=")
        require_any(given, hook.secrets.get(SIGNING, ()), lambda secret: hex_mac(secret.encode(), signed))
        require_fresh(from_epoch(stamp), posted.now)

    def challenge(self, posted: Posted, hook: OpenHook) -> dict[str, Any] | None:
        """See `Incoming.challenge`."""
        del hook
        body = read_json(posted)
        if read_as(_Kind, body).type != "url_verification":
            return None
        return {"challenge": read_as(_Challenge, body).challenge}

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        body, settings = read_json(posted), hook.settings_as(SlackSettings)
        if read_as(_Kind, body).type != "event_callback":
            return [Ignored("another kind of event")]
        delivery = read_as(_Delivery, body)
        if delivery.team_id != settings.team_id or delivery.api_app_id != settings.app_id:
            raise NotGenuine
        if read_as(_Kind, delivery.event).type != "message":
            return [Ignored("another kind of event")]
        bots = frozenset(each.user_id for each in delivery.authorizations if each.user_id)
        return [_of_message(read_as(_Message, delivery.event), bots, settings)]


def _of_message(message: _Message, bots: frozenset[str], settings: SlackSettings) -> Event:
    ignored = _ignored(message, bots, settings)
    if ignored is not None:
        return Ignored(ignored)
    user, thread = str(message.user), message.thread_ts or message.ts
    conversation, message_id = f"{message.channel}/{thread}", f"{message.channel}/{message.ts}"
    staff = bots | frozenset(settings.agents)
    in_thread = message.thread_ts not in {None, message.ts}
    began = (message.parent_user_id or message.root.user) if in_thread else user
    text, files = _text(message.text), tuple(_file(each) for each in message.files[:MOST_ATTACHMENTS])
    # In a thread that the team began, it is whoever else writes.
    member = next((each for each in (began, user) if each not in staff), None)
    owner = message.channel if settings.customer == "channel" else member
    whose = f"slack:{settings.team_id}:{owner}" if owner else None
    if user in settings.agents:
        return AgentMessage(message_id, conversation, whose, text, user, files)
    if whose is None:
        return Ignored("a thread of which Slack does not say who began it")
    if settings.customer == "user" and user != member:
        # Taken as the customer's, it could ask for what is remembered of them.
        return Ignored("another member's message")
    return CustomerMessage(message_id, conversation, whose, text, files)


def _ignored(message: _Message, bots: frozenset[str], settings: SlackSettings) -> str | None:
    """Return why a message is nothing to us; None where it is."""
    if message.subtype not in SAID:
        return "a bot's message, an edit, or what Slack wrote itself"
    if message.channel is None or message.ts is None or message.user is None:
        return "nobody's message"
    if message.bot_id is not None or message.user in bots:
        return "our own reply, or another bot's"
    if settings.channels and message.channel not in settings.channels:
        return "another channel"
    if message.user in settings.agents and message.thread_ts in {None, message.ts}:
        return "an announcement of the support team"
    return None


def _text(text: str | None) -> str:
    found = text or ""
    for escape, character in ESCAPES:
        found = found.replace(escape, character)
    return clean(found)


def _file(each: _File) -> Attachment:
    return attachment(each.name, each.permalink, each.mimetype, each.size)
