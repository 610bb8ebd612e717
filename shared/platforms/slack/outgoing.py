"""Answering in Slack: messages in a thread. Slack tells nobody who "has" a thread, and has no private notes.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage, …/conversations.replies, …/apis/web-api/rate-limits
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from shared.platforms.outgoing import Plain, bearer, inside, items, judged, late_enough, same_id, says
from shared.platforms.slack.settings import SlackSettings
from shared.platforms.types import Call, Judged, OpenHook, Told, Words

EVENT: Final = "customer_memory_reply"
LOCKED: Final = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "missing_scope",
        "no_permission",
    }
)
GONE: Final = frozenset({"channel_not_found", "is_archived", "thread_not_found", "not_in_channel"})
LATER: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable"}
)


class SlackOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. A conversation is `channel/ts` of the thread's first message."""

    most = 12_000

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call:
        """See `Outgoing.reply`."""
        channel, _, thread = conversation.partition("/")
        return _post(hook, channel, thread, words)

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call | None:
        """See `Outgoing.note`: in a channel of the team, with where the thread is; customers are not in there."""
        team = hook.settings_as(SlackSettings).hand_off_channel
        if team is None:
            return None
        channel, _, thread = conversation.partition("/")
        where = f"https://slack.com/archives/{channel}/p{thread.replace('.', '')}"
        return _post(hook, team, "", Words(f"{words.text}\n\n{where}", words.mark, words.since))

    def look(self, hook: OpenHook, conversation: str) -> Call:
        """See `Outgoing.look`."""
        channel, _, thread = conversation.partition("/")
        asked = {"channel": channel, "ts": thread, "limit": "200", "include_all_metadata": "true"}
        url = f"{hook.settings_as(SlackSettings).base_url}/api/conversations.replies?{urlencode(asked)}"
        return Call("GET", url, bearer(hook), None)

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`: notes stand in another channel, and are not looked for."""
        app = hook.settings_as(SlackSettings).app_id
        if private:
            return False
        for each in items(answer, "messages"):
            if inside(each, "metadata", "event_payload", "mark") == words.mark:
                return True
            ours = same_id(each.get("app_id"), app) or same_id(inside(each, "bot_profile", "app_id"), app)
            at = each.get("ts")
            late = late_enough(float(at) if isinstance(at, str) and at.replace(".", "", 1).isdigit() else None, words)
            if ours and late and says(each.get("text"), Words(_escaped(words.text), words.mark, words.since)):
                return True
        return False

    def judge(self, told: Told) -> Judged:
        """See `Outgoing.judge`: Slack says 200 to all, and whether it did it in `ok`."""
        found = judged(told)
        if found.means != "taken" or inside(told.json, "ok") is True:
            return found
        error = inside(told.json, "error")
        word = error if isinstance(error, str) else None
        if word is None or word in LATER:
            return Judged("later", told.retry_after, word)
        return Judged("locked" if word in LOCKED else "gone" if word in GONE else "refused", None, word)


def _escaped(text: str) -> str:
    """Return a text in which nothing calls a channel or a person: Slack reads `<!channel>` as a command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _post(hook: OpenHook, channel: str, thread: str, words: Words) -> Call:
    body: dict[str, Any] = {
        "channel": channel,
        "text": _escaped(words.text),
        "metadata": {"event_type": EVENT, "event_payload": {"mark": words.mark}},
        "unfurl_links": False,
    }
    if thread:
        body["thread_ts"] = thread
    return Call("POST", f"{hook.settings_as(SlackSettings).base_url}/api/chat.postMessage", bearer(hook), body)
