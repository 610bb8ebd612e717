"""Messages and sessions far beyond an item of 400 KB and a page of 1 MB.

Every request is held to DynamoDB's own limits: `tests.contract.strict`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.settings import DYNAMODB_MESSAGE_CHARS
from shared.storage.dynamodb import inbox
from shared.storage.types import Claim, NotClaimed
from tests.contract.store import LIMITS, Desk, receipt_of
from tests.unit.storage.desks import Killable, Killed

# aiohttp would have large bodies in a file; two megabytes in memory keep the event loop for a moment only.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

LONGEST = "🙂" * DYNAMODB_MESSAGE_CHARS  # the most bytes that the most characters can take


async def test_the_longest_message_is_accepted_claimed_committed_listed_and_deleted(
    desk: Desk, client: Killable
) -> None:
    request = await desk.accept(LONGEST, metadata={"note": "x" * 2000})
    claim = await desk.claim(request)
    assert claim.request.message == LONGEST
    assert (await desk.answer(claim, "Re: " * 40_000)).verdict == "committed"
    again = await desk.claim(await desk.accept("And now?", session_id=request.session_id))
    assert [message.content for message in again.history] == [LONGEST, "Re: " * 40_000]
    record = await desk.own.request(request.request_id)
    assert record.result is not None
    assert (record.message, record.result.reply) == (LONGEST, "Re: " * 40_000)
    await desk.answer(again)
    assert (await desk.transcript(request))[0] == LONGEST
    await desk.own.delete_session(str(request.session_id))
    assert {name for name in await client.names() if not name.startswith("outbox/")} == set()


@pytest.mark.parametrize("ids", [1_000, 5_000])
async def test_a_turn_whose_every_part_is_as_large_as_it_may_be_is_committed(
    ids: int, desk: Desk, client: Killable
) -> None:
    metadata = {"quotes": '"' * 32_000}  # 64 KB as JSON
    request = await desk.accept("m" * 100_000, metadata=metadata)
    claim = await desk.claim(request)
    outcome = replace(desk.answered(claim, "r" * 120_000), receipt=receipt_of(ids))
    committed = await desk.own.commit(claim, outcome)
    assert (committed.verdict, committed.rows[0].metadata) == ("committed", metadata)
    assert await desk.own.commit(claim, outcome) == committed
    record = await desk.own.request(request.request_id)
    assert (record.message, record.metadata, record.receipt) == ("m" * 100_000, metadata, outcome.receipt)
    assert record.result == outcome.result
    await desk.own.delete_session(str(request.session_id))
    assert {name for name in await client.names() if not name.startswith("outbox/")} == set()


@pytest.mark.parametrize("good", [True, False], ids=["answered", "failed"])
async def test_no_part_of_a_finished_request_is_kept_longer_than_its_record(
    desk: Desk, client: Killable, *, good: bool
) -> None:
    request = await desk.accept("ü" * 90_000)
    claim = await desk.claim(request)
    outcome = desk.answered(claim, "Re: " * 40_000) if good else desk.failed(claim)
    client.writes_left = 1  # killed when it is committed, and before all is done
    with pytest.raises(Killed):
        await desk.own.commit(claim, outcome)
    client.writes_left = None
    assert (await desk.own.commit(claim, outcome)).verdict == "committed"
    parts = [item for item in await client.everything() if item["pk"].endswith(request.request_id)]
    assert len(parts) > (2 if good else 1)
    assert {item.get("ttl") for item in parts} == {(desk.clock.ms + LIMITS.request_retention_ms) // 1000}


async def test_the_longest_recorded_messages_take_their_turn_one_transaction_each(desk: Desk, client: Killable) -> None:
    request = await desk.accept("question")
    claim = await desk.claim(request)
    for number in range(3):
        await desk.own.record(str(request.session_id), desk.message(f"{number}{LONGEST[1:]}"), backdated=False)
    last = await desk.accept("another question", session_id=request.session_id)
    await desk.answer(claim, "answer")
    assert (await desk.claim(last)).request.id == last.request_id
    texts = await desk.transcript(request)
    assert texts[:2] == ["question", "answer"]
    assert [text[0] for text in texts[2:]] == ["0", "1", "2"]
    assert all(text[1:] == LONGEST[1:] for text in texts[2:])
    assert not [name for name in await client.names() if " in/" in name]


async def test_many_recorded_messages_take_their_turn_in_some_transactions(desk: Desk) -> None:
    request = await desk.accept("question")
    claim = await desk.claim(request)
    count = 2 * inbox.DRAINED_AT_ONCE + 3
    for number in range(count):
        await desk.own.record(str(request.session_id), desk.message(str(number)), backdated=False)
    done = await desk.answer(claim, "answer")
    assert done.more
    assert await desk.look(request) == NotClaimed("idle")
    assert await desk.transcript(request) == ["question", "answer", *map(str, range(count))]


async def test_a_long_history_is_read_in_bounded_pages_and_listed_in_full(desk: Desk, client: Killable) -> None:
    request = await desk.turn("first")
    text = "ä" * 150_000  # 300 KB: three to a page of 1 MB
    for number in range(12):
        message = desk.message(f"{number:02d}{text}", tokens=100)
        await desk.own.record(str(request.session_id), message, backdated=False)
    last = await desk.accept("newest", session_id=request.session_id)
    client.asked.clear()
    claim = await desk.own.claim(desk.ref(last), "nonce", 350, quarantine=False)
    assert isinstance(claim, Claim)
    assert [message.content[:2] for message in claim.history] == ["08", "09", "10", "11"]
    assert not claim.history_complete
    reads = [arguments for operation, arguments in client.asked if operation == "query"]
    assert len([asked for asked in reads if asked["ExpressionAttributeValues"].get(":first") == {"S": "m/"}]) == 2
    assert [content[:2] for content in await desk.transcript(request)] == [
        "fi",
        "Re",
        *(f"{number:02d}" for number in range(12)),
    ]
    page = await desk.own.messages(str(request.session_id), 5, 0)
    assert (len(page.items), page.cursor) == (5, "5")
