"""Answering in Sunshine Conversations: messages of the business, and control that is passed on.

Source: https://github.com/zendesk/sunshine-conversations-api-spec, version 17
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from shared.platforms.outgoing import Plain, basic, inside, items, judged, late_enough, part, says, token_of
from shared.platforms.sunshine.settings import SunshineSettings
from shared.platforms.types import Call, Judged, OpenHook, Told, Words

MARK: Final = "customerMemory"
MOST_METADATA: Final = 3_000  # characters, of 4 KB that control is passed with


class SunshineOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is `app/id`.

    There are no private notes; a ticket field can take the brief.
    """

    most = 4_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`."""
        name = hook.settings_as(SunshineSettings).display_name
        body = {
            "author": {"type": "business", "displayName": name, "subtypes": ["AI"]},
            "content": {"type": "text", "text": words.text},
            "metadata": {MARK: words.mark},
        }
        return _call(hook, "POST", conversation, "/messages", body)

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call:
        """See `Outgoing.hand_off`."""
        settings = hook.settings_as(SunshineSettings)
        body: dict[str, Any] = {"switchboardIntegration": settings.hand_off_to}
        if settings.brief_field is not None:
            body["metadata"] = {f"dataCapture.ticketField.{settings.brief_field}": brief[:MOST_METADATA]}
        return _call(hook, "POST", conversation, "/passControl", body)

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`."""
        return _call(hook, "GET", conversation, "/messages?page%5Bsize%5D=100", None)

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        del hook, private
        for each in items(answer, "messages"):
            mark = inside(each, "metadata", MARK)
            if mark is not None:
                if mark == words.mark:
                    return True
                continue
            of_business = inside(each, "author", "type") == "business"
            said = says(inside(each, "content", "text"), words)
            if of_business and said and late_enough(each.get("received"), words):
                return True
        return False

    def handler(self, hook: OpenHook, conversation: str) -> Call | None:
        """See `Outgoing.handler`."""
        has_switchboard = hook.settings_as(SunshineSettings).integration is not None
        return _call(hook, "GET", conversation, "", None) if has_switchboard else None

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`."""
        active = inside(answer, "conversation", "activeSwitchboardIntegration")
        ours = hook.settings_as(SunshineSettings).integration
        return active is None or ours in (inside(active, "id"), inside(active, "name"))

    def judge(self, told: Told) -> Judged:
        """See `Outgoing.judge`: a conversation that is full answers 423, for good."""
        return Judged("refused", None, "full") if told.status == HTTPStatus.LOCKED else judged(told)


def _call(hook: OpenHook, method: str, conversation: str, what: str, body: Any) -> Call:
    app, _, number = conversation.partition("/")
    key, _, secret = token_of(hook).partition(":")
    base = hook.settings_as(SunshineSettings).base_url
    url = f"{base}/v2/apps/{part(app)}/conversations/{part(number)}{what}"
    return Call(method, url, basic(key, secret), body)
