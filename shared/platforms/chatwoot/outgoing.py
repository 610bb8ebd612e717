"""Answering in Chatwoot: a message, a private note, and a conversation that people see as open.

Sources: https://github.com/chatwoot/chatwoot, app/controllers/api/v1/accounts/conversations and
app/controllers/concerns/access_token_auth_helper.rb, which says what an agent bot's token may ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from shared.platforms.chatwoot.settings import ChatwootSettings
from shared.platforms.outgoing import Plain, inside, items, judged, late_enough, part, same_id, says, token_of
from shared.platforms.types import Call, Judged, OpenHook, Told, Words

OUTGOING: Final = 1  # as the REST API tells message types
TOO_MANY: Final = "too many messages"
BOTS: Final = ("AgentBot", "Captain::Assistant")
MINUTE: Final = 60.0  # Chatwoot counts messages of a conversation by the minute


class ChatwootOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is `account/number`."""

    most = 150_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`.

        No `source_id` is sent as a mark: Chatwoot takes a message that has one for delivered, and sends it nowhere.
        """
        return _post(hook, conversation, "messages", _message(words.text, private=False))

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.note`."""
        return _post(hook, conversation, "messages", _message(words.text, private=True))

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call:
        """See `Outgoing.hand_off`: open is for people, unless what is open and unassigned is answered too."""
        del brief
        settings = hook.settings_as(ChatwootSettings)
        if settings.answers == "unassigned" and settings.hand_off_to is not None:
            return _post(hook, conversation, "assignments", {"assignee_id": settings.hand_off_to})
        return _post(hook, conversation, "toggle_status", {"status": "open"})

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`: an agent bot may not list messages, but is told the last one of the conversation."""
        of_user = hook.settings_as(ChatwootSettings).user_id is not None
        return _get(hook, conversation, "/messages" if of_user else "")

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        del hook
        return any(
            each.get("message_type") in (OUTGOING, "outgoing")  # no set: an answer may hold a list here
            and bool(each.get("private")) == private
            and says(each.get("content"), words)
            and late_enough(each.get("created_at"), words)
            for each in _messages(answer)
        )

    def handler(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.handler`."""
        return _get(hook, conversation, "")

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`: pending is what Chatwoot calls a conversation that a bot has."""
        settings, status = hook.settings_as(ChatwootSettings), inside(answer, "status")
        assignee, of_bot = inside(answer, "meta", "assignee"), inside(answer, "meta", "assignee_type") in BOTS
        us = of_bot or same_id(inside(assignee, "id"), settings.user_id)
        if assignee is not None and not us:
            return False
        return status == "pending" or (status == "open" and settings.answers == "unassigned")

    def judge(self, told: Told) -> Judged:
        """See `Outgoing.judge`: too many messages in a minute are refused like a message that is wrong."""
        if told.status == HTTPStatus.UNPROCESSABLE_ENTITY and TOO_MANY in str(told.json).lower():
            return Judged("later", MINUTE, "too-many-messages")
        return judged(told)


def _message(text: str, *, private: bool) -> dict[str, Any]:
    return {"content": text, "message_type": "outgoing", "private": private, "content_type": "text"}


def _messages(answer: Any) -> Iterable[Mapping[str, Any]]:
    last = inside(answer, "last_non_activity_message")
    return [*items(answer, "payload"), *items(answer, "messages"), *([last] if isinstance(last, Mapping) else [])]


def _address(hook: OpenHook, conversation: str) -> str:
    account, _, number = conversation.partition("/")
    base = hook.settings_as(ChatwootSettings).base_url
    return f"{base}/api/v1/accounts/{part(account)}/conversations/{part(number)}"


def _headers(hook: OpenHook) -> dict[str, str]:
    if hook.settings_as(ChatwootSettings).token_header == "authorization":  # noqa: S105 - a name
        return {"authorization": f"Bearer {token_of(hook)}"}
    return {"api_access_token": token_of(hook)}


def _post(hook: OpenHook, conversation: str, what: str, body: dict[str, Any]) -> Call:
    return Call("POST", f"{_address(hook, conversation)}/{what}", _headers(hook), body)


def _get(hook: OpenHook, conversation: str, what: str) -> Call:
    return Call("GET", f"{_address(hook, conversation)}{what}", _headers(hook), None)
