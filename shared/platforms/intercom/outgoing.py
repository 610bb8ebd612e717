"""Answering in Intercom: parts of a conversation, written as a teammate.

Source: https://github.com/intercom/Intercom-OpenAPI, version 2.14
"""

from __future__ import annotations

from typing import Any, Final

from shared.platforms.intercom.settings import IntercomSettings
from shared.platforms.outgoing import Plain, as_html, bearer, inside, items, late_enough, part, same_id, says
from shared.platforms.types import Call, OpenHook, Words

HOSTS: Final = {
    "us": "https://api.intercom.io",
    "eu": "https://api.eu.intercom.io",
    "au": "https://api.au.intercom.io",
}
NOBODY: Final = "0"


class IntercomOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is its id."""

    most = 20_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`."""
        return _reply(hook, conversation, words, "comment")

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.note`."""
        return _reply(hook, conversation, words, "note")

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call:
        """See `Outgoing.hand_off`: to a teammate or team, else to nobody, where everybody sees it."""
        del brief
        settings = hook.settings_as(IntercomSettings)
        body = {
            "message_type": "assignment",
            "type": settings.hand_off_kind,
            "admin_id": settings.admin_id,
            "assignee_id": settings.hand_off_to or NOBODY,
        }
        return _call(hook, "POST", f"{part(conversation)}/parts", body)

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`."""
        return _call(hook, "GET", f"{part(conversation)}?display_as=plaintext", None)

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        us = hook.settings_as(IntercomSettings).admin_id
        return any(
            each.get("part_type") == ("note" if private else "comment")
            and same_id(inside(each, "author", "id"), us)
            and says(each.get("body"), words)
            and late_enough(each.get("created_at"), words)
            for each in items(answer, "conversation_parts", "conversation_parts")
        )

    def handler(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.handler`."""
        return self.look(hook, conversation)

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`: no teammate has it but the one we write as, and not the team that takes over."""
        settings = hook.settings_as(IntercomSettings)
        admin, team = inside(answer, "admin_assignee_id"), inside(answer, "team_assignee_id")
        if settings.hand_off_kind == "team" and same_id(team, settings.hand_off_to):
            return False
        return admin in (None, 0, "", NOBODY) or same_id(admin, settings.admin_id)


def _reply(hook: OpenHook, conversation: str, words: Words, kind: str) -> Call:
    admin = hook.settings_as(IntercomSettings).admin_id
    body = {"message_type": kind, "type": "admin", "admin_id": admin, "body": as_html(words.text)}
    return _call(hook, "POST", f"{part(conversation)}/reply", body)


def _call(hook: OpenHook, method: str, what: str, body: Any) -> Call:
    settings = hook.settings_as(IntercomSettings)
    headers = {**bearer(hook), "intercom-version": settings.version}
    return Call(method, f"{settings.base_url or HOSTS[settings.region]}/conversations/{what}", headers, body)
