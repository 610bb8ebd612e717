"""Signatures that the official library accepts, and secrets that only their key opens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.callbacks.signing import new_secret, signed_headers
from shared.errors import CannotUnseal
from shared.sealing import Sealer

BODY = '{"type":"chat.reply.completed","data":{"reply":"Grüße"}}'


def test_the_specifications_own_vector() -> None:
    headers = signed_headers(
        ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        datetime.fromtimestamp(1784546129, UTC),
        '{"type":"reply.completed","timestamp":"2026-07-20T11:15:29Z","data":{"job_id":"job_1"}}',
    )
    assert headers["webhook-signature"] == "v1,juKfWKFE4hSyekPDfg0TC4v7mIDkuElC2Njv0g/WLHA="
    assert headers["webhook-timestamp"] == "1784546129"


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-7, minutes=-30))])
def test_the_official_library_verifies_whatever_the_time_zone(zone: timezone) -> None:
    secret = new_secret()
    headers = signed_headers([secret], "evt_1", datetime.now(zone), BODY)
    assert Webhook(secret).verify(BODY.encode(), headers)["data"] == {"reply": "Grüße"}


def test_while_secrets_rotate_both_verify_and_no_third_does() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "evt_1", datetime.now(UTC), BODY)
    assert Webhook(old).verify(BODY, headers)
    assert Webhook(new).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


@pytest.mark.parametrize("change", ["body", "id", "old", "early"])
def test_what_was_changed_is_refused(change: str) -> None:
    secret, body = new_secret(), BODY
    late = {"old": timedelta(minutes=-5, seconds=-1), "early": timedelta(minutes=5, seconds=2)}
    headers = signed_headers([secret], "evt_1", datetime.now(UTC) + late.get(change, timedelta()), body)
    if change == "body":
        body = body.replace("reply", "rEply")
    if change == "id":
        headers["webhook-id"] = "evt_2"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("keys", [[], ["whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="], ["AAEC"]])
def test_only_symmetric_secrets_sign(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="cannot be signed"):
        signed_headers(keys, "evt_1", datetime.now(UTC), BODY)


def test_an_id_with_a_full_stop_signs_nothing() -> None:
    with pytest.raises(ValueError, match="cannot be signed"):
        signed_headers([new_secret()], "evt.1", datetime.now(UTC), BODY)


def test_what_is_sealed_shows_nothing_and_opens_for_its_owner_only() -> None:
    sealer = Sealer(["k" * 32])
    sealed = sealer.seal("acme", "whsec_1")
    assert "whsec_1" not in sealed
    assert sealer.open("acme", sealed) == "whsec_1"
    with pytest.raises(CannotUnseal):
        sealer.open("globex", sealed)


def test_two_keys_open_and_the_first_seals() -> None:
    old, new = "o" * 32, "n" * 32
    sealed = Sealer([old]).seal("acme", "whsec_1")
    both = Sealer([new, old])
    assert both.open("acme", sealed) == "whsec_1"
    with pytest.raises(CannotUnseal):
        Sealer([new]).open("acme", sealed)
    assert Sealer([new]).open("acme", both.seal("acme", "whsec_1")) == "whsec_1"


def test_every_changed_letter_is_noticed() -> None:
    sealer = Sealer(["k" * 32])
    sealed = sealer.seal("acme", "whsec_1")
    for place in range(len(sealed.rstrip("=")) - 1):
        other = "A" if sealed[place] != "A" else "B"
        with pytest.raises(CannotUnseal):
            sealer.open("acme", sealed[:place] + other + sealed[place + 1 :])
