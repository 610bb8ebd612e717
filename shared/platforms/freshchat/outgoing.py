"""Answering in Freshchat: messages of an agent, and a conversation that is assigned.

Source: https://developers.freshchat.com/api
"""

from __future__ import annotations

from typing import Any

from shared.platforms.freshchat.settings import FreshchatSettings
from shared.platforms.outgoing import Plain, bearer, inside, items, late_enough, part, same_id, says
from shared.platforms.types import Call, OpenHook, Words


class FreshchatOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is its id."""

    most = 5_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`."""
        return _message(hook, conversation, words.text, "normal")

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.note`."""
        return _message(hook, conversation, words.text, "private")

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call:
        """See `Outgoing.hand_off`: to a group, else to nobody."""
        del brief
        group = hook.settings_as(FreshchatSettings).hand_off_to
        body = {"status": "assigned", "assigned_group_id": group} if group else {"status": "new"}
        return _call(hook, "PUT", part(conversation), body)

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`."""
        return _call(hook, "GET", f"{part(conversation)}/messages?page=1&items_per_page=50&sort_order=desc", None)

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        us = hook.settings_as(FreshchatSettings).agent_id
        return any(
            each.get("message_type") == ("private" if private else "normal")
            and same_id(each.get("actor_id"), us)
            and any(says(inside(text, "text", "content"), words) for text in items(each, "message_parts"))
            and late_enough(each.get("created_time"), words)
            for each in items(answer, "messages")
        )

    def handler(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.handler`."""
        return _call(hook, "GET", part(conversation), None)

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`: no agent has it but the one we write as, and not the group that takes over."""
        settings = hook.settings_as(FreshchatSettings)
        agent, group = inside(answer, "assigned_agent_id"), inside(answer, "assigned_group_id")
        if agent in (None, ""):
            return not same_id(group, settings.hand_off_to)
        return same_id(agent, settings.agent_id)


def _message(hook: OpenHook, conversation: str, text: str, kind: str) -> Call:
    body = {
        "message_parts": [{"text": {"content": text}}],
        "message_type": kind,
        "actor_type": "agent",
        "actor_id": hook.settings_as(FreshchatSettings).agent_id,
    }
    return _call(hook, "POST", f"{part(conversation)}/messages", body)


def _call(hook: OpenHook, method: str, what: str, body: Any) -> Call:
    base = hook.settings_as(FreshchatSettings).base_url
    return Call(method, f"{base}/v2/conversations/{what}", bearer(hook), body)
