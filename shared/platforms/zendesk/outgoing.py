"""Answering in Zendesk Support: comments on a ticket, public or internal, and a ticket that is given away.

Sources: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets, …/ticket_comments, …/tags
"""

from __future__ import annotations

from typing import Any

from shared.platforms.outgoing import Plain, basic, inside, items, late_enough, part, same_id, says, token_of
from shared.platforms.types import Call, OpenHook, Words
from shared.platforms.zendesk.settings import ZendeskSettings


class ZendeskOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is a ticket's number."""

    most = 64_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`."""
        return _comment(hook, conversation, words, public=True)

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.note`."""
        return _comment(hook, conversation, words, public=False)

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call:
        """See `Outgoing.hand_off`: to a group, else by a tag that triggers and views go by."""
        del brief
        settings = hook.settings_as(ZendeskSettings)
        if settings.hand_off_to is None:
            return _call(hook, "PUT", f"{part(conversation)}/tags.json", {"tags": [settings.hand_off_tag]})
        given = {"status": "open", "group_id": settings.hand_off_to, "assignee_id": None}
        return _call(hook, "PUT", f"{part(conversation)}.json", {"ticket": given})

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`."""
        return _call(hook, "GET", f"{part(conversation)}/comments.json?sort_order=desc&per_page=100", None)

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`: by the mark in the comment's metadata, else by what it says."""
        user = hook.settings_as(ZendeskSettings).user_id
        for each in items(answer, "comments"):
            if inside(each, "metadata", "custom", "customer_memory") == words.mark:
                return True
            by_us = user is None or same_id(each.get("author_id"), user)
            same = says(each.get("plain_body"), words) or says(each.get("body"), words)
            if by_us and same and each.get("public") is not private and late_enough(each.get("created_at"), words):
                return True
        return False

    def handler(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.handler`."""
        return _call(hook, "GET", f"{part(conversation)}.json", None)

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`: nobody has the ticket, or the agent we write as, and it was not handed over."""
        settings, ticket = hook.settings_as(ZendeskSettings), inside(answer, "ticket")
        tags, assignee = inside(ticket, "tags"), inside(ticket, "assignee_id")
        if (isinstance(tags, list) and settings.hand_off_tag in tags) or inside(ticket, "status") == "closed":
            return False
        return assignee is None or same_id(assignee, settings.user_id)


def _comment(hook: OpenHook, conversation: str, words: Words, *, public: bool) -> Call:
    comment: dict[str, Any] = {"body": words.text, "public": public}
    user = hook.settings_as(ZendeskSettings).user_id
    if user is not None and user.isdigit():
        comment["author_id"] = int(user)
    ticket = {"comment": comment, "metadata": {"custom": {"customer_memory": words.mark}}}
    return _call(hook, "PUT", f"{part(conversation)}.json", {"ticket": ticket})


def _call(hook: OpenHook, method: str, what: str, body: Any) -> Call:
    settings = hook.settings_as(ZendeskSettings)
    base = settings.base_url or f"https://{settings.subdomain}.zendesk.com"
    headers = basic(f"{settings.email or ''}/token", token_of(hook))
    return Call(method, f"{base}/api/v2/tickets/{what}", headers, body)
