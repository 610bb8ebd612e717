"""Removing sessions: cut off anywhere, a sweep finishes it; what is past its retention goes by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from shared.conversation import reconcile
from shared.errors import UnknownMemory, UnknownRequest, UnknownSession
from shared.ids import SessionRef, bucket_of
from shared.storage.dynamodb import bodies, removal, store
from shared.storage.types import NewRequest, NewSession, SessionPatch
from tests.contract.store import DAY, MINUTE, SECOND, Desk
from tests.unit.storage.desks import Killable, Killed, sweep
from tests.unit.turns import open_office

LONG = "Ein langer Brief. " * 12


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few messages be many pages, and a few words many pieces."""
    monkeypatch.setattr(removal, "PAGE", 3)
    monkeypatch.setattr(bodies, "MOST", 120)


async def _full_session(desk: Desk) -> tuple[NewRequest, list[NewRequest], list[NewRequest]]:
    """Return a session with all that a session can hold: its first request, those done, those open."""
    first = await desk.accept("Help!", conversation_id="conv-1")
    claim = await desk.claim(first)
    await desk.own.commit(claim, desk.failed(claim))
    done = [await desk.turn(LONG, session_id=first.session_id, keyed=number % 2 == 0) for number in range(2)]
    open_ = [await desk.accept(LONG, session_id=first.session_id, metadata={"n": 1}) for _ in range(2)]
    claim = await desk.claim(first)
    await desk.own.listen(claim.request.id)
    await desk.own.append_delta(claim, 0, "Nun ")
    await desk.own.record(str(first.session_id), desk.message(LONG), backdated=False)
    return first, done, open_


async def test_a_removal_cut_off_at_any_write_is_finished_by_the_sweep(desk: Desk, client: Killable) -> None:
    first, done, open_ = await _full_session(desk)
    session_id = str(first.session_id)
    for request in (first, *done):
        await desk.store.strike(desk.ref(first).bucket, [f"evt_{request.request_id}"])
    before = await client.everything()
    cuts = 0
    while True:
        client.writes_left = cuts
        with suppress(Killed):
            await desk.own.delete_session(session_id)
        finished, client.writes_left = client.writes_left > 0, None
        with suppress(UnknownSession):  # where nothing had been written, it is asked again
            await desk.own.delete_session(session_id)
        with pytest.raises(UnknownSession):
            await desk.own.session(session_id)
        desk.clock.pass_(MINUTE)
        await sweep(desk)
        await _assert_gone(desk, client, first, done, open_)
        if finished:
            break
        await client.restore(before)
        cuts += 1
    assert cuts > 12


async def _assert_gone(
    desk: Desk, client: Killable, first: NewRequest, done: list[NewRequest], open_: list[NewRequest]
) -> None:
    desk.clock.pass_(MINUTE)
    rows = await desk.store.take_rows(desk.ref(first).bucket, 100)
    assert sorted((row.id, row.type) for row in rows) == sorted(
        (f"evt_{request.request_id}", "chat.reply.failed") for request in open_
    )
    assert {tuple(row.metadata.items()) for row in rows} == {(("n", 1),)}
    for request in open_:
        record = await desk.own.request(request.request_id)
        assert (record.status, record.message) == ("failed", "")
    for request in done:
        with pytest.raises(UnknownRequest):
            await desk.own.request(request.request_id)
    keyed = done[::2]
    for request in keyed:  # a retry by its key finds that it was accepted, and nothing else
        assert await desk.own.accept(request, desk.ids.session("00")) == first.session_id
    names = {name for name in await client.names() if not name.startswith("outbox/")}
    assert names == {f"t/acme/req/{request.request_id} request" for request in (*open_, *keyed)}


async def test_messages_too_many_for_one_call_are_removed_by_the_sweep(
    desk: Desk, client: Killable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "AT_ONCE", 4)
    request = await desk.turn(LONG)
    for _ in range(4):
        await desk.turn("more", session_id=request.session_id)
    await desk.own.delete_session(str(request.session_id))
    assert [name for name in await client.names() if " m/" in name]
    with pytest.raises(UnknownSession):
        await desk.own.messages(str(request.session_id), 10, 0)
    desk.clock.pass_(MINUTE)
    await sweep(desk)
    assert {name for name in await client.names() if not name.startswith("outbox/")} == set()


@pytest.mark.parametrize(("seconds", "left"), [(60.0, False), (0.0, True)], ids=["in-time", "late"])
async def test_a_sweep_goes_on_with_a_long_session_until_its_time_is_up(
    seconds: float, desk: Desk, client: Killable, monkeypatch: pytest.MonkeyPatch, *, left: bool
) -> None:
    monkeypatch.setattr(removal, "AT_ONCE", 3)
    monkeypatch.setattr(store, "SWEEP_SECONDS", seconds)
    request = await desk.turn("first")
    for _ in range(4):
        await desk.turn("more", session_id=request.session_id)
    await desk.own.delete_session(str(request.session_id))
    desk.clock.pass_(MINUTE)
    assert await desk.store.sweep(desk.ref(request).bucket, 100) == 1
    assert bool([name for name in await client.names() if not name.startswith("outbox/")]) is left


async def test_a_round_sweeps_on_while_there_is_more(
    desk: Desk, client: Killable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "AT_ONCE", 1)
    monkeypatch.setattr(reconcile, "PER_BUCKET", 2)
    requests = [await desk.turn("gone soon") for _ in range(5)]
    for request in requests:
        await desk.own.delete_session(str(request.session_id))
    desk.clock.pass_(MINUTE)

    async def wake(ref: SessionRef, *, quarantine: bool) -> bool:
        return not quarantine

    with ThreadPoolExecutor(1) as executor:
        announcer = open_office(desk, executor).announcer
        found = await reconcile.Reconciler(desk.store, announcer, wake).run(every=True)
    assert found.swept == 5
    assert {name for name in await client.names() if not name.startswith("outbox/")} == set()


async def test_what_is_past_its_retention_goes_with_all_it_held(desk: Desk, client: Killable) -> None:
    request = await desk.turn(LONG, conversation_id="conv-1")
    desk.clock.pass_(200 * DAY)
    later = await desk.turn("Hello", conversation_id="conv-2")
    desk.clock.pass_(165 * DAY - MINUTE)
    await sweep(desk)
    assert await desk.transcript(request)
    desk.clock.pass_(2 * MINUTE)
    with pytest.raises(UnknownSession):  # judged on read, before any sweep
        await desk.own.session(str(request.session_id))
    assert [session.id for session in (await desk.own.sessions("cust-1", 10, None)).items] == [later.session_id]
    await sweep(desk)
    held = await client.names()
    assert not [name for name in held if str(request.session_id) in name or request.request_id in name.split()[0]]
    assert await desk.transcript(later)


async def test_a_session_with_an_open_ticket_has_no_retention(desk: Desk) -> None:
    request = await desk.accept()
    desk.clock.pass_(500 * DAY)
    await sweep(desk)
    assert (await desk.own.session(str(request.session_id))).open_requests == 1


async def test_a_session_that_was_reopened_is_kept_for_as_long_as_any(desk: Desk) -> None:
    request = await desk.turn("Hello")
    desk.clock.pass_(300 * DAY)
    await desk.own.update_session(str(request.session_id), SessionPatch(status="open"))
    desk.clock.pass_(300 * DAY)
    await sweep(desk)
    assert await desk.transcript(request)
    desk.clock.pass_(66 * DAY)
    await sweep(desk)
    with pytest.raises(UnknownSession):
        await desk.own.session(str(request.session_id))


async def test_a_customers_entries_go_when_no_session_is_left(desk: Desk, client: Killable) -> None:
    await desk.own.put_memory("cust-1", "key", 1, "note")
    await desk.own.put_memory("cust-1", "key", 2, "note")
    desk.clock.pass_(200 * DAY)
    await desk.turn("Hello")
    desk.clock.pass_(200 * DAY)
    await sweep(desk)
    assert (await desk.own.memories("cust-1", None, None, 10, None)).items
    desk.clock.pass_(166 * DAY)
    await sweep(desk)
    desk.clock.pass_(DAY + SECOND)
    await sweep(desk)
    assert {name for name in await client.names() if "/cus/" in name} == set()


async def test_forgetting_one_entry_does_not_shorten_the_time_of_another(desk: Desk) -> None:
    await desk.own.put_memory("cust-1", "old", 1, "note")
    desk.clock.pass_(300 * DAY)
    await desk.own.put_memory("cust-1", "new", 1, "note")
    await desk.own.delete_memory("cust-1", "old")
    desk.clock.pass_(364 * DAY)
    await sweep(desk)
    assert [entry.key for entry in (await desk.own.memories("cust-1", None, None, 10, None)).items] == ["new"]


async def test_deleting_a_session_is_an_activity_of_its_customer(desk: Desk) -> None:
    await desk.own.put_memory("cust-1", "key", 1, "note")
    request = await desk.turn("Hello")
    desk.clock.pass_(364 * DAY)
    await desk.own.delete_session(str(request.session_id))
    desk.clock.pass_(364 * DAY)
    await sweep(desk)
    assert (await desk.own.memories("cust-1", None, "key", 10, None)).items
    desk.clock.pass_(2 * DAY)
    await sweep(desk)
    with pytest.raises(UnknownMemory):
        await desk.own.delete_memory("cust-1", "key")


async def test_an_entry_written_while_the_sweep_looks_is_kept(desk: Desk, client: Killable) -> None:
    await desk.own.put_memory("cust-1", "key", 1, "note")
    (counter,) = [item for item in await client.everything() if item["sk"] == "memory"]
    desk.clock.pass_(366 * DAY)
    await desk.own.put_memory("cust-1", "key", 2, "note")
    await desk.own.forget_customer("cust-1", counter, 0)  # type: ignore[attr-defined]  # the sweep's, of DynamoDB only
    assert (await desk.own.memories("cust-1", None, "key", 10, None)).items[0].value == 2


async def test_a_removal_that_a_request_ran_into_fails_that_request_too(desk: Desk) -> None:
    session = await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), NewSession("cust-1"))
    late = await desk.accept(session_id=session.id)
    await desk.own.delete_session(session.id)
    record = await desk.own.request(late.request_id)
    assert record.failure is not None
    assert record.failure.type == "session-deleted"
