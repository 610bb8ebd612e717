"""Answering in Freshdesk: a reply to a ticket, a private note, and a ticket that goes to a group.

Source: https://developers.freshdesk.com/api
"""

from __future__ import annotations

from typing import Any, Final

from shared.platforms.freshdesk.settings import FreshdeskSettings
from shared.platforms.outgoing import Plain, as_html, basic, inside, items, late_enough, part, same_id, says, token_of
from shared.platforms.types import Call, OpenHook, Words

OPEN: Final = 2  # of Freshdesk's statuses


class FreshdeskOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is a ticket's number."""

    most = 30_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`."""
        return _call(hook, "POST", f"{part(conversation)}/reply", {"body": as_html(words.text)})

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.note`."""
        return _call(hook, "POST", f"{part(conversation)}/notes", {"body": as_html(words.text), "private": True})

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call | None:
        """See `Outgoing.hand_off`."""
        del brief
        group = hook.settings_as(FreshdeskSettings).hand_off_to
        if group is None:
            return None
        return _call(hook, "PUT", part(conversation), {"group_id": group, "responder_id": None, "status": OPEN})

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`."""
        return _call(hook, "GET", f"{part(conversation)}/conversations?per_page=100", None)

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        us = hook.settings_as(FreshdeskSettings).agent_id
        return any(
            each.get("incoming") is not True
            and bool(each.get("private")) == private
            and (us is None or same_id(each.get("user_id"), us))
            and (says(each.get("body_text"), words) or says(each.get("body"), words))
            and late_enough(each.get("created_at"), words)
            for each in items({"all": answer}, "all")
        )

    def handler(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.handler`."""
        return _call(hook, "GET", part(conversation), None)

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`: no agent has it but the one we write as, and not the group that takes over."""
        settings = hook.settings_as(FreshdeskSettings)
        agent = inside(answer, "responder_id")
        if agent is None:
            return not same_id(inside(answer, "group_id"), settings.hand_off_to)
        return same_id(agent, settings.agent_id)


def _call(hook: OpenHook, method: str, what: str, body: Any) -> Call:
    settings = hook.settings_as(FreshdeskSettings)
    base = settings.base_url or f"https://{settings.domain}.freshdesk.com"
    return Call(method, f"{base}/api/v2/tickets/{what}", basic(token_of(hook), "X"), body)
