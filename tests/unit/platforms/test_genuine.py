"""Only what a platform signed, just now, with a secret of this hook, is let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import NotGenuine
from shared.platforms.incoming import INCOMING
from shared.platforms.types import PlatformName, Posted
from tests.support.deliveries import NOW, SAMPLES, Sample, encoded
from tests.unit.platforms.opened import hook_of, posted, signed

MINUTES = timedelta(minutes=1)
BODY = '{"event":"message_created","id":74,"content":"Café?"}'.encode()
AT = datetime.fromtimestamp(1784546129, UTC)

# Made outside of this project, of BODY, by what the platforms' documents say.
VECTORS: list[tuple[PlatformName, str, dict[str, str]]] = [
    (
        "chatwoot",
        "cw_secret_123",
        {
            "X-Chatwoot-Timestamp": "1784546129",
            "X-Chatwoot-Signature": "sha256=2d761b6142ee027e00815705f6cff8363b8ac35302b69dffa2d5c48fb2080ae1",
        },
    ),
    (
        "zendesk",
        "zd_secret_123",
        {
            "X-Zendesk-Webhook-Signature": "6QvOPd9lRB4lx5qiQxmDJKIZlWYqr8SJ3DkV6/dKRD4=",
            "X-Zendesk-Webhook-Signature-Timestamp": "2026-07-20T11:15:29Z",
        },
    ),
    ("intercom", "ic_secret_123", {"X-Hub-Signature": "sha1=6b73e0456d9621934667685a75370ba4e48c6e3d"}),
    (
        "slack",
        "sl_secret_123",
        {
            "X-Slack-Request-Timestamp": "1784546129",
            "X-Slack-Signature": "v0=9b67c2563389d2a4852606a4e7aca4eb2714f59d80446de3b64b64eb62f477aa",
        },
    ),
]

ALL = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


def verify(sample: Sample, delivery: Posted, secrets: list[str] | None = None) -> None:
    held = {sample.secret_name: [sample.secret] if secrets is None else secrets}
    INCOMING[sample.platform].verify(delivery, hook_of(sample.platform, secrets=held))


@pytest.mark.parametrize(("platform", "secret", "headers"), VECTORS, ids=[each[0] for each in VECTORS])
def test_the_published_vectors_are_genuine(platform: PlatformName, secret: str, headers: dict[str, str]) -> None:
    hook = hook_of(platform, secrets={"signing": [secret]})
    INCOMING[platform].verify(posted(BODY, headers, AT), hook)
    with pytest.raises(NotGenuine):
        INCOMING[platform].verify(posted(BODY + b" ", headers, AT), hook)


@ALL
def test_a_signed_delivery_is_genuine(sample: Sample) -> None:
    verify(sample, signed(sample))


@ALL
def test_any_of_several_secrets_will_do_while_they_rotate(sample: Sample) -> None:
    verify(sample, signed(sample), [sample.other_secret, sample.secret])
    verify(sample, signed(sample), [sample.secret, sample.other_secret])


@ALL
def test_what_another_hooks_secret_signed_is_refused(sample: Sample) -> None:
    with pytest.raises(NotGenuine):
        verify(sample, signed(sample), [sample.other_secret])
    with pytest.raises(NotGenuine):
        verify(sample, signed(sample), [])


@ALL
def test_without_its_headers_or_with_one_changed_it_is_refused(sample: Sample) -> None:
    good = signed(sample)
    for name, value in good.headers.items():
        cut, longer = value[:-1], f"{value}A"
        for changed in ("", cut, longer, value[::-1], "é", f" {value[0]}", value.swapcase()):
            if changed.lower() == value.lower() and name != "x-freshchat-signature":
                continue  # of hexadecimal, the other case is the same
            broken = {**good.headers, name: changed}
            with pytest.raises(NotGenuine):
                verify(sample, posted(good.body, broken))
        with pytest.raises(NotGenuine):
            verify(sample, posted(good.body, {other: text for other, text in good.headers.items() if other != name}))


@pytest.mark.parametrize("platform", [each for each in SAMPLES if each not in {"sunshine", "freshdesk"}])
def test_a_body_with_any_byte_changed_is_refused(platform: PlatformName) -> None:
    """Those that only bring a secret back prove nothing of the body; TLS does."""
    sample = SAMPLES[platform]
    good = signed(sample)
    for place in range(0, len(good.body), 7):
        body = bytearray(good.body)
        body[place] ^= 1
        with pytest.raises(NotGenuine):
            verify(sample, posted(bytes(body), good.headers))
    with pytest.raises(NotGenuine):
        verify(sample, posted(b"", good.headers))


@pytest.mark.parametrize("platform", [name for name, sample in SAMPLES.items() if sample.has_time])
@pytest.mark.parametrize("late", [6 * MINUTES, -6 * MINUTES, timedelta(days=2)])
def test_what_was_signed_more_than_five_minutes_ago_or_will_be_is_stale(
    platform: PlatformName, late: timedelta
) -> None:
    sample = SAMPLES[platform]
    verify(sample, signed(sample, at=NOW - 4 * MINUTES))
    verify(sample, signed(sample, at=NOW + 4 * MINUTES))
    with pytest.raises(NotGenuine):
        verify(sample, signed(sample, at=NOW - late))


@pytest.mark.parametrize("platform", [name for name, sample in SAMPLES.items() if sample.has_time])
def test_a_timestamp_cannot_be_renewed_without_the_secret(platform: PlatformName) -> None:
    sample = SAMPLES[platform]
    old, new = signed(sample, at=NOW - timedelta(days=1)), signed(sample)
    renewed = {**new.headers, **{name: text for name, text in old.headers.items() if "timestamp" not in name}}
    renewed = {**renewed, **{name: text for name, text in new.headers.items() if "time" in name}}
    renewed |= {name: text for name, text in old.headers.items() if name.endswith("signature")}
    with pytest.raises(NotGenuine):
        verify(sample, posted(old.body, renewed))


@pytest.mark.parametrize("platform", ["intercom", "freshchat"])
def test_what_tells_its_time_in_the_body_alone_is_refused_when_it_is_no_longer_remembered(
    platform: PlatformName,
) -> None:
    sample = SAMPLES[platform]
    reader, hook = INCOMING[sample.platform], hook_of(sample.platform)
    assert reader.read(signed(sample, sample.message(at=NOW - timedelta(hours=19))), hook)
    for at in (NOW - timedelta(hours=21), NOW + timedelta(hours=1)):
        with pytest.raises(NotGenuine):
            reader.read(signed(sample, sample.message(at=at)), hook)


@pytest.mark.parametrize(
    ("platform", "change"),
    [
        ("chatwoot", {"accountId": 3}),
        ("zendesk", {"accountId": "1"}),
        ("sunshine", {"appId": "another"}),
        ("intercom", {"appId": "another"}),
        ("freshchat", {"appId": "another"}),
        ("slack", {"teamId": "T2"}),
        ("slack", {"appId": "A2"}),
    ],
)
def test_another_accounts_delivery_is_refused_though_the_secret_is_right(
    platform: PlatformName, change: dict[str, object]
) -> None:
    sample = SAMPLES[platform]
    hook = hook_of(platform, {**sample.settings, **change})
    with pytest.raises(NotGenuine):
        INCOMING[platform].read(signed(sample), hook)


def test_an_old_chatwoot_brings_the_token_in_its_address_and_only_while_there_is_no_secret() -> None:
    body = encoded(SAMPLES["chatwoot"].message())
    reader, url = INCOMING["chatwoot"], "https://memory.example.com/webhooks/chatwoot/hook_1?token=s3cret"
    hook = hook_of("chatwoot", secrets={"shared": ["s3cret"]})
    reader.verify(posted(body, {}, url=url), hook)
    for wrong in (url[:-1], f"{url}x", url.partition("?")[0], f"{url}&token=other"):
        with pytest.raises(NotGenuine):
            reader.verify(posted(body, {}, url=wrong), hook)
    signs_by_now = hook_of("chatwoot", secrets={"shared": ["s3cret"], "signing": ["another"]})
    with pytest.raises(NotGenuine):
        reader.verify(posted(body, {}, url=url), signs_by_now)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hook-Token": "s3cret"},
        {"Authorization": "Basic czNjcmV0Olg="},  # s3cret:X, as Freshdesk writes a key
        {"Authorization": "basic ZGVzazpzM2NyZXQ="},  # desk:s3cret
    ],
)
def test_freshdesk_brings_our_secret_back_in_any_of_its_ways(headers: dict[str, str]) -> None:
    hook = hook_of("freshdesk", secrets={"shared": ["s3cret"]})
    INCOMING["freshdesk"].verify(posted(b"{}", headers), hook)
    for wrong in ({}, {"Authorization": "Basic ???"}, {"Authorization": "Basic /w=="}, {"X-Hook-Token": "s3cre"}):
        with pytest.raises(NotGenuine):
            INCOMING["freshdesk"].verify(posted(b"{}", wrong), hook)


def test_a_key_of_freshchat_may_be_written_on_one_line_and_under_another_name() -> None:
    sample = SAMPLES["freshchat"]
    one_line = sample.secret.replace("\n", " ").replace("PUBLIC KEY", "RSA PUBLIC KEY")
    verify(sample, signed(sample), [one_line])
    verify(sample, signed(sample), [sample.secret.split("-----")[2].replace("\n", "")])
    with pytest.raises(NotGenuine):
        verify(sample, signed(sample), ["no key at all"])


def test_a_hook_never_shows_its_secrets() -> None:
    hook = hook_of("chatwoot", secrets={"signing": ["s3cret"], "token": ["t0ken"]})
    shown = repr(hook) + repr(posted(b"a body", {"X-Hook-Token": "s3cret"}, url="https://a.example/?token=s3cret"))
    for hidden in ("s3cret", "t0ken", "a body"):
        assert hidden not in shown
