"""Every fault on demand, as the SDK sees it."""

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, MessageParam
from pydantic import ValidationError

from simulator.client import SimulatorControl
from simulator.schema import Fault, FaultStatus, ForcedStop

MODEL = "claude-sonnet-4-6"
TOLD: list[MessageParam] = [
    {"role": "user", "content": "My order number is A-1234."},
    {"role": "assistant", "content": "Noted."},
    {"role": "user", "content": "What is my order number?"},
]
REPLY = '[simulated] You told me: "My order number is A-1234."'


async def create(claude: AsyncAnthropic, messages: list[MessageParam] = TOLD) -> Message:
    return await claude.messages.create(model=MODEL, max_tokens=100, messages=messages)


async def stream(claude: AsyncAnthropic, heard: list[str] | None = None) -> Message:
    """Read a stream to its end; `heard` keeps the text that came, also when the stream breaks."""
    async with claude.messages.stream(model=MODEL, max_tokens=100, messages=TOLD) as answer:
        async for part in answer.text_stream:
            (heard if heard is not None else []).append(part)
        return await answer.get_final_message()


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


STATUSES: dict[FaultStatus, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    408: anthropic.RequestTimeoutError,
    413: anthropic.ContentTooLargeError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    503: anthropic.ServiceUnavailableError,
    504: anthropic.GatewayTimeoutError,
    529: anthropic.OverloadedError,
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "error"), STATUSES.items())
async def test_a_status_raises_the_sdks_class(
    claude: AsyncAnthropic, control: SimulatorControl, status: FaultStatus, error: type[anthropic.APIStatusError]
) -> None:
    control.add_faults(Fault(kind="status", status=status, times=2))

    with pytest.raises(error) as whole:
        await create(claude)
    with pytest.raises(error) as streamed:
        await stream(claude)

    assert type(whole.value) is type(streamed.value) is error
    assert whole.value.status_code == status
    assert whole.value.api_message
    assert "retry-after" not in whole.value.response.headers


@pytest.mark.asyncio
async def test_a_status_may_carry_retry_after_and_an_error_code(
    claude: AsyncAnthropic, control: SimulatorControl
) -> None:
    control.add_faults(Fault(kind="status", status=429, retry_after=30, error_code="enforced_spend_limit_reached"))

    with pytest.raises(anthropic.EnforcedSpendLimitReachedError) as caught:
        await create(claude)

    assert caught.value.response.headers["retry-after"] == "30"
    assert caught.value.type == "rate_limit_error"


@pytest.mark.asyncio
async def test_retry_after_may_be_a_date(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    date = "Sun, 22 Nov 2026 10:00:00 GMT"
    control.add_faults(Fault(kind="status", status=529, retry_after=date))

    with pytest.raises(anthropic.OverloadedError) as caught:
        await create(claude)

    assert caught.value.response.headers["retry-after"] == date


@pytest.mark.asyncio
async def test_slow_answers_after_its_delay(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="slow", delay_ms=120))

    assert text_of(await create(claude)) == REPLY

    (record,) = control.requests()
    assert record.duration_ms is not None
    assert record.duration_ms >= 120


@pytest.mark.asyncio
async def test_hang_never_answers(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="hang", times=2))

    with pytest.raises(anthropic.APITimeoutError):
        await create(claude.with_options(timeout=0.2))
    with pytest.raises(anthropic.APITimeoutError):
        await stream(claude.with_options(timeout=0.2))


@pytest.mark.asyncio
async def test_hang_may_stall_a_stream_midway(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="hang", after_chars=11))
    heard: list[str] = []

    with pytest.raises(httpx2.ReadTimeout):
        await stream(claude.with_options(timeout=0.2), heard)

    assert "".join(heard) == REPLY[:11]


@pytest.mark.asyncio
async def test_cut_ends_the_connection_midway(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="cut", after_chars=20))
    heard: list[str] = []

    with pytest.raises(httpx2.TransportError):  # the SDK passes on what its transport raises, mid-stream
        await stream(claude, heard)

    assert "".join(heard) == REPLY[:20]
    assert [(record.outcome, record.status) for record in control.requests()] == [("broken", 200)]


@pytest.mark.asyncio
async def test_cut_without_a_stream_ends_the_connection_unanswered(
    claude: AsyncAnthropic, control: SimulatorControl
) -> None:
    control.add_faults(Fault(kind="cut"))

    with pytest.raises(anthropic.APIConnectionError):
        await create(claude)

    assert [(record.outcome, record.status) for record in control.requests()] == [("broken", None)]


@pytest.mark.asyncio
async def test_stream_error_comes_after_the_200(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="stream_error", after_chars=15))
    heard: list[str] = []

    with pytest.raises(anthropic.APIStatusError) as caught:
        await stream(claude, heard)

    assert "".join(heard) == REPLY[:15]
    assert caught.value.response.status_code == 200
    assert caught.value.type == "overloaded_error"


@pytest.mark.asyncio
async def test_stream_error_without_a_stream_is_the_status(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="stream_error"), Fault(kind="stream_error", status=500))

    with pytest.raises(anthropic.OverloadedError):
        await create(claude)
    with pytest.raises(anthropic.InternalServerError, match="api_error"):
        await create(claude)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reason", "after_chars", "text"),
    [
        ("refusal", None, ""),
        ("refusal", 12, REPLY[:12]),
        ("max_tokens", None, REPLY),
        ("max_tokens", 14, REPLY[:14]),
        ("model_context_window_exceeded", 14, REPLY[:14]),
        ("pause_turn", None, REPLY),
    ],
)
async def test_stop_ends_for_the_given_reason(
    claude: AsyncAnthropic, control: SimulatorControl, reason: ForcedStop, after_chars: int | None, text: str
) -> None:
    control.add_faults(Fault(kind="stop", stop_reason=reason, after_chars=after_chars, times=2))

    whole, streamed = await create(claude), await stream(claude)

    assert (whole.stop_reason, text_of(whole)) == (reason, text)
    assert (streamed.stop_reason, text_of(streamed)) == (reason, text)
    assert (whole.stop_details is not None) == (reason == "refusal")


@pytest.mark.asyncio
async def test_empty_ends_its_turn_without_content(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="empty", times=2))

    for message in (await create(claude), await stream(claude)):
        assert (message.content, message.stop_reason) == ([], "end_turn")
        assert message.usage.output_tokens > 0


@pytest.mark.asyncio
async def test_reply_says_the_given_text(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="reply", text='{"order": "A-1234"}', times=2))

    assert text_of(await create(claude)) == text_of(await stream(claude)) == '{"order": "A-1234"}'


@pytest.mark.asyncio
async def test_a_fault_waits_for_the_request_it_matches(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="reply", text="matched", match="order number?"))
    other: list[MessageParam] = [{"role": "user", "content": "My order number is X."}]

    assert text_of(await create(claude, other)) == '[simulated] Noted: "My order number is X."'
    assert text_of(await create(claude)) == "matched"
    assert text_of(await create(claude)) == REPLY


@pytest.mark.asyncio
async def test_faults_come_in_order_as_often_as_asked(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="reply", text="one", times=2))
    control.add_faults(Fault(kind="reply", text="rest", times=-1))

    said = [text_of(await create(claude)) for _ in range(2)]
    left = control.faults()
    said += [text_of(await create(claude)) for _ in range(2)]

    assert said == ["one", "one", "rest", "rest"]
    assert [(fault.text, fault.times) for fault in left] == [("rest", -1)]


@pytest.mark.asyncio
async def test_cleared_faults_are_gone(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    with control:
        control.add_faults(Fault(kind="status", status=500, times=-1))

    assert text_of(await create(claude)) == REPLY


@pytest.mark.asyncio
async def test_a_refused_request_uses_up_no_fault(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="reply", text="kept"))

    with pytest.raises(anthropic.BadRequestError):
        await create(claude, [])

    assert text_of(await create(claude)) == "kept"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status"},
        {"kind": "status", "status": 418},
        {"kind": "stop"},
        {"kind": "stop", "stopReason": "end_turn"},
        {"kind": "reply"},
        {"kind": "slow"},
        {"kind": "empty", "times": 0},
        {"kind": "empty", "tmies": 2},
        {"kind": "explode"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(fault)
