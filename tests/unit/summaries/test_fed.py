"""What the summariser is fed over a long session: about the conversation, once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models import Message
from shared.prompt import Prompt
from shared.summaries.material import boundary, tokens_of
from shared.summaries.steps import Made, Previous, Rules
from shared.summaries.summarise import summarise

from .talks import COUNT, Summariser, block_of, talk, text_of

SENTENCES = (
    "I have been waiting for my parcel for quite a while and nobody has told me anything about where it may be now.",
    "The tracking page says that it was handed to the carrier, but the carrier says it has never seen the thing.",
    "Could you please have another look, because my neighbours have received theirs from the same shop already?",
    "Let me go through the whole list with you, so that we find out together which of the items is concerned here.",
    "It was a present for my sister, who is getting married soon, and I would rather not come with empty hands.",
)


def long_talk(turns: int) -> list[Message]:
    """Return a session of about 76 tokens a message, as those of the baseline's measurement."""
    texts = []
    for number in range(turns * 2):
        words = " ".join(SENTENCES[(number + step) % len(SENTENCES)] for step in range(3))
        texts.append(f"{words} Order #W{100_000 + number // 40}." if number % 20 == 0 else words)
    return talk(*texts)


LIMIT = 300
PATIENT = "The customer waits for a parcel patiently. "


def longest(prompt: Prompt) -> str:
    """Summarise with every order number there is, and as many words as a summary may have."""
    numbers = ", ".join(sorted(set(re.findall(r"#W\d+", text_of(prompt)))))
    text = f"Orders: {numbers}. "
    while COUNT(text) < LIMIT * 0.9:
        text += PATIENT
    return text


def forgetful(_prompt: Prompt) -> str:
    """Summarise without any number, each time: it is asked to repair that, and does not."""
    return PATIENT * 4


@pytest.mark.parametrize(("answer", "most"), [(longest, 1.3), (forgetful, 1.3)])
def test_over_400_turns_the_summariser_is_fed_about_the_conversation(
    answer: Callable[[Prompt], str], most: float
) -> None:
    messages = long_talk(400)
    rules, threshold, keep = Rules("m", LIMIT, 12_000), 2_000, 300
    claude = Summariser([answer])
    summary, fed, calls, stalest = Previous(), 0, 0, 0
    stored: list[Message] = []
    for message in messages:
        stored.append(message)
        behind = [each for each in stored if each.seq > summary.through]
        tokens = sum(tokens_of(each, COUNT) for each in behind)
        stalest = max(stalest, tokens)
        if tokens > threshold and message.role == "assistant":
            outcome = asyncio.run(summarise(claude, summary, behind[: boundary(behind, keep, COUNT)], rules, COUNT))
            assert isinstance(outcome, Made), outcome
            summary, fed, calls = outcome.summary, fed + outcome.tally.fed, calls + outcome.tally.calls
    conversation = sum(COUNT(message.content) for message in messages)
    covered = sum(COUNT(message.content) for message in messages if message.seq <= summary.through)
    assert fed <= most * covered <= most * conversation, f"{fed / covered:.3f} x, {calls} calls"
    assert stalest <= threshold + 2 * 100
    print(f"{conversation} tokens, fed {fed / covered:.2f} x what is covered, {calls} calls")  # noqa: T201 - the figure
    read = "\n".join(block_of(prompt, "conversation") for prompt in claude.asked)
    assert all(read.count(f"#W{100_000 + number}.") == 2 for number in range(10)), text_of(claude.asked[0])[:200]


def test_the_boundary_leaves_the_newest_turns() -> None:
    messages = long_talk(10)
    cut = boundary(messages, 300, COUNT)
    kept = messages[cut:]
    assert kept[0].role == "user"
    assert 0 < sum(COUNT(message.content) for message in kept) <= 300


def test_the_newest_turn_stays_whole_however_long() -> None:
    messages = talk("Hello there.", "Hello.", "word " * 5_000, "I see.")
    assert boundary(messages, 100, COUNT) == 2


def test_nothing_stays_of_a_session_that_is_over() -> None:
    assert boundary(long_talk(3), 0, COUNT) == 6


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 500)), max_size=40), st.integers(1, 2_000))
def test_what_stays_is_whole_turns_and_no_more_than_is_kept(said: list[tuple[bool, int]], keep: int) -> None:
    messages = [
        message.model_copy(update={"role": "user" if customer else "assistant", "tokens": tokens})
        for message, (customer, tokens) in zip(talk(*["x"] * len(said)), said, strict=True)
    ]
    cut = boundary(messages, keep, COUNT)
    kept = messages[cut:]
    assert 0 <= cut <= len(messages)
    if cut:
        assert kept[0].role == "user"
        turns = [
            at for at in range(1, len(messages)) if (messages[at - 1].role, messages[at].role) == ("assistant", "user")
        ]
        assert messages[cut - 1].role == "assistant" or not turns, "only what is one turn is cut within"
    starts = [at for at, each in enumerate(kept) if each.role == "user" and (at == 0 or kept[at - 1].role != "user")]
    if len(starts) > 1:
        assert sum(message.tokens for message in kept) <= keep
