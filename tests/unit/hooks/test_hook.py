"""A hook's token goes nowhere but to the hosts that it was given for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.hooks.hook import Hook, new_hook_id
from shared.hooks.hooks import new_secret
from shared.hooks.secrets import BadSecret, checked
from shared.platforms.types import PlatformName
from shared.sealing import KeptSecret
from tests.support.deliveries import GENERIC, SAMPLES

NOW = datetime(2026, 7, 20, tzinfo=UTC)
EVIL = "https://evil.example"
CALL = {"url": "https://desk.example.com/{conversation}", "headers": {"authorization": "Bearer {token}"}}
ANSWERED = {**GENERIC, "reply": CALL}


def hook(platform: PlatformName, settings: dict[str, Any]) -> Hook:
    secret = (KeptSecret(sealed="x", created_at=NOW),)
    kept = {"token": secret, "signing": secret}
    return Hook.model_validate(
        {"id": new_hook_id(), "tenant": "acme", "platform": platform, "name": "desk", "created_at": NOW}
        | {"settings": settings, "secrets": kept}
    )


@pytest.mark.parametrize(
    ("platform", "before", "change"),
    [
        *[
            (name, SAMPLES[name].settings, {"baseUrl": EVIL})
            for name in ("chatwoot", "zendesk", "sunshine", "intercom", "freshchat", "freshdesk", "slack")
        ],
        ("zendesk", SAMPLES["zendesk"].settings, {"subdomain": "evil"}),
        ("freshdesk", SAMPLES["freshdesk"].settings, {"domain": "evil"}),
        ("chatwoot", {"accountId": 2, "baseUrl": "https://a.example"}, {"baseUrl": "http://a.example"}),
        *[
            ("generic", ANSWERED, {name: {**CALL, "url": f"{EVIL}/x", **more}})
            for name, more in (
                ("reply", {}),
                ("note", {}),
                ("handOff", {}),
                ("look", {"said": "a"}),
                ("handler", {"agent": "a"}),
            )
        ],
    ],
)
def test_a_change_of_host_drops_the_token_and_nothing_else(
    platform: PlatformName, before: dict[str, Any], change: dict[str, Any]
) -> None:
    changed = hook(platform, before).with_settings({**before, **change})
    assert set(changed.secrets) == {"signing"}


@pytest.mark.parametrize(("platform", "before"), [("generic", ANSWERED), ("slack", SAMPLES["slack"].settings)])
def test_any_other_change_keeps_it(platform: PlatformName, before: dict[str, Any]) -> None:
    changed = hook(platform, before).with_settings({**before, "coalesceSeconds": 9})
    assert set(changed.secrets) == {"token", "signing"}


@pytest.mark.parametrize(("encoding", "text"), [("base64", "???"), ("base64", "a!b?cd=="), ("hex", "xyz")])
def test_a_key_that_is_not_written_as_the_proof_says_is_refused(encoding: str, text: str) -> None:
    proof = {"kind": "hmac", "header": "x-sig", "keyEncoding": encoding}
    found = hook("generic", {**GENERIC, "proof": proof})
    with pytest.raises(BadSecret, match="keyEncoding"):
        checked(found, "signing", text)
    assert checked(found, "signing", new_secret(found, "signing"))
