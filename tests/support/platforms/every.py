"""Every platform, as it stands opposite."""

from __future__ import annotations

from tests.support.platforms.anydesk import AnyDesk
from tests.support.platforms.chatwoot import Chatwoot
from tests.support.platforms.freshchat import Freshchat
from tests.support.platforms.freshdesk import Freshdesk
from tests.support.platforms.intercom import Intercom
from tests.support.platforms.slack import Slack
from tests.support.platforms.standin import StandIn
from tests.support.platforms.sunshine import Sunshine
from tests.support.platforms.zendesk import Zendesk

EVERY: tuple[type[StandIn], ...] = (
    Chatwoot,
    Zendesk,
    Sunshine,
    Intercom,
    Freshchat,
    Freshdesk,
    Slack,
    AnyDesk,
)
