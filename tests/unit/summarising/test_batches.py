"""Batches, cut off wherever they can be: each session is summarised once, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.errors import ClaudeFailed, ClaudeLater
from shared.ids import SessionRef
from shared.prompt import BatchRequest, BatchResult
from shared.storage.jobs import RunningPart, SummaryOutcome
from shared.summarising import batches as module
from shared.summarising import part_desk
from shared.summarising.batch import BatchHead, BatchItem, BatchPart, BatchSelection, BatchView, view_of
from shared.summarising.batches import BatchParts, BatchRunner
from shared.summarising.memory_single import MemorySingle
from shared.summarising.single import Single
from tests.contract.store import MINUTE, Desk
from tests.unit.summarising.fake_batches import FakeBatches, expired, replied
from tests.unit.summarising.jobs import Bureau, open_bureau
from tests.unit.turns import says

BATCH = "bat_1"
LEASE = 3 * MINUTE


class Night:
    """A bureau at night: sessions, a batch of them, and rounds that go on with it."""

    def __init__(self, bureau: Bureau, claude: FakeBatches) -> None:
        self.bureau = bureau
        self.desk = bureau.desk
        self.claude = claude
        self.runner = self.worker()
        self.sessions: list[str] = []

    def worker(self) -> BatchRunner:
        """Return another worker."""
        parts = self.bureau.jobs._parts
        return BatchRunner(
            BatchParts(self.desk.store, self.claude, parts.announcer, Single(parts), MemorySingle(parts))
        )

    async def submit(self, sessions: int) -> None:
        """Submit a batch of so many sessions."""
        for number in range(sessions):
            ref = await self.bureau.session(
                f"My parcel has not come, since day {number}.", "Please be patient.", customer=f"c{number}"
            )
            self.sessions.append(ref.session_id)
        now = datetime.fromtimestamp(self.desk.clock() / 1000, UTC)
        head = BatchHead(created_at=now, selection=BatchSelection(session_ids=tuple(self.sessions)), model="m")
        await self.desk.own.put_part(BATCH, 0, head.model_dump_json(), 0, running=True)

    async def rounds(self, count: int = 1) -> list[str]:
        """Go on with all that runs, so many times; return what became of it."""
        found: list[str] = []
        for _ in range(count):
            found += [await self.runner.run(part) for part in await self.desk.store.running_parts()]
        return found

    async def view(self) -> BatchView:
        """Return the batch as callers see it."""
        return view_of(BATCH, await self.desk.own.batch(BATCH))

    async def versions(self) -> list[int]:
        """Return how often each session was summarised."""
        return [len(await self.desk.own.summaries(session)) for session in self.sessions]


@pytest.fixture
def night(desk: Desk, executor: ThreadPoolExecutor) -> Night:
    return Night(open_bureau(desk, executor), FakeBatches(desk.clock))


async def test_each_session_is_summarised_once(night: Night) -> None:
    await night.submit(7)
    assert await night.rounds(2) == ["collected", "ended"]
    view = await night.view()
    assert (view.status, view.counts) == ("ended", {"done": 7})
    assert (view.batched.token_usage.total, view.direct.token_usage.total) == (7 * 120, 0)
    assert await night.versions() == [1] * 7
    assert await night.desk.store.running_parts() == []
    assert [event["type"] for _, event in night.bureau.publisher.events] == ["session.summarized"] * 7


async def test_a_batch_does_not_keep_whose_sessions_it_took(night: Night) -> None:
    await night.submit(1)
    now = datetime.fromtimestamp(night.desk.clock() / 1000, UTC)
    head = BatchHead(created_at=now, selection=BatchSelection(customer_id="c0"), model="m")
    await night.desk.own.put_part("bat_customers", 0, head.model_dump_json(), 0, running=True)
    await night.rounds(2)
    kept = await night.desk.own.batch("bat_customers")
    view = view_of("bat_customers", kept)
    assert (view.status, view.total) == ("ended", 1)
    assert view.selection.customer == await night.desk.own.pseudonym("c0")
    assert not any('"c0"' in part.value for part in kept)


async def test_while_claude_is_at_it_everybody_waits(night: Night) -> None:
    night.claude.ended = False
    await night.submit(2)
    assert await night.rounds(4) == ["collected", "submitted", "submitted", "submitted"]
    assert (await night.view()).counts == {"submitted": 2}
    night.claude.ended = True
    assert await night.rounds() == ["ended"]
    assert len(night.claude.batches) == 1


async def test_a_batch_whose_id_got_lost_is_found_again(night: Night) -> None:
    night.claude.lose = 1
    await night.submit(3)
    with capture_logs():
        assert await night.rounds(2) == ["collected", "later"]
    assert await night.rounds() == ["ended"]
    assert len(night.claude.batches) == 1
    assert await night.versions() == [1, 1, 1]


async def test_a_worker_killed_after_handing_in_is_taken_over(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    await night.submit(3)
    await night.rounds()

    async def killed(requests: Any) -> Any:
        await FakeBatches.create(night.claude, requests)
        raise KeyboardInterrupt

    monkeypatch.setattr(night.claude, "create", killed)
    with pytest.raises(KeyboardInterrupt):
        await night.rounds()
    monkeypatch.undo()
    assert await night.rounds() == ["busy"]
    night.desk.clock.pass_(LEASE)
    assert await night.rounds() == ["ended"]
    assert len(night.claude.batches) == 1
    assert await night.versions() == [1, 1, 1]


async def test_a_batch_that_was_never_handed_in_is_handed_in(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    await night.submit(3)
    await night.rounds()

    async def killed(_requests: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(night.claude, "create", killed)
    with pytest.raises(KeyboardInterrupt):
        await night.rounds()
    monkeypatch.undo()
    night.desk.clock.pass_(LEASE)
    assert await night.rounds() == ["ended"]
    assert await night.versions() == [1, 1, 1]


async def test_somebody_elses_batch_of_the_same_size_is_not_taken_for_ours(night: Night) -> None:
    await night.submit(3)
    await night.rounds()
    prepared = [BatchRequest(f"other-{n}", (await _prompt(night, n))) for n in range(3)]
    night.claude.lose = 0
    night.desk.clock.pass_(1000)
    strange = await night.claude.create(prepared)
    # A worker was killed before it handed its own in.
    (part,) = [each for each in await night.desk.own.batch(BATCH) if each.number == 1]
    record = BatchPart.model_validate_json(part.value)
    items = tuple([(await night.runner._parts.single.prepare(night.desk.own, item))[0] for item in record.items])
    stuck = record.model_copy(update={"items": items, "state": "submitting", "submitted_at": strange.created_at})
    await night.desk.own.put_part(BATCH, 1, stuck.model_dump_json(), part.version, running=True)
    assert await night.rounds() == ["ended"]
    assert await night.versions() == [1, 1, 1]


async def _prompt(night: Night, number: int) -> Any:
    single = night.runner._parts.single
    request = (await single.prepare(night.desk.own, BatchItem(session_id=night.sessions[number])))[1]
    assert request is not None
    return request.prompt


async def test_results_that_break_off_are_read_again_and_stored_once(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 2)
    await night.submit(7)
    night.claude.cut_after = 5
    with capture_logs():
        assert await night.rounds(2) == ["collected", "later"]
    assert sum(await night.versions()) == 5
    assert await night.rounds() == ["ended"]
    assert await night.versions() == [1] * 7
    view = await night.view()
    assert view.counts == {"done": 7}
    assert len(night.claude.batches) == 1


async def test_a_worker_killed_among_results_leaves_them_to_another(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    await night.submit(6)
    await night.rounds()
    seen = 0

    def dying(request: BatchRequest) -> BatchResult:
        nonlocal seen
        seen += 1
        if seen == 4:
            raise KeyboardInterrupt
        return replied(request)

    night.claude.answer = dying
    with pytest.raises(KeyboardInterrupt):
        await night.rounds()
    assert sum(await night.versions()) == 3
    night.desk.clock.pass_(LEASE)
    assert await night.rounds() == ["ended"]
    assert await night.versions() == [1] * 6
    assert len(night.claude.batches) == 1


async def test_what_expired_is_submitted_again_and_in_the_end_given_up(night: Night) -> None:
    await night.submit(2)
    first = night.sessions[0]
    night.claude.answer = lambda request: expired(request) if request.custom_id.startswith(first) else replied(request)
    assert await night.rounds(4) == ["collected", "waiting", "waiting", "ended"]
    view = await night.view()
    assert (view.counts, view.failures) == ({"done": 1, "failed": 1}, {"expired": 1})
    assert night.claude.asked.count(first) == 3
    assert night.claude.asked.count(night.sessions[1]) == 1


async def test_what_claude_refuses_is_told_and_holds_up_no_other(night: Night) -> None:
    await night.submit(3)
    bad = night.sessions[1]
    failed = ClaudeFailed("invalid-request", "no")
    night.claude.answer = lambda request: (
        BatchResult(request.custom_id, failure=failed) if request.custom_id.startswith(bad) else replied(request)
    )
    assert await night.rounds(2) == ["collected", "ended"]
    view = await night.view()
    assert (view.counts, view.failures) == ({"done": 2, "failed": 1}, {"invalid-request": 1})


async def test_a_reply_that_is_none_is_asked_for_again_directly(night: Night) -> None:
    await night.submit(1)
    night.claude.answer = lambda request: BatchResult(
        request.custom_id, says("NONE")(request.prompt, lambda _text: None)
    )
    night.bureau.claude.script = [says("The customer waits for a parcel, and is patient.")]
    assert await night.rounds(2) == ["collected", "ended"]
    assert (await night.view()).counts == {"done": 1}
    assert (await night.view()).direct.token_usage.total == 10


async def test_a_session_summarised_meanwhile_is_left_alone(night: Night) -> None:
    night.claude.ended = False
    await night.submit(1)
    await night.rounds(2)
    night.bureau.claude.script = [says("The customer waits for a parcel, and is patient.")]
    ref = (await night.desk.own.session(night.sessions[0])).id
    await night.desk.own.ask_summary(ref)
    assert await night.bureau.jobs.run(SessionRef("acme", ref)) == "first-try"
    night.claude.ended = True
    assert await night.rounds() == ["ended"]
    assert await night.versions() == [1]
    view = await night.view()
    assert view.counts == {"done": 1}
    assert view.batched.token_usage.total == 120, "what was answered was paid for"


async def test_two_parts_of_one_size_that_lost_their_ids_find_their_own(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_SESSIONS", 3)
    night.claude.ended = False
    night.claude.lose = 2
    await night.submit(6)
    with capture_logs():
        assert sorted(await night.rounds(2)) == ["collected", "later", "later"]
    assert await night.rounds() == ["submitting", "submitting"], "whose is whose shows when they have ended"
    night.claude.ended = True
    assert await night.rounds() == ["ended", "ended"]
    assert sorted(night.claude.asked) == sorted(night.sessions)
    assert await night.versions() == [1] * 6


async def test_a_slow_upload_is_no_reason_to_hand_in_again(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_desk, "LEASE", timedelta(milliseconds=60))
    await night.submit(2)
    await night.rounds()
    (part,) = await night.desk.store.running_parts()
    uploading = asyncio.Event()
    create = night.claude.create

    async def slow(requests: Any) -> Any:
        uploading.set()
        await asyncio.sleep(0.3)
        return await create(requests)

    monkeypatch.setattr(night.claude, "create", slow)
    first = asyncio.create_task(night.runner.run(part))
    await uploading.wait()
    for _ in range(4):
        night.desk.clock.pass_(30)
        await asyncio.sleep(0.04)
        assert await night.worker().run(part) == "busy"
    assert await first == "ended"
    assert len(night.claude.batches) == 1


async def test_what_was_canceled_before_it_was_handed_in_is_not(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    await night.submit(2)
    await night.rounds()

    async def killed(_requests: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(night.claude, "create", killed)
    with pytest.raises(KeyboardInterrupt):
        await night.rounds()
    monkeypatch.undo()
    await cancel(night)
    night.desk.clock.pass_(LEASE)
    assert await night.rounds() == ["ended"]
    assert night.claude.batches == {}
    assert (await night.view()).counts == {"canceled": 2}


async def test_a_batch_that_claude_will_not_have_ends_and_says_why(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    await night.submit(2)

    async def refused(_requests: Any) -> Any:
        raise ClaudeFailed("authentication", "no such key")

    monkeypatch.setattr(night.claude, "create", refused)
    with capture_logs():
        assert await night.rounds(2) == ["collected", "ended"]
    view = await night.view()
    assert (view.status, view.counts, view.failures) == ("ended", {"failed": 2}, {"authentication": 2})


async def test_a_session_that_is_summarised_just_now_is_finished_later(night: Night) -> None:
    await night.submit(2)
    await night.rounds()
    own = night.desk.own
    claim = await own.claim_summary(night.sessions[0], "somebody", force=True)
    assert claim is not None
    assert await night.rounds() == ["submitted"]
    assert (await night.view()).counts == {"submitted": 1, "done": 1}
    await own.end_summary(claim, SummaryOutcome(left=True))
    assert await night.rounds() == ["ended"]
    assert (await night.view()).counts == {"done": 2}
    assert len(night.claude.batches) == 1


async def test_what_claude_could_not_answer_in_the_batch_is_asked_for_directly(night: Night) -> None:
    await night.submit(2)
    broken = ClaudeLater("server-error", "Claude answered in a batch: oops")
    night.claude.answer = lambda request: BatchResult(request.custom_id, failure=broken)
    night.bureau.claude.script = [says("The customer waits for a parcel, and is patient.")] * 2
    assert await night.rounds(2) == ["collected", "ended"]
    view = await night.view()
    assert (view.counts, view.batched.token_usage.total, view.direct.token_usage.total) == ({"done": 2}, 0, 20)


async def cancel(night: Night) -> None:
    """Cancel the batch, as the API does."""
    (head, *_) = await night.desk.own.batch(BATCH)
    canceled = BatchHead.model_validate_json(head.value).model_copy(update={"canceled": True})
    await night.desk.own.put_part(BATCH, 0, canceled.model_dump_json(), head.version, running=False)


async def test_a_session_deleted_meanwhile_is_told_as_gone(night: Night) -> None:
    night.claude.ended = False
    await night.submit(2)
    await night.rounds(2)
    await night.desk.own.delete_session(night.sessions[0])
    night.claude.ended = True
    await night.rounds()
    assert (await night.view()).counts == {"gone": 1, "done": 1}


async def test_two_workers_at_once_hand_in_one_batch(night: Night) -> None:
    await night.submit(4)
    await night.rounds()
    (part,) = await night.desk.store.running_parts()
    words = await asyncio.gather(night.runner.run(part), night.worker().run(part))
    assert "ended" in words
    assert len(night.claude.batches) == 1
    assert await night.versions() == [1] * 4


async def test_a_canceled_batch_ends(night: Night) -> None:
    night.claude.ended = False
    await night.submit(2)
    await night.rounds(2)
    await cancel(night)
    assert (await night.view()).status == "canceling"
    await night.rounds()
    view = await night.view()
    assert (view.status, view.counts) == ("ended", {"canceled": 2})
    assert await night.versions() == [0, 0]


async def test_many_sessions_go_into_parts(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_SESSIONS", 3)
    await night.submit(7)
    await night.rounds(2)
    assert len(await night.desk.own.batch(BATCH)) == 4
    assert (await night.view()).counts == {"done": 7}


async def test_a_part_of_no_batch_is_let_go(night: Night) -> None:
    assert await night.runner.run(RunningPart("acme", "bat_none", 1)) == "gone"
