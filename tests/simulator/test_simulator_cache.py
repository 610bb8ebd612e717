"""Usage and the prompt cache: what is counted, written, read, and when it is forgotten."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from anthropic.types import CacheControlEphemeralParam, MessageParam, TextBlockParam, Usage
from tiktoken import Encoding

from simulator.blocks import blocks_of
from simulator.cache import LOOKBACK, InputUsage, PromptCache, prefixes_of
from simulator.server import create_app
from simulator.testing import ManualClock, running
from simulator.tokens import TokenCounter
from simulator.wire import CacheControl, Message, MessagesRequest, TextBlock

MODEL = "claude-sonnet-4-6"
LONG = "order " * 2_500
SAMPLES = (
    "plain words, and 12,345.67!\n\n\n  indented\r\n\r\nmore\n\t\ttabs \n",
    "trailing space \n next \n\u00a0odd\n\u2028odd\n\x1codd",
    "don't\n'tis\n!!!\n\n???\nWHAT'S\n",
    "订单号\nनंबर\n🙂\n🙂🙂\n",
    "x" * 3_000 + "\n" + "7" * 3_000,
    "",
    "<|endoftext|>\n<|fim_prefix|>",
)


class Conversation:
    """A client whose clock is held by the test, and a conversation whose last block is cached."""

    def __init__(self, client: AsyncAnthropic, clock: ManualClock) -> None:
        self.clock = clock
        self._client = client
        self._messages: list[MessageParam] = []

    async def say(self, text: str, *, system: str = LONG) -> Usage:
        cached: TextBlockParam = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
        hour: CacheControlEphemeralParam = {"type": "ephemeral", "ttl": "1h"}
        instructions: TextBlockParam = {"type": "text", "text": system, "cache_control": hour}
        reply = await self._client.messages.create(
            model=MODEL,
            max_tokens=100,
            system=[instructions],
            messages=[*self._messages, {"role": "user", "content": [cached]}],
        )
        assert reply.content[0].type == "text"
        self._messages += [{"role": "user", "content": text}, {"role": "assistant", "content": reply.content[0].text}]
        return reply.usage


@pytest_asyncio.fixture
async def conversation(counter: TokenCounter) -> AsyncIterator[Conversation]:
    clock = ManualClock()
    with running(create_app(counter=counter, clock=clock)) as url:
        async with AsyncAnthropic(
            api_key="simulated", base_url=url, max_retries=0, http_client=DefaultAioHttpClient(verify=False)
        ) as client:
            yield Conversation(client, clock)


def total(usage: Usage) -> int:
    return usage.input_tokens + (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)


@pytest.mark.asyncio
async def test_each_turn_reads_what_the_turn_before_wrote(conversation: Conversation) -> None:
    first = await conversation.say("My order number is A-1234.")
    second = await conversation.say("And I like tea.")
    third = await conversation.say("What is my order number?")

    assert first.cache_read_input_tokens == 0
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens > 2_500
    assert 0 < first.cache_creation.ephemeral_5m_input_tokens < 30
    assert second.cache_read_input_tokens == total(first)
    assert third.cache_read_input_tokens == total(second)
    assert (third.input_tokens, third.cache_creation_input_tokens) == (0, total(third) - total(second))


@pytest.mark.asyncio
async def test_five_minutes_are_forgotten_before_an_hour(conversation: Conversation) -> None:
    first = await conversation.say("My order number is A-1234.")
    conversation.clock.advance(301)
    later = await conversation.say("And I like tea.")
    conversation.clock.advance(3_601)
    much_later = await conversation.say("Hello?")

    assert first.cache_creation is not None
    assert later.cache_read_input_tokens == first.cache_creation.ephemeral_1h_input_tokens
    assert much_later.cache_read_input_tokens == 0


@pytest.mark.asyncio
async def test_a_hit_begins_the_five_minutes_again(conversation: Conversation) -> None:
    usage = await conversation.say("My order number is A-1234.")
    for _ in range(3):
        before = total(usage)
        conversation.clock.advance(299)
        usage = await conversation.say("Go on.")
        assert usage.cache_read_input_tokens == before


@pytest.mark.asyncio
async def test_a_changed_prefix_reads_nothing(conversation: Conversation) -> None:
    await conversation.say("Hi")

    assert (await conversation.say("Hi", system=LONG + "!")).cache_read_input_tokens == 0


@pytest.mark.asyncio
async def test_a_short_prefix_is_not_cached(conversation: Conversation) -> None:
    first = await conversation.say("Hi", system="Be brief.")
    second = await conversation.say("Hi", system="Be brief.")

    assert (first.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, 0)
    assert second.input_tokens == total(second)


def request(*texts: str, marked: int | None = None, **more: object) -> MessagesRequest:
    """Build one user message of many blocks; block `marked` (from the end: -1) ends with a breakpoint."""
    blocks = [TextBlock(type="text", text=text) for text in texts]
    if marked is not None:
        blocks[marked] = TextBlock(type="text", text=texts[marked], cache_control=CacheControl(type="ephemeral"))
    message = Message(role="user", content=[*blocks])
    return MessagesRequest.model_validate({"model": MODEL, "max_tokens": 9, "messages": [message], **more})


def spend(cache: PromptCache, asked: MessagesRequest, counter: TokenCounter) -> InputUsage:
    prefixes = prefixes_of(asked, blocks_of(asked), counter)
    spent = cache.account(prefixes, 0.0)
    cache.remember(prefixes, 0.0)
    return spent


@pytest.mark.parametrize(("added", "hits"), [(LOOKBACK - 1, 1), (LOOKBACK, 0)])
def test_a_breakpoint_looks_back_twenty_positions(counter: TokenCounter, added: int, hits: int) -> None:
    cache = PromptCache()
    written = spend(cache, request(LONG, marked=-1), counter)

    longer = spend(cache, request(LONG, *["more"] * added, marked=-1), counter)

    assert longer.read == hits * written.created_5m


def test_without_a_breakpoint_nothing_is_read_or_written(counter: TokenCounter) -> None:
    cache = PromptCache()
    spend(cache, request(LONG, marked=-1), counter)

    plain = spend(cache, request(LONG), counter)

    assert (plain.read, plain.created_5m, plain.created_1h) == (0, 0, 0)


def test_the_top_level_field_marks_the_last_block(counter: TokenCounter) -> None:
    cache = PromptCache()
    first = spend(cache, request(LONG, cache_control={"type": "ephemeral", "ttl": "1h"}), counter)
    second = spend(cache, request(LONG, "more", cache_control={"type": "ephemeral", "ttl": "1h"}), counter)

    assert (first.fresh, first.created_5m) == (0, 0)
    assert second.read == first.created_1h
    assert second.fresh == 0


@pytest.mark.parametrize(("ttl", "spent_on"), [({}, "created_5m"), ({"ttl": "1h"}, "created_1h")])
def test_a_tool_may_carry_a_breakpoint(counter: TokenCounter, ttl: dict[str, str], spent_on: str) -> None:
    tool = {"name": "handoff", "description": LONG, "cache_control": {"type": "ephemeral", **ttl}}

    spent = spend(PromptCache(), request("Hi", tools=[tool]), counter)

    assert getattr(spent, spent_on) > counter.count(LONG)
    assert spent.fresh < 10


def test_what_follows_the_last_breakpoint_is_fresh(counter: TokenCounter) -> None:
    spent = spend(PromptCache(), request(LONG, "tea please", marked=0), counter)

    assert spent.fresh == counter.count("tea please")


@pytest.mark.parametrize("change", [{"model": "claude-sonnet-5-5"}, {"thinking": {"type": "disabled"}}])
def test_another_model_or_mode_shares_nothing(counter: TokenCounter, change: dict[str, object]) -> None:
    cache = PromptCache()
    spend(cache, request(LONG, marked=-1), counter)

    assert spend(cache, request(LONG, marked=-1, **change), counter).read == 0


@pytest.mark.parametrize("text", SAMPLES, ids=range(len(SAMPLES)))
def test_counting_line_by_line_is_counting_the_whole(encoding: Encoding | None, text: str) -> None:
    assert encoding is not None
    for sample in (text, text * 3, "a " + text + " b"):
        assert TokenCounter(encoding).count(sample) == len(encoding.encode_ordinary(sample))


def test_a_cut_leaves_no_half_character(counter: TokenCounter) -> None:
    text = "🙂订单" * 5

    cuts = [counter.cut(text, limit) for limit in range(1, counter.count(text) + 1)]

    assert all(text.startswith(cut) for cut in cuts)
    assert cuts[-1] == text


def test_without_a_vocabulary_it_estimates() -> None:
    counter = TokenCounter(None)

    assert (counter.count("abcd"), counter.count(""), counter.cut("abcdefgh", 2)) == (2, 0, "abcdef")
