"""Feeding the tenant index: everything once, whatever is announced again, is killed, or away."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.clock import from_ms
from shared.conversation.noter import MOST_WAITING, Ending, Noter, priced
from shared.conversation.reconcile import Reconciler
from shared.errors import ClaudeFailed, ClaudeLater, StoreError, StoreUnavailable
from shared.ids import SessionRef
from shared.models import TokenUsage
from shared.storage.tenant_index import Notes, UsageKind, UsageRow
from tests.contract.store import MINUTE, SECOND, Desk
from tests.support.waiting import wait_until
from tests.unit.turns import Office, raises


@pytest.fixture
def noter(office: Office) -> Noter:
    """The office's noter, which writes when it is told to."""
    noter = Noter(office.desk.store, pause=3_600)
    office.announcer.noter = noter
    return noter


async def nobody(ref: SessionRef, *, quarantine: bool) -> bool:
    return bool(ref) and not quarantine


async def reconcile(office: Office) -> int:
    """Announce what is due; return how many rows were."""
    office.desk.clock.pass_(MINUTE)
    return (await Reconciler(office.desk.store, office.announcer, nobody).run(every=False)).announced


async def used(desk: Desk) -> list[UsageRow]:
    return await desk.own.usage((from_ms(desk.clock.ms) - timedelta(days=9)).date())


async def statuses(desk: Desk) -> list[tuple[str, str]]:
    page = await desk.own.listed_requests(None, 50, None)
    return [(each.id, each.status) for each in page.items]


async def test_a_turn_is_noted_and_its_row_struck_beside_its_path(office: Office, noter: Noter) -> None:
    desk = office.desk
    request = await desk.accept()
    assert (await office.advance(request)).outcome == "succeeded"
    assert len(office.publisher.events) == 1
    assert await desk.own.open_requests() == 0
    assert await used(desk) == []
    await noter.flush()
    assert await statuses(desk) == [(request.request_id, "succeeded")]
    (row,) = await used(desk)
    assert (row.turns, row.input, row.output) == (1, 7, 3)
    assert [each.id for each in (await desk.own.customers("", 9, None)).items] == ["cust-1"]
    assert await reconcile(office) == 0
    assert len(office.publisher.events) == 1


async def test_what_was_not_noted_when_its_process_died_is_announced_and_counted_once(office: Office) -> None:
    desk = office.desk
    request = await desk.accept()
    office.announcer.noter = Noter(desk.store, pause=3_600)
    await office.advance(request)
    # Killed here: nothing was noted, nothing struck.
    office.announcer.noter = after = Noter(desk.store, pause=3_600)
    assert await reconcile(office) == 1
    await after.flush()
    (row,) = await used(desk)
    assert row.turns == 1
    assert await statuses(desk) == [(request.request_id, "succeeded")]
    assert await reconcile(office) == 0


async def test_a_row_announced_twice_counts_once(office: Office, noter: Noter) -> None:
    desk = office.desk
    request = await desk.accept()
    claim = await desk.claim(request)
    outcome = desk.answered(claim, "Hi!")
    rows = (await desk.own.commit(claim, outcome)).rows
    for _ in range(3):
        await office.announcer.announce(rows, Ending(claim, outcome))
        await noter.flush()
        await office.announcer.announce(rows)
        await noter.flush()
    (row,) = await used(desk)
    assert (row.turns, row.input, row.output) == (1, 10, 2)


async def test_messages_answered_together_are_each_listed_and_their_reply_counts_once(
    office: Office, noter: Noter
) -> None:
    desk = office.desk
    one = await desk.accept("one", coalesce_ms=SECOND)
    two = await desk.accept("two", coalesce_ms=SECOND, session_id=one.session_id)
    desk.clock.pass_(2 * SECOND)
    assert (await office.advance(one)).outcome == "succeeded"
    assert len(office.publisher.events) == 2
    await noter.flush()
    assert sorted(await statuses(desk)) == sorted((each.request_id, "succeeded") for each in (one, two))
    (row,) = await used(desk)
    assert (row.turns, row.input) == (1, 7)


async def test_while_the_broker_is_away_requests_are_noted_and_rows_stay(office: Office, noter: Noter) -> None:
    desk = office.desk
    request = await desk.accept()
    office.publisher.error = OSError("the broker is away")
    await office.advance(request)
    await noter.flush()
    assert await statuses(desk) == [(request.request_id, "succeeded")]
    office.publisher.error = None
    assert await reconcile(office) == 1
    await noter.flush()
    (row,) = await used(desk)
    assert row.turns == 1
    assert await reconcile(office) == 0


async def test_while_the_store_is_away_notes_wait_and_rows_are_not_struck(
    office: Office, noter: Noter, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = office.desk
    request = await desk.accept()
    await office.advance(request)
    real = type(desk.own).note

    async def away(_self: Any, _notes: Notes) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(desk.own), "note", away)
    await noter.flush()
    assert await reconcile(office) == 1, "it was not struck"
    monkeypatch.setattr(type(desk.own), "note", real)
    await noter.flush()
    (row,) = await used(desk)
    assert row.turns == 1
    assert await reconcile(office) == 0


async def test_what_the_store_refuses_to_note_stops_no_row(
    office: Office, noter: Noter, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = office.desk
    await office.advance(await desk.accept())

    async def refused(_self: Any, _notes: Notes) -> None:
        raise StoreError("what is this?")

    monkeypatch.setattr(type(desk.own), "note", refused)
    await noter.flush()
    assert await reconcile(office) == 0


async def test_notes_that_wait_are_bounded(office: Office, noter: Noter, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = office.desk

    async def away(_self: Any, _notes: Notes) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(desk.own), "note", away)
    for number in range(2 * MOST_WAITING):
        noter.opened("acme", f"req_{number}", "cust-1", from_ms(number))
        if number % 1_000 == 0:
            await noter.flush()
    await noter.flush()
    assert noter._drafts["acme"].size <= MOST_WAITING


async def test_claudes_failures_are_counted_by_cause(office: Office, noter: Noter) -> None:
    office.claude.script = [
        raises(ClaudeLater("overloaded", "later", after=0.001)),
        raises(ClaudeFailed("billing", "pay first")),
    ]
    request = await office.desk.accept()
    assert (await office.advance(request)).outcome == "parked"
    office.desk.clock.pass_(MINUTE)
    await office.advance(request)
    await noter.flush()
    assert await office.desk.own.faults() == {"overloaded": 1, "billing": 1}
    assert await statuses(office.desk) == [(request.request_id, "failed")]


async def test_a_claimed_request_is_listed_though_nobody_noted_that_it_was_accepted(
    office: Office, noter: Noter
) -> None:
    office.claude.script = [raises(ClaudeLater("overloaded", "later", after=5))]
    request = await office.desk.accept()
    await office.advance(request)
    await noter.flush()
    assert await statuses(office.desk) == [(request.request_id, "queued")]
    assert await office.desk.own.open_requests() == 1


async def test_notes_are_written_by_themselves_and_at_the_end(desk: Desk) -> None:
    noter = Noter(desk.store, pause=0.01)
    request = await desk.accept()
    noter.opened("acme", request.request_id, "cust-1", from_ms(desk.clock.ms))

    async def listed() -> bool:
        return bool(await statuses(desk))

    await wait_until("the request to be listed", listed)
    lasting = Noter(desk.store, pause=3_600)
    lasting.failed("acme", "overloaded")
    await lasting.close()
    assert await desk.own.faults() == {"overloaded": 1}
    await noter.close()


async def test_what_is_recorded_counts_for_the_sessions_customer(desk: Desk) -> None:
    noter = Noter(desk.store, pause=3_600)
    request = await desk.accept(customer="anna")
    at = from_ms(desk.clock.ms - 9 * MINUTE)
    noter.heard_in("acme", str(request.session_id), at)
    noter.heard_in("acme", "ses_none", at)
    await noter.flush()
    (told,) = (await desk.own.customers("", 9, None)).items
    assert (told.id, told.last_activity_at) == ("anna", at)
    await noter.close()


def test_a_batch_takes_half_the_price_and_an_unknown_model_has_none() -> None:
    usage = TokenUsage(input=1_000, output=100, total=1_100, cache_read=400, cache_write=100)
    model = "claude-sonnet-4-6"
    direct = priced("a", UsageKind("2026-11-26", model), usage).nanos
    assert direct == round((500 * 3 + 100 * 3.75 + 400 * 0.3 + 100 * 15) * 1_000)
    assert priced("a", UsageKind("2026-11-26", model, "batch"), usage).nanos == direct // 2
    assert priced("a", UsageKind("2026-11-26", "somebody-elses"), usage).nanos == 0


async def test_nothing_runs_while_nothing_happens(desk: Desk) -> None:
    noter = Noter(desk.store, pause=0.01)
    noter.failed("acme", "overloaded")
    task = noter._task
    assert task is not None
    await asyncio.wait_for(task, 5)
    assert noter._task is task
