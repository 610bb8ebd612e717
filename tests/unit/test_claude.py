"""Claude through its real SDK over HTTP, against the simulator: every error and stop reason has its meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from shared.claude import Claude, judged
from shared.claude_heard import NO_REASON, Handoff
from shared.context.tools import HANDOFF_TOOL
from shared.errors import ClaudeFailed, ClaudeLater
from shared.models import TokenUsage
from shared.prompt import Prompt, Reply
from shared.settings import Settings
from simulator.client import SimulatorControl
from simulator.schema import Fault
from tests.unit.simulated import running_simulator

PROMPT = Prompt(
    "claude-sonnet-4-6",
    "Be kind.",
    ({"role": "user", "content": [{"type": "text", "text": "My order number is A-1234."}]},),
    500,
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorControl]:
    with running_simulator() as url, SimulatorControl(url) as control:
        yield control


def ask(
    simulator: SimulatorControl, prompt: Prompt = PROMPT, times: int = 1, **settings: float
) -> tuple[Reply, list[str]]:
    """Ask `times` times with one client; return the last reply and all pieces of text heard."""
    heard: list[str] = []

    async def run() -> Reply:
        claude = Claude(Settings(simulator_url=simulator._base_url, **settings))  # type: ignore[arg-type]  # numbers only
        try:
            for _ in range(times - 1):
                with pytest.raises(ClaudeLater):
                    await claude.ask(prompt, heard.append)
            return await claude.ask(prompt, heard.append)
        finally:
            await claude.close()

    return asyncio.run(run()), heard


def count(simulator: SimulatorControl, prompt: Prompt) -> int:
    """Return what Claude counts."""

    async def run() -> int:
        claude = Claude(Settings(simulator_url=simulator._base_url))
        try:
            return await claude.count(prompt)
        finally:
            await claude.close()

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_faults(simulator: SimulatorControl) -> Iterator[None]:
    yield
    simulator.clear_faults()


def test_a_reply_comes_in_pieces_and_whole(simulator: SimulatorControl) -> None:
    reply, heard = ask(simulator)
    assert "".join(heard) == reply.text
    assert "A-1234" in reply.text
    assert (reply.stop_reason, reply.cut) == ("end_turn", False)
    assert reply.usage.total == reply.usage.input + reply.usage.output > 0


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (408, "timeout"),
        (429, "rate-limited"),
        (500, "server-error"),
        (503, "server-error"),
        (504, "timeout"),
        (529, "overloaded"),
    ],
)
def test_what_may_pass_is_tried_later(simulator: SimulatorControl, status: int, cause: str) -> None:
    simulator.add_faults(Fault(kind="status", status=status))
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator)
    assert (caught.value.cause, caught.value.after) == (cause, None)


def test_claudes_own_waiting_time_is_heard(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="status", status=429, retry_after=37))
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator)
    assert caught.value.after == 37


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "invalid-request"),
        (401, "authentication"),
        (403, "permission"),
        (404, "unknown-model"),
        (413, "request-too-large"),
    ],
)
def test_what_will_not_pass_is_final(simulator: SimulatorControl, status: int, cause: str) -> None:
    simulator.add_faults(Fault(kind="status", status=status))
    with pytest.raises(ClaudeFailed) as caught:
        ask(simulator)
    assert caught.value.cause == cause


def test_a_spent_limit_is_final_though_it_comes_as_429(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="status", status=429, error_code="enforced_spend_limit_reached"))
    with pytest.raises(ClaudeFailed) as caught:
        ask(simulator)
    assert caught.value.cause == "spend-limit"


def test_a_stream_that_is_cut_is_no_reply(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="cut", after_chars=15))
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator)
    assert caught.value.cause == "stream-cut"


def test_an_error_inside_a_stream_is_heard(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="stream_error", after_chars=15))
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator)
    assert caught.value.cause == "overloaded"


def test_silence_ends_in_time(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="hang"))
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator, claude_timeout_seconds=0.5)
    assert caught.value.cause == "timeout"


def test_nobody_there_is_told() -> None:
    with pytest.raises(ClaudeLater) as caught:
        ask(SimulatorControl("http://127.0.0.1:9"))
    assert caught.value.cause == "unreachable"


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "pause_turn"])
def test_a_reply_that_reached_a_limit_is_kept_as_cut(simulator: SimulatorControl, reason: str) -> None:
    simulator.add_faults(Fault.model_validate({"kind": "stop", "stopReason": reason, "afterChars": 20}))
    reply, _ = ask(simulator)
    assert (reply.stop_reason, reply.cut) == (reason, True)


def test_a_refusal_is_final(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault.model_validate({"kind": "stop", "stopReason": "refusal"}))
    with pytest.raises(ClaudeFailed) as caught:
        ask(simulator)
    assert caught.value.cause == "refused"


def test_an_empty_reply_is_none(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="empty"))
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator)
    assert caught.value.cause == "empty-reply"


def test_the_breaker_opens_after_failures_in_a_row_and_spares_claude(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="status", status=529, times=-1))
    before = simulator.stats().requests
    with pytest.raises(ClaudeLater) as caught:
        ask(simulator, times=20)
    assert caught.value.cause == "breaker-open"
    assert simulator.stats().requests - before == 8


def test_it_is_told_how_each_model_is_asked(simulator: SimulatorControl, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[dict[str, str]]:
        claude = Claude(Settings(simulator_url=simulator._base_url))
        told, heard = [await claude.breakers()], list[str]()
        try:
            await claude.ask(PROMPT, heard.append)
            told.append(await claude.breakers())
            simulator.add_faults(Fault(kind="status", status=529, times=-1))
            for _ in range(8):
                with pytest.raises(ClaudeLater):
                    await claude.ask(PROMPT, heard.append)
            told.append(await claude.breakers())
            monkeypatch.setattr("shared.claude.BREAKER_SECONDS", 0.0)
            told.append(await claude.breakers())
        finally:
            await claude.close()
        return told

    states = [told.get(PROMPT.model) for told in asyncio.run(run())]
    assert states == [None, "closed", "open", "half-open"]


def test_rate_limits_do_not_open_the_breaker(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="status", status=429, times=12))
    reply, _ = ask(simulator, times=13)
    assert reply.text


def test_counting_says_what_asking_is_charged(simulator: SimulatorControl) -> None:
    assert count(simulator, PROMPT) == ask(simulator)[0].usage.input


def test_counting_a_refused_prompt_is_final(simulator: SimulatorControl) -> None:
    with pytest.raises(ClaudeFailed) as caught:
        count(simulator, replace(PROMPT, messages=({"role": "assistant", "content": "Hello"},)))
    assert caught.value.cause == "invalid-request"


def test_the_key_stays_out_of_what_is_printed() -> None:
    assert "sk-secret" not in repr(Settings(anthropic_api_key="sk-secret"))


ASKED = replace(
    PROMPT,
    messages=({"role": "user", "content": [{"type": "text", "text": "Let me talk to a human"}]},),
    tools=(HANDOFF_TOOL,),
)


def test_a_handoff_comes_with_its_words_and_its_reason(simulator: SimulatorControl) -> None:
    reply, heard = ask(simulator, ASKED)
    assert (reply.stop_reason, reply.cut) == ("tool_use", False)
    assert "".join(heard) == reply.text == "[simulated] I am handing this conversation over to a person."
    assert reply.handoff == 'The customer asked for a person: "Let me talk to a human"'


def test_a_handoff_without_a_word_is_one_all_the_same(simulator: SimulatorControl) -> None:
    simulator.add_faults(Fault(kind="empty"))
    reply, heard = ask(simulator, ASKED)
    assert (reply.text, heard) == ("", [])
    assert reply.handoff is not None


def test_nothing_is_handed_off_where_the_tool_was_not_offered(simulator: SimulatorControl) -> None:
    reply, _ = ask(simulator, replace(ASKED, tools=()))
    assert (reply.handoff, reply.stop_reason) == (None, "end_turn")


def heard(*pieces: str, name: str = "handoff") -> str | None:
    """Return the reason that a call whose input comes in these pieces gives."""
    handoff = Handoff()
    block = SimpleNamespace(type="tool_use", name=name)
    handoff.read(SimpleNamespace(type="content_block_start", index=1, content_block=block))
    for piece in pieces:
        delta = SimpleNamespace(type="input_json_delta", partial_json=piece)
        handoff.read(SimpleNamespace(type="content_block_delta", index=1, delta=delta))
    return handoff.reason


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        (('{"rea', 'son": "a refund\\nabove  the limit"}'), "a refund above the limit"),
        (('{"reason": "' + "x" * 900 + '"}',), "x" * 500),
        (('{"reason": "cut off in the mid',), NO_REASON),
        (('{"reason": 7}',), NO_REASON),
        (("[]",), NO_REASON),
        ((), NO_REASON),
    ],
)
def test_a_reason_is_one_short_line_or_said_to_be_missing(pieces: tuple[str, ...], reason: str) -> None:
    assert heard(*pieces) == reason


def test_a_call_of_another_tool_is_no_handoff() -> None:
    assert heard('{"reason": "none"}', name="look_up") is None
    with pytest.raises(ClaudeFailed) as failed:
        judged("", TokenUsage(input=1, output=1, total=2), "claude-sonnet-4-6", "tool_use")
    assert failed.value.cause == "tool-use"


def test_a_refusal_is_one_though_the_tool_was_called() -> None:
    with pytest.raises(ClaudeFailed) as failed:
        judged("", TokenUsage(input=1, output=1, total=2), "claude-sonnet-4-6", "refusal", "no")
    assert failed.value.cause == "refused"
