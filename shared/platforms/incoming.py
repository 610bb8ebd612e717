"""Who reads what each platform posts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.platforms.chatwoot.incoming import ChatwootIncoming
from shared.platforms.freshchat.incoming import FreshchatIncoming
from shared.platforms.freshdesk.incoming import FreshdeskIncoming
from shared.platforms.generic.incoming import GenericIncoming
from shared.platforms.intercom.incoming import IntercomIncoming
from shared.platforms.slack.incoming import SlackIncoming
from shared.platforms.sunshine.incoming import SunshineIncoming
from shared.platforms.types import Incoming, PlatformName
from shared.platforms.zendesk.incoming import ZendeskIncoming

INCOMING: Final[Mapping[PlatformName, Incoming]] = {
    "chatwoot": ChatwootIncoming(),
    "zendesk": ZendeskIncoming(),
    "sunshine": SunshineIncoming(),
    "intercom": IntercomIncoming(),
    "freshchat": FreshchatIncoming(),
    "freshdesk": FreshdeskIncoming(),
    "slack": SlackIncoming(),
    "generic": GenericIncoming(),
}
