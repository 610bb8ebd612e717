"""Every platform's outgoing side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.platforms.chatwoot.outgoing import ChatwootOutgoing
from shared.platforms.freshchat.outgoing import FreshchatOutgoing
from shared.platforms.freshdesk.outgoing import FreshdeskOutgoing
from shared.platforms.generic.outgoing import GenericOutgoing
from shared.platforms.intercom.outgoing import IntercomOutgoing
from shared.platforms.slack.outgoing import SlackOutgoing
from shared.platforms.sunshine.outgoing import SunshineOutgoing
from shared.platforms.types import Outgoing, PlatformName
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
