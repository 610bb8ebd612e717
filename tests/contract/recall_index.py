"""The recall index: kept by the job that is current, read as far as it is new, and gone with its session."""

from __future__ import annotations

import pytest

from shared.errors import UnknownSession
from shared.ids import SessionRef, bucket_of
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.memory import IndexPiece
from shared.storage.types import NewSession
from tests.contract.store import MEMORY_LIMITS, Desk
from tests.contract.summaries import due, say, spoken


async def memory_claim(desk: Desk, ref: SessionRef) -> SummaryClaim:
    """Take the session's job, whatever is due."""
    claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True)
    assert claim is not None
    return claim


async def put(desk: Desk, ref: SessionRef, *values: bytes, start: int = 0, through: int = 1) -> SummaryClaim:
    """Keep pieces of a session, and end the job."""
    claim = await memory_claim(desk, ref)
    pieces = [IndexPiece(ref.session_id, number, value) for number, value in enumerate(values, start)]
    assert await desk.own.put_pieces(claim, pieces, through)
    await desk.own.end_summary(claim, SummaryOutcome(left=True))
    return claim


class RecallIndexContract:
    """The rules, for any store."""

    limits = MEMORY_LIMITS

    async def test_without_an_index_there_is_nothing(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        changes = await desk.own.index_changes("cust-1", None)
        assert (changes.pieces, changes.anew) == ((), True)
        assert await desk.own.last_piece(ref.session_id) is None
        assert (await desk.claim(await desk.accept("Hi", session_id=ref.session_id))).index is None

    async def test_pieces_come_back_newest_first(self, desk: Desk) -> None:
        one, other = await spoken(desk, 5), await spoken(desk, 5)
        await put(desk, one, b"one-0", bytes(range(256)))
        await put(desk, other, b"other-0")
        changes = await desk.own.index_changes("cust-1", None)
        assert changes.anew
        assert changes.pieces[0] == IndexPiece(other.session_id, 0, b"other-0")
        assert set(changes.pieces[1:]) == {
            IndexPiece(one.session_id, 0, b"one-0"),
            IndexPiece(one.session_id, 1, bytes(range(256))),
        }
        assert await desk.own.last_piece(one.session_id) == IndexPiece(one.session_id, 1, bytes(range(256)))
        claim = await desk.claim(await desk.accept("Hi", session_id=one.session_id))
        assert claim.index == changes.mark

    async def test_only_what_is_new_is_read(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await put(desk, ref, b"a", b"b")
        before = (await desk.own.index_changes("cust-1", None)).mark
        nothing = await desk.own.index_changes("cust-1", before)
        assert (nothing.mark, nothing.pieces, nothing.anew) == (before, (), False)
        await put(desk, ref, b"b+", b"c", start=1, through=2)
        changes = await desk.own.index_changes("cust-1", before)
        assert not changes.anew
        assert {(each.number, each.value) for each in changes.pieces} == {(1, b"b+"), (2, b"c")}
        assert changes.mark.version > before.version
        whole = await desk.own.index_changes("cust-1", None)
        assert {(each.number, each.value) for each in whole.pieces} == {(0, b"a"), (1, b"b+"), (2, b"c")}

    async def test_a_long_index_is_read_up_to_its_bound(self, desk: Desk) -> None:
        size = MEMORY_LIMITS.index_bytes // 4
        refs = [await spoken(desk, 5) for _ in range(6)]
        for ref in refs:
            await put(desk, ref, bytes(size))
        read = (await desk.own.index_changes("cust-1", None)).pieces
        assert 3 <= len(read) <= 5
        assert [each.session_id for each in read] == [ref.session_id for ref in reversed(refs)][: len(read)]

    async def test_only_the_current_job_puts_pieces(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        late = await memory_claim(desk, ref)
        desk.clock.pass_(MEMORY_LIMITS.summary_lease_ms)
        await put(desk, ref, b"right")
        assert not await desk.own.put_pieces(late, [IndexPiece(ref.session_id, 0, b"late")], 1)
        assert [each.value for each in (await desk.own.index_changes("cust-1", None)).pieces] == [b"right"]

    async def test_the_job_knows_how_far_the_session_was_indexed_and_read(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        assert (claim.indexed, claim.read) == (0, 0)
        await desk.own.put_pieces(claim, [IndexPiece(ref.session_id, 0, b"a")], 1)
        await desk.own.end_summary(claim, SummaryOutcome(read=1, read_tokens=5))
        claim = await memory_claim(desk, ref)
        assert (claim.indexed, claim.read) == (1, 1)

    async def test_a_session_is_due_a_little_after_the_last_word(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        assert not await due(desk, ref)
        desk.clock.pass_(MEMORY_LIMITS.memory_delay_ms)
        assert await due(desk, ref)
        claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
        assert claim is not None
        assert claim.reason == "memory"
        await desk.own.put_pieces(claim, [IndexPiece(ref.session_id, 0, b"a")], 1)
        await desk.own.end_summary(claim, SummaryOutcome(read=1, read_tokens=5))
        assert not await due(desk, ref)
        await say(desk, ref, "And?", 5)
        desk.clock.pass_(MEMORY_LIMITS.memory_delay_ms)
        assert await due(desk, ref)

    async def test_it_is_due_at_once_when_much_was_said(self, desk: Desk) -> None:
        ref = await spoken(desk, MEMORY_LIMITS.memory_threshold_tokens + 1, strategy="sliding_window")
        claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
        assert claim is not None
        assert claim.reason == "memory"
        await desk.own.put_pieces(claim, [IndexPiece(ref.session_id, 0, b"a")], 1)
        await desk.own.end_summary(claim, SummaryOutcome(read=1, read_tokens=MEMORY_LIMITS.memory_threshold_tokens + 1))
        await say(desk, ref, "And?", 5)
        assert not await due(desk, ref)

    async def test_reading_for_memory_leaves_the_summary_due(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        desk.clock.pass_(MEMORY_LIMITS.memory_delay_ms)
        claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
        assert claim is not None
        await desk.own.put_pieces(claim, [IndexPiece(ref.session_id, 0, b"a")], 1)
        await desk.own.end_summary(claim, SummaryOutcome(read=1, read_tokens=5))
        desk.clock.pass_(MEMORY_LIMITS.summary_idle_ms)
        again = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
        assert again is not None
        assert again.reason == "idle"

    async def test_a_deleted_session_takes_its_pieces_along(self, desk: Desk) -> None:
        one, other = await spoken(desk, 5), await spoken(desk, 5)
        await put(desk, one, b"a", b"b")
        await put(desk, other, b"c")
        before = (await desk.own.index_changes("cust-1", None)).mark
        await desk.own.delete_session(one.session_id)
        changes = await desk.own.index_changes("cust-1", before)
        assert changes.anew
        assert [each.value for each in changes.pieces] == [b"c"]
        with pytest.raises(UnknownSession):
            await desk.own.last_piece(one.session_id)

    async def test_a_redacted_message_leaves_the_index_with_its_session_which_is_made_anew(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        await desk.own.put_pieces(claim, [IndexPiece(ref.session_id, 0, b"a")], 1)
        await desk.own.end_summary(claim, SummaryOutcome(read=1, read_tokens=5))
        before = (await desk.own.index_changes("cust-1", None)).mark
        await desk.own.redact(ref.session_id, 1)
        changes = await desk.own.index_changes("cust-1", before)
        assert (changes.anew, changes.pieces) == (True, ())
        desk.clock.pass_(MEMORY_LIMITS.memory_delay_ms)
        again = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
        assert again is not None
        assert (again.reason, again.indexed, again.read) == ("memory", 0, 1)

    async def test_a_session_is_indexed_anew_when_that_is_wanted(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await put(desk, ref, b"a", b"b")
        await desk.own.reindex(ref.session_id)
        assert (await desk.own.index_changes("cust-1", None)).pieces == ()
        desk.clock.pass_(MEMORY_LIMITS.memory_delay_ms)
        again = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
        assert again is not None
        assert (again.indexed, again.token.number) == (0, claim.token.number + 1)
        assert await desk.own.put_pieces(again, [], 1), "there was nothing to index"
        await desk.own.end_summary(again, SummaryOutcome(read=1, read_tokens=5))
        assert (await memory_claim(desk, ref)).indexed == 1

    async def test_a_deleted_session_gets_no_pieces_any_more(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        await desk.own.delete_session(ref.session_id)
        assert not await desk.own.put_pieces(claim, [IndexPiece(ref.session_id, 0, b"a")], 1)
        assert (await desk.own.index_changes("cust-1", None)).pieces == ()

    async def test_another_customers_index_is_another(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await put(desk, ref, b"a")
        assert (await desk.own.index_changes("cust-2", None)).pieces == ()
        assert (await desk.of("globex").own.index_changes("cust-1", None)).pieces == ()

    async def test_turns_are_read_in_the_order_asked_and_within_their_tokens(self, desk: Desk) -> None:
        one, other = await spoken(desk, 5), await spoken(desk, 7)
        await say(desk, one, "Second", 11)
        await say(desk, one, "x" * 300_000, 9)
        places = [(one.session_id, 2), (other.session_id, 1), (one.session_id, 1)]
        read = await desk.own.turns("cust-1", places, 1_000)
        assert [(session, each.seq, each.content) for session, each in read] == [
            (one.session_id, 2, "Second"),
            (other.session_id, 1, "Hello"),
            (one.session_id, 1, "Hello"),
        ]
        assert [each.seq for _, each in await desk.own.turns("cust-1", places, 18)] == [2, 1]
        assert [each.seq for _, each in await desk.own.turns("cust-1", places, 10)] == [1], (
            "one too long is passed over"
        )
        assert len((await desk.own.turns("cust-1", [(one.session_id, 3)], 9))[0][1].content) == 300_000
        assert await desk.own.turns("cust-1", [], 9) == []

    async def test_turns_that_are_gone_or_anothers_are_not_there(self, desk: Desk) -> None:
        ref, gone = await spoken(desk, 5), await spoken(desk, 5)
        hers = desk.ids.session(bucket_of(desk.tenant, "cust-2"))
        await desk.own.create_session(hers, NewSession("cust-2"))
        await desk.own.record(hers, desk.message("secret", tokens=3), backdated=False)
        await desk.own.delete_session(gone.session_id)
        places = [(hers, 1), (gone.session_id, 1), (ref.session_id, 9), (ref.session_id, 1)]
        assert [each.content for _, each in await desk.own.turns("cust-1", places, 100)] == ["Hello"]
        assert await desk.of("globex").own.turns("cust-1", places, 100) == []
