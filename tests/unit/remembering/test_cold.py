"""Reading cold sessions in batches: nothing paid twice, and nothing kept that a conversation does not bear out."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.errors import ClaudeFailed, ClaudeLater
from shared.ids import Ids
from shared.models import MemoryEntry
from shared.prompt import BatchRequest, BatchResult, Reply
from shared.storage.jobs import RunningPart
from shared.summarising.batch import BatchView, view_of
from shared.summarising.batches import BatchParts, BatchRunner
from shared.summarising.gather import Gatherer
from shared.summarising.memory_single import MemorySingle
from shared.summarising.single import Single
from tests.contract.store import HOUR, Desk
from tests.unit.remembering.shop import Shop, open_shop
from tests.unit.summarising.fake_batches import USAGE, FakeBatches, expired
from tests.unit.turns import says

WISH = "Please write to me in German."
Answer = Callable[[BatchRequest], BatchResult]


def told(*operations: dict[str, Any]) -> Answer:
    """Answer each request of a batch so."""
    text = json.dumps({"operations": operations})
    return lambda asked: BatchResult(asked.custom_id, Reply(text, USAGE, asked.prompt.model, "end_turn", cut=False))


def failed(error: ClaudeLater | ClaudeFailed) -> Answer:
    """Fail each request of a batch so."""
    return lambda asked: BatchResult(asked.custom_id, failure=error)


def wish(message: int = 1, quote: str = WISH, value: str = "write in German", key: str = "language") -> dict[str, Any]:
    """Return an operation that the customer's wish bears out, unless something else is given."""
    kept = {"op": "upsert", "scope": "preference", "key": key, "value": value, "confidence": 0.9}
    return {**kept, "message": message, "quote": quote}


class Archive:
    """A shop in which what was said long ago is read at night."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.desk = shop, shop.desk
        self.claude = FakeBatches(shop.desk.clock, answer=told(wish()))
        self.woken: list[RunningPart] = []
        self.runner = self.worker()

    def worker(self) -> BatchRunner:
        """Return another worker."""
        parts = self.shop.bureau.jobs._parts
        singles = Single(parts), MemorySingle(parts)
        return BatchRunner(BatchParts(self.desk.store, self.claude, parts.announcer, *singles))

    async def cold(self, *texts: str, customer: str = "cust-1") -> str:
        """Return a session in which a customer said these long ago, and that a job has left to a batch."""
        session = None
        for text in texts or (WISH,):
            session = await self.shop.say(text, session=session, customer=customer)
        self.desk.clock.pass_(2 * HOUR)
        await self.shop.read(str(session))
        assert str(session) in [ref.session_id async for ref in self.desk.store.cold_sessions()]
        return str(session)

    @property
    def asked_directly(self) -> list[str]:
        """What was asked of a model to remember something, at full price."""
        prompts = map(str, self.shop.bureau.claude.prompts)
        return [prompt for prompt in prompts if "You remember a support customer" in prompt]

    async def gather(self) -> int:
        """Put what was left into a batch."""

        async def wake(part: RunningPart) -> bool:
            self.woken.append(part)
            return True

        return await Gatherer(self.desk.store, Ids(), "m", wake).run()

    async def rounds(self, count: int = 2) -> list[str]:
        """Go on with all that runs, so many times; return what became of it."""
        found: list[str] = []
        for _ in range(count):
            found += [await self.runner.run(part) for part in await self.desk.store.running_parts()]
        return found

    async def views(self) -> list[BatchView]:
        """Return the batches as callers see them, newest first."""
        return [view_of(each, await self.desk.own.batch(each)) for each in await self.desk.own.batches(10)]

    async def entries(self, customer: str = "cust-1") -> dict[str, MemoryEntry]:
        """Return a customer's entries by key."""
        return {entry.key: entry for entry in (await self.desk.own.memories(customer, None, None, 100, None)).items}

    async def left(self) -> int:
        """Return how many sessions are still left to a batch."""
        return len([ref async for ref in self.desk.store.cold_sessions()])


@pytest.fixture
def archive(desk: Desk, executor: ThreadPoolExecutor) -> Archive:
    return Archive(open_shop(desk, executor, extraction=True, extraction_cold_hours=1))


async def test_a_cold_session_is_read_in_a_batch_and_its_entries_are_kept(archive: Archive) -> None:
    session = await archive.cold()
    assert await archive.shop.read(session) == "not-due"
    assert await archive.gather() == 1
    assert await archive.rounds() == ["collected", "ended"]
    (view,) = await archive.views()
    assert (view.kind, view.status, view.counts) == ("memory", "ended", {"done": 1})
    assert (view.batched.token_usage.total, view.direct.token_usage.total) == (USAGE.total, 0)
    entry = (await archive.entries())["language"]
    assert (entry.value, entry.source) == ("write in German", "extraction")
    assert entry.provenance is not None
    assert (entry.provenance.session_id, entry.provenance.seq) == (session, 1)
    assert [name for name, _ in archive.shop.bureau.publisher.events] == ["acme.memory.updated"]
    assert (await archive.gather(), await archive.left(), archive.claude.asked) == (0, 0, [session])
    assert archive.asked_directly == []


async def test_one_that_was_spoken_in_lately_is_read_at_once(archive: Archive) -> None:
    session = await archive.shop.say(WISH)
    archive.shop.bureau.claude.script = [says(json.dumps({"operations": [wish()]}))]
    assert await archive.shop.read(session) == "read"
    assert await archive.gather() == 0
    assert "language" in await archive.entries()


@pytest.mark.parametrize(
    "operation",
    [
        wish(quote="Please call me at noon"),
        wish(message=9),
        wish(value="write in German, and refund order 99812"),
        {**wish(), "scope": "secret"},
    ],
    ids=["invented", "elsewhere", "facts", "schema"],
)
async def test_what_the_conversation_does_not_bear_out_is_refused(archive: Archive, operation: dict[str, Any]) -> None:
    await archive.cold()
    archive.claude.answer = told(operation)
    archive.shop.bureau.claude.script = [says(json.dumps({"operations": [operation]}))]
    await archive.gather()
    assert await archive.rounds() == ["collected", "ended"]
    assert (await archive.entries(), await archive.left()) == ({}, 0)


async def test_what_cannot_be_read_is_asked_for_once_more_at_full_price(archive: Archive) -> None:
    await archive.cold()
    archive.claude.answer = lambda asked: BatchResult(asked.custom_id, Reply("?", USAGE, "m", "end_turn", cut=False))
    archive.shop.bureau.claude.script = [says(json.dumps({"operations": [wish()]}))]
    await archive.gather()
    await archive.rounds()
    (view,) = await archive.views()
    assert (view.counts, view.batched.token_usage.total, view.direct.token_usage.total) == ({"done": 1}, 120, 10)
    assert "language" in await archive.entries()


async def test_what_is_newer_at_its_source_is_not_undone(archive: Archive) -> None:
    await archive.cold()
    await archive.desk.own.put_memory("cust-1", "language", "French", "preference")
    await archive.gather()
    await archive.rounds()
    assert (await archive.entries())["language"].value == "French"
    assert (await archive.views())[0].counts == {"done": 1}


async def test_a_customer_who_comes_back_meanwhile_is_read_by_herself_and_nothing_twice(archive: Archive) -> None:
    archive.claude.ended = False
    session = await archive.cold()
    await archive.gather()
    assert await archive.rounds() == ["collected", "submitted"]
    await archive.desk.own.record(
        session, archive.desk.message("Please write to me in French.", tokens=8), backdated=False
    )
    change = {**wish(3, "Please write to me in French.", "write in French"), "op": "supersede"}
    archive.shop.bureau.claude.script = [says(json.dumps({"operations": [change]}))]
    assert await archive.shop.read(session) == "read"
    archive.claude.ended = True
    assert await archive.rounds(1) == ["ended"]
    assert (await archive.entries())["language"].value == "write in French"
    assert len(archive.claude.batches) == 1


async def test_a_session_is_in_one_batch_only(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.claude.ended = False
    session = await archive.cold()
    await archive.gather()
    assert await archive.gather() == 0, "it is in one that is not collected yet"
    await archive.rounds()
    assert await archive.gather() == 0, "it is with Claude"

    async def blind(_: Gatherer) -> set[tuple[str, str]]:
        """See what somebody sees who gathers at the same time."""
        return set()

    monkeypatch.setattr(Gatherer, "_taken", blind)
    assert await archive.gather() == 1
    await archive.rounds(3)
    archive.claude.ended = True
    await archive.rounds(1)
    assert archive.claude.asked == [session]
    assert sorted(str(view.counts) for view in await archive.views()) == ["{'done': 1}", "{'nothing': 1}"]


async def test_a_worker_killed_after_handing_in_is_taken_over(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.cold()
    await archive.gather()
    await archive.rounds(1)

    async def killed(requests: Any) -> Any:
        await FakeBatches.create(archive.claude, requests)
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.claude, "create", killed)
    with pytest.raises(KeyboardInterrupt):
        await archive.rounds(1)
    monkeypatch.undo()
    archive.desk.clock.pass_(HOUR)
    assert await archive.rounds(1) == ["ended"]
    assert len(archive.claude.batches) == 1
    assert "language" in await archive.entries()


async def test_a_worker_killed_while_it_takes_results_in_keeps_them_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await archive.cold()
    await archive.gather()
    await archive.rounds(1)
    own = type(archive.desk.own)
    end = own.end_summary

    async def killed(self: Any, claim: Any, outcome: Any) -> Any:
        if outcome.remembered:
            raise KeyboardInterrupt
        return await end(self, claim, outcome)

    monkeypatch.setattr(own, "end_summary", killed)
    with pytest.raises(KeyboardInterrupt):
        await archive.rounds(1)
    monkeypatch.undo()
    archive.desk.clock.pass_(HOUR)
    assert await archive.rounds(1) == ["ended"]
    assert archive.claude.asked == [session]
    entry = (await archive.entries())["language"]
    assert (entry.value, len(entry.history)) == ("write in German", 0)


async def test_while_another_job_is_at_a_session_the_batch_waits(archive: Archive) -> None:
    session = await archive.cold()
    await archive.gather()
    claim = await archive.desk.own.claim_summary(session, "n", force=True)
    assert claim is not None
    assert await archive.rounds() == ["collected", "waiting"]
    archive.desk.clock.pass_(HOUR)
    assert await archive.rounds(1) == ["ended"]
    assert archive.claude.asked == [session]


@pytest.mark.parametrize("answer", [expired, failed(ClaudeFailed("billing", "no money"))], ids=["expired", "billing"])
async def test_what_no_batch_has_read_goes_into_another(archive: Archive, answer: Answer) -> None:
    await archive.cold()
    archive.claude.answer = answer
    await archive.gather()
    await archive.rounds(5)
    assert [view.counts for view in await archive.views()] == [{"failed": 1}]
    archive.claude.answer = told(wish())
    archive.desk.clock.pass_(1000)
    assert (await archive.gather(), await archive.left()) == (1, 1)
    await archive.rounds()
    assert "language" in await archive.entries()
    assert await archive.left() == 0


async def test_what_claude_could_not_do_is_asked_for_directly(archive: Archive) -> None:
    await archive.cold()
    archive.claude.answer = failed(ClaudeLater("server-error", "oops"))
    archive.shop.bureau.claude.script = [says(json.dumps({"operations": [wish()]}))]
    await archive.gather()
    await archive.rounds()
    (view,) = await archive.views()
    assert (view.counts, view.direct.token_usage.total) == ({"done": 1}, 10)
    assert "language" in await archive.entries()


async def test_a_long_session_is_read_in_several_requests(archive: Archive) -> None:
    session = await archive.cold(
        *(f"My boat number {number} is called Marie. {'word ' * 2_000}" for number in range(12))
    )
    archive.claude.answer = told()
    await archive.gather()
    await archive.rounds(8)
    assert [view.counts for view in await archive.views()] == [{"done": 1}]
    assert archive.claude.asked == [session] * len(archive.claude.batches)
    prompts = [str(batch[0].prompt.messages) for batch in archive.claude.batches.values()]
    assert len(prompts) > 2
    assert all(any(f"boat number {number} " in prompt for prompt in prompts) for number in range(12))


async def test_a_deleted_session_leaves_nothing(archive: Archive) -> None:
    archive.claude.ended = False
    session = await archive.cold()
    await archive.gather()
    await archive.rounds()
    await archive.desk.own.delete_session(session)
    archive.claude.ended = True
    await archive.rounds(1)
    assert [view.counts for view in await archive.views()] == [{"gone": 1}]
    assert (await archive.entries(), await archive.left()) == ({}, 0)


async def test_what_was_taken_out_meanwhile_is_not_remembered(archive: Archive) -> None:
    archive.claude.ended = False
    session = await archive.cold()
    await archive.gather()
    await archive.rounds()
    await archive.desk.own.redact(session, 1)
    archive.claude.ended = True
    await archive.rounds(1)
    assert await archive.entries() == {}


async def test_a_tenant_that_says_no_meanwhile_is_not_read(archive: Archive) -> None:
    await archive.cold()
    await archive.desk.own.put_instructions("Be kind.", extraction=False)
    await archive.gather()
    await archive.rounds()
    assert [view.counts for view in await archive.views()] == [{"nothing": 1}]
    assert (archive.claude.asked, await archive.left()) == ([], 0)


async def test_customers_do_not_share_what_they_said(archive: Archive) -> None:
    sessions = {await archive.cold(customer=f"c{number}") for number in range(3)}
    await archive.gather()
    await archive.rounds()
    assert set(archive.claude.asked) == sessions
    for number in range(3):
        entry = (await archive.entries(f"c{number}"))["language"]
        assert entry.provenance is not None
        assert entry.provenance.session_id in sessions
