"""What moving between stores must promise, whichever they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from cli.mover import Mover
from shared.errors import UnknownMemory, UnknownRequest, UnknownSession
from shared.ids import SessionRef, bucket_of
from shared.models import Attachment, Session
from shared.storage.dynamodb.actions import update
from shared.storage.dynamodb.base import HEAD
from shared.storage.dynamodb.portable import DynamoPortable
from shared.storage.dynamodb.schema import session_key
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.portable import Dump, Kept, MovedOn, Part, Portable, Unit, Vanished
from shared.storage.redis.portable import RedisPortable
from shared.storage.redis.store import RedisStore
from shared.storage.types import NewRequest, NewSession, NotClaimed, SessionPatch
from tests.contract.store import LIMITS, MINUTE, SECOND, Desk, receipt_of

LONG = "Größe 42 "


def portable_of(desk: Desk) -> Portable:
    """Return the same store as one that can be moved."""
    if isinstance(desk.store, DynamoStore):
        return DynamoPortable(desk.store._client, LIMITS)
    assert isinstance(desk.store, RedisStore)
    return RedisPortable(desk.store._client, LIMITS)


@dataclass
class Pair:
    """Two stores, and short words for what is moved between them."""

    source: Desk
    target: Desk

    def turned(self) -> Pair:
        """Return the way back."""
        return Pair(self.target, self.source)

    def mover(self, *, live: bool = False, tenants: tuple[str, ...] = ()) -> Mover:
        return Mover(portable_of(self.source), portable_of(self.target), tenants, live=live)

    async def move(self) -> None:
        """Move everything, and compare: both hold the same, and know it."""
        await self.mover(live=True).run_pass()
        await self.mover().run_pass()
        await self.mover().move_rows()
        found = await self.mover().compare(LIMITS.request_retention_ms, mark=True)
        assert not found.differing, found.named

    async def dumps(self, unit: Unit) -> list[Dump | None]:
        """Return a unit as each store tells it."""
        kept = [await portable_of(desk).look(unit, steady=True) for desk in (self.source, self.target)]
        return [one.dump if one is not None else None for one in kept]

    async def sessions(self, customer: str = "cust-1") -> list[tuple[Session, ...]]:
        """Return a customer's sessions in both stores."""
        return [(await desk.own.sessions(customer, 50, None)).items for desk in (self.source, self.target)]


def unit_of(desk: Desk, request: NewRequest) -> Unit:
    """Return the unit of a request's session."""
    return Unit("session", desk.tenant, str(request.session_id))


async def set_head(desk: Desk, ref: SessionRef, name: str, value: str) -> None:
    """Put a field into a session's head that this version knows nothing of."""
    if isinstance(desk.store, DynamoStore):
        key = session_key(ref.tenant, ref.session_id, HEAD)
        await desk.store._client.write(update(key, f"SET #{name} = :value", None, value=value))
        return
    redis = cast("RedisStore", desk.store)._client.redis
    await cast("Any", redis.hset(f"cm:{{{ref.bucket}}}:t:{ref.tenant}:ses:{ref.session_id}", name, value))


class PortableContract:
    """From one store into another, fresh one."""

    async def test_a_session_is_the_same_in_both(self, pair: Pair) -> None:
        source = pair.source
        first = await source.turn("one", conversation_id="case 7/ü")
        for text in ("two", "three"):
            await source.turn(text, session_id=first.session_id)
        await source.own.update_session(str(first.session_id), SessionPatch(title="Lamp", tags=["a", "b"]))
        await set_head(source, source.ref(first), "pin", "carried along")
        await pair.move()

        one, other = await pair.dumps(unit_of(source, first))
        assert one is not None
        assert other is not None
        assert one.stamp == other.stamp
        assert other.fields["pin"] == "carried along"
        assert await pair.target.transcript(first) == await source.transcript(first)
        assert await pair.target.own.request(first.request_id) == await source.own.request(first.request_id)
        before, after = await pair.sessions()
        assert before == after
        assert len(after) == 1

    async def test_a_conversation_goes_on_in_the_session_it_was_bound_to(self, pair: Pair) -> None:
        first = await pair.source.turn("one", conversation_id="case-7")
        await pair.move()
        second = await pair.target.turn("two", conversation_id="case-7")
        assert second.session_id == first.session_id
        assert await pair.target.transcript(second) == ["one", "Re: one", "two", "Re: two"]

    async def test_closed_and_empty_sessions_move(self, pair: Pair) -> None:
        first = await pair.source.turn("one")
        await pair.source.own.update_session(str(first.session_id), SessionPatch(status="closed"))
        bucket = bucket_of("acme", "cust-1")
        await pair.source.own.create_session(pair.source.ids.session(bucket), NewSession("cust-1", metadata={"a": 1}))
        await pair.move()
        before, after = await pair.sessions()
        assert before == after
        assert {session.status for session in after} == {"open", "closed"}

    async def test_what_waits_is_answered_in_the_target_in_its_order_and_once(self, pair: Pair) -> None:
        source, target = pair.source, pair.target
        first = await source.turn("one")
        second = await source.accept("two", session_id=first.session_id)
        recorded = await source.own.record(str(first.session_id), source.message("noted"), backdated=False)
        third = await source.accept("three", session_id=first.session_id)
        assert recorded.seq == 0
        await pair.move()

        assert await target.inside.tickets(target.ref(first)) == await source.inside.tickets(source.ref(first))
        claim = await target.claim(first)
        assert claim.request.id == second.request_id
        assert claim.token.number == 2
        assert [message.content for message in claim.history] == ["one", "Re: one"]
        await target.answer(claim, "Re: two")
        await target.answer(await target.claim(first), "Re: three")
        assert await target.look(first) == NotClaimed("idle")
        expected = ["one", "Re: one", "two", "Re: two", "noted", "three", "Re: three"]
        assert await target.transcript(first) == expected
        assert (await target.own.request(third.request_id)).status == "succeeded"

    async def test_what_waits_is_found_by_the_reconciler_of_the_target(self, pair: Pair) -> None:
        request = await pair.source.accept("one")
        await pair.move()
        pair.target.clock.pass_(MINUTE)
        found = await pair.target.store.overdue(pair.target.ref(request).bucket, 10)
        assert found == [(pair.target.ref(request), False)]

    async def test_a_parked_request_sleeps_on_in_the_target(self, pair: Pair) -> None:
        request = await pair.source.accept("one")
        claim = await pair.source.claim(request)
        await pair.source.own.park(claim, 90 * SECOND, "overloaded", asked=True)
        await pair.move()
        kept = await pair.target.own.request(request.request_id)
        assert (kept.waiting_for, kept.attempts) == ("overloaded", 1)
        assert await pair.target.look(request) == NotClaimed("parked")
        pair.target.clock.pass_(100 * SECOND)
        assert (await pair.target.claim(request)).token.number == 2

    async def test_an_unexplained_claim_goes_into_quarantine_in_the_target(self, pair: Pair) -> None:
        request = await pair.source.accept("one")
        await pair.source.claim(request)
        pair.source.clock.pass_(MINUTE)
        assert await pair.source.look(request) == NotClaimed("quarantine")
        await pair.source.claim(request, quarantine=True)
        pair.source.clock.pass_(MINUTE)
        await pair.move()
        pair.target.clock.pass_(2 * MINUTE)
        assert await pair.target.look(request) == NotClaimed("quarantine")
        claim = await pair.target.claim(request, quarantine=True)
        assert claim.token.number == 3
        assert not claim.condemned
        assert (await pair.target.answer(claim)).verdict == "committed"

    async def test_a_session_that_is_being_answered_is_seen_to_be(self, pair: Pair) -> None:
        request = await pair.source.accept("one")
        await pair.source.claim(request)
        assert (await pair.mover().run_pass()).busy == 1

    async def test_long_messages_and_results_move_whole(self, pair: Pair) -> None:
        text = LONG * 13_000
        request = await pair.source.accept(text)
        claim = await pair.source.claim(request)
        await pair.source.own.commit(claim, replace(pair.source.answered(claim, text + "!"), receipt=receipt_of(5_000)))
        longer = "x" * 400_000
        await pair.source.own.record(str(request.session_id), pair.source.message(longer), backdated=False)
        waiting = await pair.source.accept(text + "?", session_id=request.session_id)
        await pair.source.own.record(str(request.session_id), pair.source.message(longer + "y"), backdated=False)
        await pair.move()
        assert await pair.target.transcript(request) == [text, text + "!", longer]
        record = await pair.target.own.request(request.request_id)
        assert record.result is not None
        assert (record.result.reply, record.receipt) == (text + "!", receipt_of(5_000))
        assert (await pair.target.own.request(waiting.request_id)).message == text + "?"
        await pair.target.answer(await pair.target.claim(request))
        assert await pair.target.look(request) == NotClaimed("idle")
        assert (await pair.target.transcript(request))[-1] == longer + "y"

    async def test_what_is_known_of_attachments_moves(self, pair: Pair) -> None:
        invoice = Attachment(name="Rechnung.pdf", content_type="application/pdf", size=182_344)
        done = await pair.source.turn("Hello")
        message = pair.source.message("Here", attachments=(invoice,))
        await pair.source.own.record(str(done.session_id), message, backdated=False)
        waits = await pair.source.accept("And", session_id=done.session_id, attachments=(invoice,))
        await pair.move()
        assert (await pair.target.own.request(waits.request_id)).attachments == (invoice,)
        assert (await pair.target.claim(waits)).history[-1].attachments == (invoice,)

    async def test_long_transcripts_come_page_by_page(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        for number in range(120):
            await pair.source.own.record(str(request.session_id), pair.source.message(f"{number}"), backdated=False)
        source = portable_of(pair.source)
        kept = await source.look(unit_of(pair.source, request), steady=False)
        assert kept is not None
        assert kept.dump is not None
        pages = [len(part.lines) async for part in source.parts(kept.dump, 0)]
        assert pages == [50, 50, 22]
        await pair.move()
        assert await pair.target.transcript(request) == await pair.source.transcript(request)

    async def test_memory_moves_with_its_history_and_goes_on(self, pair: Pair) -> None:
        for desk_value in ({"a": "ä"}, [1, None], "third"):
            await pair.source.own.put_memory("cust/1 %", "the key/ü", desk_value, "ticket")
        await pair.source.own.put_memory("cust/1 %", "other", 1.5, "note")
        await pair.move()
        before, after = [
            (await desk.own.memories("cust/1 %", None, None, 10, None)).items for desk in (pair.source, pair.target)
        ]
        assert {entry.key: entry for entry in before} == {entry.key: entry for entry in after}
        entry, new = await pair.target.own.put_memory("cust/1 %", "the key/ü", 4, "note")
        assert (entry.version, new) == (4, False)
        assert [version.value for version in entry.history] == ["third", [1, None], {"a": "ä"}]

    async def test_memory_that_is_deleted_is_deleted_in_the_target(self, pair: Pair) -> None:
        for customer in ("cust-1", "cust-2"):
            await pair.source.own.put_memory(customer, "one", 1, "note")
        await pair.source.own.put_memory("cust-1", "two", 2, "note")
        await pair.mover(live=True).run_pass()
        await pair.source.own.delete_memory("cust-1", "one")
        await pair.source.own.delete_memory("cust-2", "one")
        await pair.move()
        page = await pair.target.own.memories("cust-1", None, None, 10, None)
        assert [entry.key for entry in page.items] == ["two"]
        with pytest.raises(UnknownMemory):
            await pair.target.own.delete_memory("cust-2", "one")

    async def test_instructions_move_with_their_version(self, pair: Pair) -> None:
        for text in ("Be brief.", "Be kind."):
            await pair.source.own.put_instructions(text, extraction=text == "Be brief.")
        await pair.move()
        assert await pair.target.own.instructions() == await pair.source.own.instructions()
        assert (await pair.target.own.put_instructions("Be both.")).version == 3

    async def test_an_idempotency_key_leads_to_its_request_in_the_target(self, pair: Pair) -> None:
        request = await pair.source.turn("one", keyed=True)
        await pair.source.own.reserve("key", "body", request.request_id)
        await pair.move()
        known = await pair.target.own.reserve("key", "body", "another")
        assert (known.request_id, known.same_body) == (request.request_id, True)
        assert not (await pair.target.own.reserve("key", "other body", "another")).same_body

    async def test_a_deleted_message_is_not_answered_again_in_the_target(self, pair: Pair) -> None:
        request = await pair.source.turn("one", keyed=True)
        waiting = await pair.source.accept("two", session_id=request.session_id)
        await pair.mover(live=True).run_pass()
        await pair.source.own.delete_session(str(request.session_id))
        await pair.move()
        with pytest.raises(UnknownRequest):
            await pair.target.own.request(request.request_id)
        session = await pair.target.own.accept(
            NewRequest(request.request_id, "cust-1", "one", keyed=True),
            pair.target.ids.session(bucket_of("acme", "cust-1")),
        )
        assert session == request.session_id
        with pytest.raises(UnknownSession):
            await pair.target.own.session(session)
        failed = await pair.target.own.request(waiting.request_id)
        assert (failed.status, failed.message) == ("failed", "")

    async def test_a_deleted_session_is_gone_from_the_target_with_all_it_held(self, pair: Pair) -> None:
        request = await pair.source.turn("one", conversation_id="case-7")
        await pair.mover(live=True).run_pass()
        assert await pair.target.inside.names() != set()
        await pair.source.own.delete_session(str(request.session_id))
        await pair.mover(live=True).run_pass()
        assert await pair.target.inside.names() == set()

    async def test_a_session_deleted_while_it_is_copied_does_not_stay_in_parts(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        for number in range(60):
            await pair.source.own.record(str(request.session_id), pair.source.message(f"{number}"), backdated=False)
        source, target = portable_of(pair.source), portable_of(pair.target)
        kept = await source.look(unit_of(pair.source, request), steady=False)
        assert kept is not None
        assert kept.dump is not None

        async def interrupted(dump: Dump) -> AsyncGenerator[Part, None]:
            async for part in source.parts(dump, 0):
                yield part
                await pair.source.own.delete_session(str(request.session_id))

        with pytest.raises(Vanished):
            await target.load(kept.dump, interrupted(kept.dump), None)
        with pytest.raises(UnknownSession):
            await pair.target.own.session(str(request.session_id))
        assert await pair.target.inside.names() != set()
        await pair.mover().run_pass()
        assert await pair.target.inside.names() == set()

    async def test_a_copy_that_was_cut_off_is_gone_on_with(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        source, target = portable_of(pair.source), portable_of(pair.target)
        await pair.mover(live=True).run_pass()
        await pair.source.turn("two", session_id=request.session_id)
        unit = unit_of(pair.source, request)
        kept, there = await source.look(unit, steady=False), await target.look(unit, steady=False)
        assert kept is not None
        assert kept.dump is not None

        async def cut(dump: Dump) -> AsyncGenerator[Part, None]:
            async for part in source.parts(dump, 0):
                yield part
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await target.load(kept.dump, cut(kept.dump), there)
        half = await target.look(unit, steady=False)
        assert half is not None
        assert half.whole is None
        await pair.move()
        assert await pair.target.transcript(request) == ["one", "Re: one", "two", "Re: two"]

    async def test_keys_move_and_a_revoked_one_stays_revoked(self, pair: Pair) -> None:
        key, text = await pair.source.store.access.create("acme", "tenant", "helpdesk")
        await pair.mover(live=True).run_pass()
        assert await pair.target.store.access.find(text) == key
        await pair.source.store.access.revoke(key.key_id)
        await pair.move()
        assert await pair.target.store.access.find(text) is None

    async def test_other_tenants_stay_where_they_are(self, pair: Pair) -> None:
        mine, other = await pair.source.turn("one"), await pair.source.of("other").turn("two")
        await pair.mover(tenants=("acme",)).run_pass()
        assert await pair.target.transcript(mine) == ["one", "Re: one"]
        with pytest.raises(UnknownSession):
            await pair.target.of("other").own.session(str(other.session_id))

    async def test_a_second_pass_copies_nothing(self, pair: Pair) -> None:
        await pair.source.turn("one")
        await pair.source.own.put_memory("cust-1", "key", 1, "note")
        assert (await pair.mover(live=True).run_pass()).copied == 2
        passed = await pair.mover(live=True).run_pass()
        assert (passed.copied, passed.removed, passed.same) == (0, 0, 2)

    async def test_a_copy_that_the_target_has_changed_is_not_written_over(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        await pair.mover(live=True).run_pass()
        await pair.target.turn("there", session_id=request.session_id)
        await pair.source.turn("here", session_id=request.session_id)
        with pytest.raises(MovedOn, match="has changed in the target"):
            await pair.mover(live=True).run_pass()
        assert (await pair.target.transcript(request))[2] == "there"

    async def test_a_target_with_sessions_of_its_own_is_refused(self, pair: Pair) -> None:
        await pair.source.turn("one")
        theirs = await pair.target.turn("two")
        with pytest.raises(MovedOn, match="is in the target, and not from here"):
            await pair.mover(live=True).run_pass()
        assert await pair.target.transcript(theirs) == ["two", "Re: two"]
        assert len((await pair.sessions())[1]) == 1

    async def test_everything_can_be_moved_back_where_it_came_from(self, pair: Pair) -> None:
        source, target = pair.source, pair.target
        kept, changed, deleted = [await source.turn(text) for text in ("one", "two", "three")]
        await source.own.put_memory("cust-1", "key", 1, "note")
        await source.own.put_memory("cust-2", "key", 1, "note")
        await source.own.put_instructions("Be brief.")
        await pair.move()

        await target.turn("more", session_id=changed.session_id)
        await target.own.delete_session(str(deleted.session_id))
        await target.own.put_memory("cust-1", "key", 2, "note")
        await target.own.delete_memory("cust-2", "key")
        await target.own.put_instructions("Be kind.")
        new = await target.turn("new", conversation_id="case-8")
        await pair.turned().move()

        assert await source.transcript(kept) == ["one", "Re: one"]
        assert await source.transcript(changed) == ["two", "Re: two", "more", "Re: more"]
        assert await source.transcript(new) == ["new", "Re: new"]
        with pytest.raises(UnknownSession):
            await source.own.session(str(deleted.session_id))
        with pytest.raises(UnknownMemory):
            await source.own.delete_memory("cust-2", "key")
        instructions = await source.own.instructions()
        assert instructions is not None
        assert instructions.version == 2
        # And once more to where it was first moved to.
        await source.turn("again", session_id=kept.session_id)
        await pair.move()
        assert await target.transcript(kept) == ["one", "Re: one", "again", "Re: again"]

    async def test_a_difference_is_found_and_named(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        await pair.mover().run_pass()
        await pair.source.turn("two", session_id=request.session_id)
        found = await pair.mover().compare(LIMITS.request_retention_ms, mark=False)
        assert found.differing == 1
        assert found.named == [
            f"session acme/{request.session_id}: 2 messages fewer in the target, 1 requests fewer in the target"
        ]
        source, target = found.tenants["acme"]
        assert (source.sessions, source.messages, source.requests) == (1, 4, 2)
        assert (target.sessions, target.messages, target.requests) == (1, 2, 1)
        assert source.digest != target.digest

    async def test_a_copy_is_refused_that_changed_since_it_was_looked_at(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        await pair.mover().run_pass()
        source, target = portable_of(pair.source), portable_of(pair.target)
        unit = unit_of(pair.source, request)
        there = await target.look(unit, steady=False)
        await pair.target.accept("meanwhile", session_id=request.session_id)
        kept = await source.look(unit, steady=False)
        assert isinstance(kept, Kept)
        assert kept.dump is not None
        with pytest.raises(MovedOn):
            await target.load(kept.dump, source.parts(kept.dump, 2), there)
