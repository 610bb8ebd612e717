"""Every platform's outgoing side, and whether a hook of it can call a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from shared.platforms.chatwoot.outgoing import ChatwootOutgoing
from shared.platforms.freshchat.outgoing import FreshchatOutgoing
from shared.platforms.freshdesk.outgoing import FreshdeskOutgoing
from shared.platforms.generic.outgoing import GenericOutgoing
from shared.platforms.intercom.outgoing import IntercomOutgoing
from shared.platforms.slack.outgoing import SlackOutgoing
from shared.platforms.sunshine.outgoing import SunshineOutgoing
from shared.platforms.types import OpenHook, Outgoing, PlatformName, Words
from shared.platforms.zendesk.outgoing import ZendeskOutgoing

OUTGOING: Final[Mapping[PlatformName, Outgoing]] = {
    "chatwoot": ChatwootOutgoing(),
    "zendesk": ZendeskOutgoing(),
    "sunshine": SunshineOutgoing(),
    "intercom": IntercomOutgoing(),
    "freshchat": FreshchatOutgoing(),
    "freshdesk": FreshdeskOutgoing(),
    "slack": SlackOutgoing(),
    "generic": GenericOutgoing(),
}


def hosts(hook: OpenHook) -> frozenset[tuple[str, str]]:
    """Return the scheme and host of every address that a hook calls, and so sends its token to."""
    outgoing, nothing = OUTGOING[hook.platform], Words("", "", datetime.fromtimestamp(0, UTC))
    calls = (
        outgoing.reply(hook, "", nothing),
        outgoing.note(hook, "", nothing),
        outgoing.hand_off(hook, "", ""),
        outgoing.look(hook, ""),
        outgoing.handler(hook, ""),
    )
    found = [urlsplit(call.url) for call in calls if call is not None]
    return frozenset((each.scheme, each.netloc.lower()) for each in found)


def calls_people(hook: OpenHook) -> bool:
    """Return whether anybody hears of it when a conversation of a hook is handed over."""
    outgoing, nothing = OUTGOING[hook.platform], Words("", "", datetime.fromtimestamp(0, UTC))
    return outgoing.hand_off(hook, "", "") is not None or outgoing.note(hook, "", nothing) is not None
