"""The work of a turn is constant: turn 500 costs the store what turn 20 did, and a long history what a short one did.

Counted on a server that nothing else uses, by the server itself: what clients sent it, and what scripts called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.history import begun
from shared.conversation.noter import Noter
from shared.ids import bucket_of
from shared.models import AgentInstructions
from shared.prompt import Prompt, Reply
from shared.remembering.indexing import index_session
from shared.storage.jobs import SummaryOutcome
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from shared.storage.types import NewRequest
from tests.contract.store import LIMITS, MEMORY_LIMITS, Desk, StoreClock
from tests.support.valkey import Valkey
from tests.unit.turns import Office, ScriptedClaude, open_office, says

WORDS = "The parcel with the blue ribbon has not come yet although the tracking page says it was handed over. " * 3
WATCHED = (20, 100, 500)


@dataclass
class Cost:
    """What a turn cost: commands clients sent, commands in all, bytes to and from the server."""

    sent: int
    all: int
    bytes: int


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "quiet")
    yield server
    server.stop()


def measure(server: Valkey) -> Cost:
    with server.client() as client:
        client.ping()
        stats = cast("dict[str, Any]", client.info("commandstats"))
        traffic = cast("dict[str, Any]", client.info("stats"))
    calls = {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()}
    # Every operation of a turn is one script; the server counts what a script calls as well.
    sent = calls.get("evalsha", 0)
    every = sum(count for name, count in calls.items() if name not in {"info", "ping", "hello", "client|setinfo"})
    return Cost(sent, every, int(traffic["total_net_input_bytes"]) + int(traffic["total_net_output_bytes"]))


async def test_turn_500_costs_what_turn_20_did(quiet: Valkey) -> None:
    store = RedisStore(connect(quiet.url(), 5.0, 1), LIMITS)
    desk = Desk(store, StoreClock(), cast("Any", None))
    bucket = bucket_of("acme", "cust-1")
    costs: dict[int, Cost] = {}
    with ThreadPoolExecutor(1) as executor:
        office = open_office(desk, executor)
        office.runner._parts.instructions._known["acme"] = (float("inf"), AgentInstructions(instructions="Be brief."))
        session = None
        for number in range(1, max(WATCHED) + 1):
            office.claude.script = [says(f"Reply {number}: {WORDS}")]
            before = measure(quiet) if number in WATCHED else None
            new = NewRequest(desk.ids.request(bucket), "cust-1", f"Message {number}: {WORDS}", session)
            session = await desk.own.accept(new, desk.ids.session(bucket))
            request = NewRequest(new.request_id, "cust-1", new.message, session)
            assert (await office.advance(request)).outcome == "succeeded"
            if before is not None:
                after = measure(quiet)
                # The second measuring itself sends one INFO more than the first saw.
                costs[number] = Cost(after.sent - before.sent, after.all - before.all, after.bytes - before.bytes)
    await store.close()
    assert {number: cost.sent for number, cost in costs.items()} == dict.fromkeys(WATCHED, 4)
    assert {cost.all for cost in costs.values()} == {costs[20].all}
    assert max(cost.bytes for cost in costs.values()) <= 1.1 * costs[20].bytes


async def test_what_is_noted_of_a_turn_costs_its_path_nothing(quiet: Valkey) -> None:
    """Accept, claim and commit are what is left of it: rows are struck with the notes, together, beside the path."""
    store = RedisStore(connect(quiet.url(), 5.0, 8), LIMITS)
    desk = Desk(store, StoreClock(), cast("Any", None))
    bucket = bucket_of("acme", "cust-1")
    with ThreadPoolExecutor(1) as executor:
        office = open_office(desk, executor)
        office.announcer.noter = noter = Noter(store, pause=3_600)
        office.runner._parts.instructions._known["acme"] = (float("inf"), AgentInstructions(instructions="Be brief."))
        beside: list[int] = []
        for _ in range(3):
            before = measure(quiet)
            for number in range(50):
                new = NewRequest(desk.ids.request(bucket), "cust-1", f"Message {number}")
                request = replace(new, session_id=await desk.own.accept(new, desk.ids.session(bucket)))
                assert (await office.advance(request)).outcome == "succeeded"
            path = measure(quiet)
            await noter.flush()
            beside.append(measure(quiet).sent - path.sent)
        assert path.sent - before.sent == 3 * 50
    # Fifty turns of one customer are one note and one strike.
    assert beside[1:] == [2, 2]
    (row,) = await desk.own.usage(date(1970, 1, 1))
    assert row.turns == 150
    await store.close()


PIECES = 500


class Chatty(ScriptedClaude):
    """Claude, writing a reply in many pieces, between each of which others may act."""

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        for number in range(PIECES):
            on_text(f"{number} ")
            await asyncio.to_thread(int)  # which takes as long as others may need
        return await super().ask(prompt, on_text)


@pytest.mark.parametrize("listened", [False, True], ids=["nobody listens", "somebody listens"])
async def test_the_pieces_of_a_reply_cost_nothing_while_nobody_listens(
    quiet: Valkey, monkeypatch: pytest.MonkeyPatch, *, listened: bool
) -> None:
    """Given a reply in 500 pieces that are written down as often as may be, then only a listener has one written."""
    monkeypatch.setattr("shared.conversation.stream.BATCH_SECONDS", 0.0)
    store = RedisStore(connect(quiet.url(), 5.0, 1), LIMITS)
    desk = Desk(store, StoreClock(), cast("Any", None))
    with ThreadPoolExecutor(1) as executor:
        office = open_office(desk, executor)
        office.runner._parts.instructions._known["acme"] = (float("inf"), AgentInstructions(instructions="Be brief."))
        assert (await office.advance(await desk.accept("First."))).outcome == "succeeded"  # which loads the scripts
        object.__setattr__(office.runner._parts, "claude", Chatty())
        request = await desk.accept("Second.")
        if listened:
            await desk.own.listen(request.request_id)
        before = measure(quiet)
        assert (await office.advance(request)).outcome == "succeeded"
        after = measure(quiet)
        kept = await desk.own.read_deltas(request.request_id, 0, 0)
    await store.close()
    claim_commit_and_strike = 3
    if listened:
        assert after.sent - before.sent > claim_commit_and_strike + 2
        assert kept.text.startswith("0 1 2 3")
    else:
        assert after.sent - before.sent == claim_commit_and_strike
        assert kept.text == ""


EARLIER = (0, 500, 10_000)  # messages: what recall calls turns
RECALLED = 4  # scripts of a turn that recalls, from its claim on: the turns that were found are one of them


async def test_ten_thousand_earlier_turns_cost_what_five_hundred_do(quiet: Valkey) -> None:
    store = RedisStore(connect(quiet.url(), 60.0, 8), replace(MEMORY_LIMITS, index_bytes=1_048_576))
    desk = Desk(store, StoreClock(), cast("Any", None))
    costs: dict[int, list[Cost]] = {}
    with ThreadPoolExecutor(1) as executor:
        office = open_office(desk, executor)
        office.runner._parts.instructions._known["acme"] = (float("inf"), AgentInstructions(instructions="Be brief."))
        for earlier in EARLIER:
            customer = f"cust-{earlier}"
            for session in await begun(desk.own, desk.ids, customer, earlier // 2):
                claim = await desk.own.claim_summary(session, desk.ids.ulid(), force=True)
                assert claim is not None
                assert await index_session(desk.own, claim)
                await desk.own.end_summary(claim, SummaryOutcome(read=claim.session.message_count))
            costs[earlier] = [await _asked(quiet, office, customer) for _ in range(4)]
    await store.close()
    first, *others = costs[10_000]
    assert first.sent == RECALLED + 1, "the index is read once"
    assert {cost.sent for cost in others} == {cost.sent for cost in costs[500][1:]} == {RECALLED}
    assert {cost.sent for cost in costs[0][1:]} == {RECALLED - 1}, "the first one loads the scripts"
    assert max(cost.all for cost in others) <= 1.1 * max(cost.all for cost in costs[500][1:])
    assert max(cost.bytes for cost in others) <= 1.2 * max(cost.bytes for cost in costs[500][1:])


async def _asked(server: Valkey, office: Office, customer: str) -> Cost:
    """Ask in a session of its own; return what it cost from claim to reply."""
    request = await office.desk.accept("When will the refund for order 4711 be on my account?", customer)
    before = measure(server)
    assert (await office.advance(request)).outcome == "succeeded"
    after = measure(server)
    await office.desk.own.delete_session(str(request.session_id))
    return Cost(after.sent - before.sent, after.all - before.all, after.bytes - before.bytes)
