"""Every platform: what its hooks are told, and which secrets they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from shared.platforms.chatwoot.settings import ChatwootSettings
from shared.platforms.freshchat.settings import FreshchatSettings
from shared.platforms.freshdesk.settings import FreshdeskSettings
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.intercom.settings import IntercomSettings
from shared.platforms.slack.settings import SlackSettings
from shared.platforms.sunshine.settings import SunshineSettings
from shared.platforms.types import SHARED, SIGNING, TOKEN, HookSettings, PlatformName, SecretName
from shared.platforms.zendesk.settings import ZendeskSettings


@dataclass(frozen=True, slots=True)
class SecretKind:
    """A secret that a hook of a platform may hold: what it is, and who makes it."""

    what: str
    made_by: Literal["us", "platform"] = "platform"


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform. `secrets`: by name, those that hooks of it may hold. `proven_by`: which of them prove deliveries."""

    name: PlatformName
    title: str
    settings: type[HookSettings]
    secrets: Mapping[SecretName, SecretKind]
    proven_by: tuple[SecretName, ...] = (SIGNING,)
    tells_all: bool = False
    """Whether each message says whose conversation it is in, and who has that now."""


_IN_ADDRESS = SecretKind("what comes back in the address, as ?token=…, where the platform cannot sign", "us")

PLATFORMS: Final[Mapping[PlatformName, Platform]] = {
    each.name: each
    for each in (
        Platform(
            "chatwoot",
            "Chatwoot",
            ChatwootSettings,
            {
                SIGNING: SecretKind("the secret of the webhook or agent bot, as Chatwoot shows it"),
                SHARED: _IN_ADDRESS,
                TOKEN: SecretKind("the access token of the agent bot, or of a user"),
            },
            (SIGNING, SHARED),
            tells_all=True,
        ),
        Platform(
            "zendesk",
            "Zendesk Support",
            ZendeskSettings,
            {
                SIGNING: SecretKind("the signing secret of the webhook"),
                TOKEN: SecretKind("the API token of the agent that email names"),
            },
        ),
        Platform(
            "sunshine",
            "Sunshine Conversations",
            SunshineSettings,
            {
                SIGNING: SecretKind("the shared secret of the webhook, which comes back as X-API-Key"),
                TOKEN: SecretKind("the API key, as id:secret"),
            },
        ),
        Platform(
            "intercom",
            "Intercom",
            IntercomSettings,
            {
                SIGNING: SecretKind("the client secret of the app"),
                TOKEN: SecretKind("the access token of the app"),
            },
            tells_all=True,
        ),
        Platform(
            "freshchat",
            "Freshchat",
            FreshchatSettings,
            {
                SIGNING: SecretKind("the public key of the account's webhooks, RSA, as PEM"),
                TOKEN: SecretKind("the API token"),
            },
        ),
        Platform(
            "freshdesk",
            "Freshdesk",
            FreshdeskSettings,
            {
                SHARED: SecretKind("what comes back as X-Hook-Token, as a Basic password, or as ?token=…", "us"),
                TOKEN: SecretKind("the API key of an agent"),
            },
            (SHARED,),
        ),
        Platform(
            "slack",
            "Slack",
            SlackSettings,
            {
                SIGNING: SecretKind("the signing secret of the app"),
                TOKEN: SecretKind("the bot token, xoxb-…"),
            },
        ),
        Platform(
            "generic",
            "any other platform",
            GenericSettings,
            {
                SIGNING: SecretKind("what the platform signs with"),
                SHARED: SecretKind("what comes back in a header, as a Basic password, or as ?token=…", "us"),
                TOKEN: SecretKind("what we are let in with, when we call the platform"),
            },
            (SIGNING, SHARED),
        ),
    )
}


def platform_of(name: str) -> Platform | None:
    """Return a platform by its name; None where there is none."""
    return next((each for each in PLATFORMS.values() if each.name == name), None)


NAMES: Final[tuple[PlatformName, ...]] = get_args(PlatformName)
