"""Recall: an earlier turn that matters for a message is in the context, whichever session it was said in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.recall.codec import unpack
from shared.remembering.indexes import Indexes
from shared.storage.memory import IndexPiece
from tests.contract.store import DAY, MINUTE, Desk
from tests.unit.remembering.shop import Shop, open_shop

SMALL_TALK = (
    "It has been raining here for days, and the garden is under water.",
    "My sister is getting married in spring, we are all looking forward to it.",
    "I have been reading a lot about trains lately, fascinating stuff.",
    "The neighbours have a new dog, it barks at the postman.",
)


async def test_a_fact_of_an_earlier_session_is_recalled(shop: Shop) -> None:
    earlier = await shop.talk("My bicycle has the serial number WTU-7741.", *SMALL_TALK)
    shop.desk.clock.pass_(30 * DAY)
    await shop.say("Which serial number does my bicycle have?")
    assert "WTU-7741" in shop.prompt
    part = await shop.part("recall")
    assert part is not None
    assert f"{earlier}/1" in part.included
    assert part.why is not None
    assert "words" in part.why[f"{earlier}/1"]


async def test_what_this_session_said_before_the_window_is_recalled(desk: Desk, executor: ThreadPoolExecutor) -> None:
    shop = open_shop(desk, executor, token_budget_max=1200, token_budget_reserve=300)
    session = await shop.say("My bicycle has the serial number WTU-7741.")
    for number in range(40):
        await shop.say(f"{number}: {SMALL_TALK[number % 4]}", session=session)
    assert "WTU-7741" not in shop.prompt
    await shop.read(session)
    await shop.say("Which serial number does my bicycle have?", session=session)
    assert "WTU-7741" in shop.prompt
    receipt = await shop.receipt()
    assert receipt.window is not None
    assert receipt.window.first > 1
    assert receipt.tokens <= 900


async def test_nothing_of_another_customer_or_tenant_is(shop: Shop, executor: ThreadPoolExecutor) -> None:
    await shop.talk("My bicycle has the serial number WTU-7741.", customer="cust-2")
    elsewhere = open_shop(shop.desk.of("globex"), executor)
    await elsewhere.talk("My bicycle has the serial number GLO-1111.", customer="cust-1")
    await shop.talk("Hello, I like trains.")
    await shop.say("Which serial number does my bicycle have?")
    assert "WTU-7741" not in shop.prompt
    assert "GLO-1111" not in shop.prompt


async def test_a_deleted_session_is_not_recalled_any_more(shop: Shop) -> None:
    session = await shop.talk("My bicycle has the serial number WTU-7741.")
    await shop.say("Which serial number does my bicycle have?")
    assert "WTU-7741" in shop.prompt
    await shop.desk.own.delete_session(session)
    await shop.say("Which serial number does my bicycle have?")
    assert "WTU-7741" not in shop.prompt


async def test_a_redacted_message_is_not_recalled_and_the_others_are_again(shop: Shop) -> None:
    session = await shop.talk("My bicycle has the serial number WTU-7741.", "My boat is called Marie.")
    await shop.desk.own.redact(session, 1)
    assert await shop.read(session) == "read"
    await shop.say("Which serial number does my bicycle have, and what is my boat called?")
    assert "WTU-7741" not in shop.prompt
    assert "Marie" in shop.prompt


async def test_the_share_of_nothing_recalls_nothing(desk: Desk, executor: ThreadPoolExecutor) -> None:
    shop = open_shop(desk, executor, recall_share=0)
    await shop.talk("My bicycle has the serial number WTU-7741.")
    await shop.say("Which serial number does my bicycle have?")
    assert "WTU-7741" not in shop.prompt


async def test_an_index_is_read_once_and_then_only_what_is_new(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await shop.talk(*SMALL_TALK)
    reads: list[int] = []
    of = type(shop.desk.own)
    real = of.index_changes

    async def counted(self: object, *given: object) -> object:
        changes = await real(self, *given)  # type: ignore[arg-type]
        reads.append(len(changes.pieces))
        return changes

    monkeypatch.setattr(of, "index_changes", counted)
    for _ in range(3):
        await shop.say("What about the garden?")
    assert reads == [1]
    await shop.say("My boat is called Marie.", session=session)
    await shop.read(session)
    for _ in range(3):
        await shop.say("What about the garden?")
    assert reads == [1, 1]


async def test_a_turn_goes_on_without_recall_where_that_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.talk(*SMALL_TALK)

    async def broken(*_given: object) -> object:
        from shared.errors import StoreError  # noqa: PLC0415 - only here

        raise StoreError("oops")

    monkeypatch.setattr(type(shop.desk.own), "turns", broken)
    with capture_logs() as logs:
        await shop.say("What about the garden?")
    assert "turn.recall_failed" in [entry["event"] for entry in logs]


async def test_what_cannot_be_read_is_made_anew(shop: Shop) -> None:
    session = await shop.talk("My bicycle has the serial number WTU-7741.")
    claim = await shop.desk.own.claim_summary(session, "x", force=True)
    assert claim is not None
    outdated = IndexPiece(session, 0, bytes([7]) + b"of another version")
    await shop.desk.own.put_pieces(claim, [outdated], 2)
    shop.desk.clock.pass_(10 * MINUTE)
    with capture_logs() as logs:
        await shop.say("Which serial number does my bicycle have?")
    assert "index.unreadable" in [entry["event"] for entry in logs]
    assert await shop.read(session) == "read"
    await shop.say("Which serial number does my bicycle have?")
    assert "WTU-7741" in shop.prompt


async def test_a_session_is_indexed_page_by_page_and_goes_on_where_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.remembering.indexing.PAGE", 7)
    said = [f"Sentence number {number}: {SMALL_TALK[number % 4]}" for number in range(300)]
    ref = await shop.bureau.session(*said, strategy="sliding_window")
    assert await shop.read(ref.session_id) == "read"
    await shop.bureau.say(ref, "My boat is called Marie.")
    assert await shop.read(ref.session_id) == "read"
    pieces = (await shop.desk.own.index_changes("cust-1", None)).pieces
    chunks = sorted((unpack(piece.value) for piece in pieces), key=lambda chunk: chunk.first)
    assert [seq for chunk in chunks for seq in chunk.seqs] == list(range(1, 302))
    assert [piece.number for piece in sorted(pieces, key=lambda piece: piece.number)] == list(range(len(pieces)))
    assert len(pieces) > 2


async def test_the_least_used_indexes_give_way(shop: Shop) -> None:
    for number in range(4):
        await shop.talk(*SMALL_TALK, customer=f"cust-{number}")
    one = (await Indexes(10**9).of(shop.desk.own, "cust-0")).size
    held = Indexes(2 * one + one // 2)
    kept = [await held.of(shop.desk.own, f"cust-{number}") for number in range(4)]
    assert list(held._held) == [("acme", "cust-2"), ("acme", "cust-3")]
    assert await held.of(shop.desk.own, "cust-3", kept[3].mark) is kept[3]


async def test_an_index_that_gives_way_while_it_is_read_on_is_whole_all_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await shop.talk("My bicycle has the serial number WTU-7741.")
    await shop.talk(*SMALL_TALK, customer="cust-2")
    indexes = Indexes(1)
    await indexes.of(shop.desk.own, "cust-1")
    await shop.talk("My boat is called Marie.")
    of, real = type(shop.desk.own), type(shop.desk.own).index_changes
    meanwhile = ["cust-2"]

    async def slow(self: Any, *given: Any) -> Any:
        changes = await real(self, *given)
        if meanwhile:
            await indexes.of(shop.desk.own, meanwhile.pop())
        return changes

    monkeypatch.setattr(of, "index_changes", slow)
    index = await indexes.of(shop.desk.own, "cust-1")
    assert session in {name for name, _ in index.chunks}
    assert len(index.chunks) == 2
    assert await indexes.of(shop.desk.own, "cust-1", index.mark) is index


async def test_a_session_with_nothing_to_index_is_done_with(shop: Shop) -> None:
    ref = await shop.bureau.session("  ", "\n")
    assert await shop.read(ref.session_id) == "read"
    assert await shop.read(ref.session_id) == "not-due"
