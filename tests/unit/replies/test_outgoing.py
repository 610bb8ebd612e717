"""What platforms are asked, exactly, and what their answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.callbacks.sender import Answer
from shared.platforms.answering import OUTGOING
from shared.platforms.generic.calls import CallTemplate
from shared.platforms.outgoing import as_text, judged, moment, part
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import Call, OpenHook, PlatformName, Told, Words
from shared.replies.calling import ask

NOW = datetime(2026, 7, 20, 11, 15, 29, tzinfo=UTC)
WORDS = Words("Hello <b>there</b> & you", "evt_req_1/reply", NOW)
SETTINGS: dict[PlatformName, dict[str, Any]] = {
    "chatwoot": {"accountId": 2},
    "zendesk": {"subdomain": "acme", "email": "bot@acme.example", "userId": "494820284"},
    "sunshine": {"baseUrl": "https://acme.zendesk.com/sc", "appId": "app1", "integration": "bot"},
    "intercom": {"appId": "abc", "adminId": "3156780", "region": "eu"},
    "freshchat": {"baseUrl": "https://acme.freshchat.com", "agentId": "a1", "handOffTo": "g1"},
    "freshdesk": {"domain": "acme", "handOffTo": 31},
    "slack": {"appId": "A1", "teamId": "T1", "handOffChannel": "C9"},
}
PLACES = {"chatwoot": "2/15", "sunshine": "app1/c1", "slack": "C1/1700000000.000100"}


def hook(platform: PlatformName, token: str = "key:secret", **more: Any) -> OpenHook:
    settings = PLATFORMS[platform].settings.model_validate({**SETTINGS[platform], **more})
    return OpenHook("hook_1", "acme", platform, settings, {"token": [token]})


def asked(platform: PlatformName, what: str, *said: Any, **more: Any) -> Call:
    call: Call = getattr(OUTGOING[platform], what)(hook(platform, **more), PLACES.get(platform, "15"), *said)
    return call


def test_chatwoot() -> None:
    call = asked("chatwoot", "reply", WORDS)
    assert (call.method, call.url) == ("POST", "https://app.chatwoot.com/api/v1/accounts/2/conversations/15/messages")
    assert call.headers == {"api_access_token": "key:secret"}
    assert call.json == {
        "content": WORDS.text,
        "message_type": "outgoing",
        "private": False,
        "content_type": "text",
    }
    assert asked("chatwoot", "note", WORDS).json["private"] is True
    handing = asked("chatwoot", "hand_off", "brief")
    assert handing.url.endswith("/conversations/15/toggle_status")
    assert handing.json == {"status": "open"}
    bearer = asked("chatwoot", "reply", WORDS, tokenHeader="authorization")
    assert bearer.headers == {"authorization": "Bearer key:secret"}
    assigned = asked("chatwoot", "hand_off", "brief", answers="unassigned", handOffTo=7)
    assert (assigned.url[-11:], assigned.json) == ("assignments", {"assignee_id": 7})


@pytest.mark.parametrize(
    ("status", "assignee", "more", "ours"),
    [
        ("pending", None, {}, True),
        ("open", None, {}, False),
        ("resolved", None, {}, False),
        ("pending", {"id": 7}, {}, False),
        ("open", None, {"answers": "unassigned"}, True),
        ("open", {"id": 7}, {"answers": "unassigned"}, False),
        ("open", {"id": 7}, {"answers": "unassigned", "userId": 7}, True),
        ("snoozed", None, {"answers": "unassigned"}, False),
    ],
)
def test_whose_a_conversation_of_chatwoot_is(status: str, assignee: Any, more: Any, *, ours: bool) -> None:
    answer = {"status": status, "meta": {"assignee": assignee} if assignee else {}}
    assert OUTGOING["chatwoot"].is_ours(hook("chatwoot", **more), answer) is ours


def test_zendesk() -> None:
    call = asked("zendesk", "reply", WORDS)
    assert (call.method, call.url) == ("PUT", "https://acme.zendesk.com/api/v2/tickets/15.json")
    assert call.headers["authorization"] == "Basic Ym90QGFjbWUuZXhhbXBsZS90b2tlbjprZXk6c2VjcmV0"
    comment = {"body": WORDS.text, "public": True, "author_id": 494820284}
    mark = {"custom": {"customer_memory": WORDS.mark}}
    assert call.json == {"ticket": {"comment": comment, "metadata": mark}}
    assert asked("zendesk", "note", WORDS).json["ticket"]["comment"]["public"] is False
    assert asked("zendesk", "hand_off", "brief").url.endswith("/15/tags.json")
    group = asked("zendesk", "hand_off", "brief", handOffTo=9)
    assert group.json == {"ticket": {"status": "open", "group_id": 9, "assignee_id": None}}


def test_sunshine() -> None:
    call = asked("sunshine", "reply", WORDS)
    assert call.url == "https://acme.zendesk.com/sc/v2/apps/app1/conversations/c1/messages"
    assert call.json["author"] == {"type": "business", "displayName": "Assistant", "subtypes": ["AI"]}
    assert call.json["content"] == {"type": "text", "text": WORDS.text}
    assert OUTGOING["sunshine"].note(hook("sunshine"), "app1/c1", WORDS) is None
    handing = asked("sunshine", "hand_off", "brief")
    assert (handing.url[-11:], handing.json) == ("passControl", {"switchboardIntegration": "next"})


def test_intercom() -> None:
    call = asked("intercom", "reply", WORDS)
    assert call.url == "https://api.eu.intercom.io/conversations/15/reply"
    assert call.headers == {"authorization": "Bearer key:secret", "intercom-version": "2.14"}
    body = "Hello &lt;b&gt;there&lt;/b&gt; &amp; you"
    assert call.json == {"message_type": "comment", "type": "admin", "admin_id": "3156780", "body": body}
    assert asked("intercom", "note", WORDS).json["message_type"] == "note"
    handing = asked("intercom", "hand_off", "brief", handOffTo="77")
    assert handing.url.endswith("/conversations/15/parts")
    assert (handing.json["message_type"], handing.json["assignee_id"]) == ("assignment", "77")


def test_freshchat_and_freshdesk() -> None:
    call = asked("freshchat", "reply", WORDS)
    assert call.url == "https://acme.freshchat.com/v2/conversations/15/messages"
    assert (call.json["message_type"], call.json["actor_id"]) == ("normal", "a1")
    assert asked("freshchat", "note", WORDS).json["message_type"] == "private"
    assert asked("freshchat", "hand_off", "brief").json == {"status": "assigned", "assigned_group_id": "g1"}
    call = asked("freshdesk", "reply", WORDS)
    assert call.url == "https://acme.freshdesk.com/api/v2/tickets/15/reply"
    assert call.json == {"body": "Hello &lt;b&gt;there&lt;/b&gt; &amp; you"}
    assert asked("freshdesk", "note", WORDS).json["private"] is True
    assert asked("freshdesk", "hand_off", "brief").json["group_id"] == 31
    assert OUTGOING["freshdesk"].hand_off(hook("freshdesk", handOffTo=None), "15", "brief") is None


def test_nothing_in_a_slack_reply_calls_a_channel() -> None:
    call = asked("slack", "reply", Words("<!channel> & <@U1>", "m", NOW))
    assert call.json["text"] == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
    assert (call.json["channel"], call.json["thread_ts"]) == ("C1", "1700000000.000100")
    note = asked("slack", "note", WORDS)
    assert note.json["channel"] == "C9"
    assert "https://slack.com/archives/C1/p1700000000000100" in note.json["text"]


@pytest.mark.parametrize(
    ("word", "means"),
    [("ratelimited", "later"), ("invalid_auth", "locked"), ("channel_not_found", "gone"), ("msg_too_long", "refused")],
)
def test_slack_says_200_to_all(word: str, means: str) -> None:
    found = OUTGOING["slack"].judge(Told(200, NOW, {}, {"ok": False, "error": word}))
    assert (found.means, found.word) == (means, word)
    assert OUTGOING["slack"].judge(Told(200, NOW, {}, {"ok": True})).means == "taken"


def test_chatwoots_limit_of_a_minute_is_told_from_what_is_wrong() -> None:
    limit = Told(422, NOW, {}, {"message": "Validation failed: Too many messages"})
    assert (OUTGOING["chatwoot"].judge(limit).means, OUTGOING["chatwoot"].judge(limit).wait) == ("later", 60.0)
    assert OUTGOING["chatwoot"].judge(Told(422, NOW, {}, {"message": "Content is too long"})).means == "refused"


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (200, "taken"),
        (202, "taken"),
        (301, "refused"),
        (400, "refused"),
        (401, "locked"),
        (403, "locked"),
        (404, "gone"),
        (409, "later"),
        (410, "gone"),
        (422, "refused"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ],
)
def test_what_a_status_means(status: int, means: str) -> None:
    assert judged(Told(status, NOW)).means == means


def test_how_long_a_rate_limit_asks_to_wait() -> None:
    def waits(**headers: str) -> float | None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return judged(Told(429, NOW, names, None)).wait

    assert judged(Told(429, NOW, {"ratelimit-reset": "5"}, None, 33.0)).wait == 33.0
    assert waits(ratelimit_reset="41") == 41.0
    assert waits(x_ratelimit_reset=str(int((NOW + timedelta(seconds=9)).timestamp()))) == 9.0
    assert waits(x_ratelimit_reset="soon") is None
    assert waits() is None


ODD: tuple[Any, ...] = (10**400, [], {}, 5, "x", True, None)
ANSWERS: dict[PlatformName, tuple[dict[str, Any], ...]] = {
    "chatwoot": tuple(
        {
            "status": "pending",
            "meta": {"assignee": odd, "assignee_type": odd},
            "payload": [{"message_type": 1, "private": False, "content": WORDS.text, "created_at": odd}],
            "messages": [{"message_type": odd, "content": odd}],
        }
        for odd in ODD
    ),
    "zendesk": tuple({"ticket": {"tags": odd, "assignee_id": odd}, "comments": [{"body": odd}]} for odd in ODD),
    "sunshine": tuple(
        {"conversation": {"activeSwitchboardIntegration": {"id": odd, "name": odd}}, "messages": [{"received": odd}]}
        for odd in ODD
    ),
    "intercom": tuple({"admin_assignee_id": odd, "team_assignee_id": odd} for odd in ODD),
    "freshchat": tuple({"assigned_agent_id": odd, "messages": [{"message_parts": odd}]} for odd in ODD),
    "freshdesk": tuple({"responder_id": odd, "group_id": odd} for odd in ODD),
    "slack": tuple({"ok": odd, "error": odd, "messages": [{"ts": odd, "app_id": "A1"}]} for odd in ODD),
}


@pytest.mark.parametrize("body", [b"[" * 100_000, b"9" * 5_000, b"\xff", b"<html>"])
async def test_an_answer_that_cannot_be_read_says_nothing_but_its_status(body: bytes) -> None:
    class Calls:
        async def call(self, *told: Any) -> Answer:
            return Answer(201, None, 0.1, None, body)

    us = hook("chatwoot")
    heard = await ask(Calls(), OUTGOING["chatwoot"], us, asked("chatwoot", "reply", WORDS), lambda: NOW)
    assert (heard.means, heard.said) == ("taken", None)


@pytest.mark.parametrize("platform", list(ANSWERS))
def test_an_answer_with_something_else_in_a_place_is_no_stumbling_block(platform: PlatformName) -> None:
    outgoing, us = OUTGOING[platform], hook(platform)
    for answer in ANSWERS[platform]:
        assert outgoing.is_there(us, answer, WORDS, private=False) in {True, False}
        assert outgoing.is_ours(us, answer) in {True, False}
        assert outgoing.judge(Told(200, NOW, {}, answer)).means


def test_a_reference_leads_nowhere_else() -> None:
    assert part("../../admin?x=1#y") == "..%2F..%2Fadmin%3Fx%3D1%23y"
    assert part("..") == "%2E%2E"
    call = OUTGOING["zendesk"].reply(hook("zendesk"), "../users/1", WORDS)
    assert call is not None
    assert call.url == "https://acme.zendesk.com/api/v2/tickets/..%2Fusers%2F1.json"


def test_texts_and_moments_are_read_in_every_dress() -> None:
    assert as_text("<p>Hello&nbsp;there<br>you</p>") == "Hello there you"
    assert as_text(7) == ""
    assert moment(1784546129) == moment(1784546129000) == moment("2026-07-20T11:15:29Z") == NOW
    nonsense: tuple[Any, ...] = (None, True, "x", -1, {})
    assert [moment(value) for value in nonsense] == [None] * 5


@pytest.mark.parametrize(
    "template",
    [
        {"url": "ftp://x.example/"},
        {"url": "https://{conversation}.example/"},
        {"url": "https://x.example@evil.example/"},
        {"url": "https://x.example/{text}"},
        {"url": "https://x.example/{token}"},
        {"url": "https://x.example/", "headers": {"x": "{text}"}},
        {"url": "https://x.example/", "headers": {"x": "a\nb"}},
        {"url": "https://x.example/", "body": {"a": "{token}"}},
        {"url": "https://x.example/", "method": "DELETE"},
    ],
)
def test_templates_that_could_do_harm_are_refused(template: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CallTemplate.model_validate(template)


def test_a_template_is_filled_once_whatever_is_said() -> None:
    template = CallTemplate.model_validate(
        {
            "url": "https://x.example/{conversation}/say",
            "headers": {"authorization": "Basic {basic}", "x-key": "{token}"},
            "body": {"text": "{text}", "list": ["{mark}", 1, None], "other": "plain"},
        }
    )
    call = template.filled("a:b", {"conversation": "7/../8", "text": "{mark} {token} {}", "mark": "m"})
    assert call.url == "https://x.example/7%2F..%2F8/say"
    assert call.headers == {"authorization": "Basic YTpi", "x-key": "a:b"}
    assert call.json == {"text": "{mark} {token} {}", "list": ["m", 1, None], "other": "plain"}


@pytest.fixture(autouse=True)
def _secrets_are_not_shown() -> Iterator[None]:
    yield
    assert "key:secret" not in repr(asked("chatwoot", "reply", WORDS))
