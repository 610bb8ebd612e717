"""Moving between stores while the service is at work: nothing lost, nothing brought back, nothing answered twice."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from cli.mover import Mover
from shared.errors import UnknownRequest, UnknownSession
from shared.ids import SessionRef, bucket_of
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.jobs import SummaryOutcome
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from shared.storage.types import Claim, NewSession
from tests.contract.portable import portable_of
from tests.contract.store import LIMITS, Desk, StoreClock
from tests.support.moto import KEY, REGION, Moto
from tests.support.valkey import Valkey
from tests.support.waiting import wait_until

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
CUSTOMERS = 40
# How long callers wait between two things they do: the traffic, not a wait for anything.
PACE_SECONDS = 0.1


@pytest.fixture(scope="module")
def quick_moto() -> Iterator[Moto]:
    server = Moto()
    yield server
    server.stop()


@dataclass
class Books:
    """What callers were told: what the stores must hold, whichever is asked."""

    said: dict[str, list[str]] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    memory: dict[tuple[str, str], int] = field(default_factory=dict)
    summaries: dict[str, list[str]] = field(default_factory=dict)

    @property
    def alive(self) -> list[str]:
        """Sessions that were not deleted."""
        return [session for session in self.said if session not in self.deleted]


class Traffic:
    """Callers and workers of one store; what they are told is in the books."""

    def __init__(self, store: RedisStore | DynamoStore, books: Books, seed: int) -> None:
        self.desk = Desk(store, StoreClock(), cast("Any", None))
        self.books = books
        self.steps = 0
        self._random = random.Random(seed)
        self._ends = asyncio.Event()

    async def begin(self, sessions: int) -> None:
        """Let there be so many sessions, of two turns each."""
        for start in range(0, sessions, 20):
            await asyncio.gather(*(self._begin(start + number) for number in range(min(20, sessions - start))))
        for number in range(CUSTOMERS):
            await self._remember(f"cust-{number}", "first")
        for session in self.books.alive[::5]:
            await self._summarise(session)

    async def run(self) -> None:
        """Be at work until `stop`."""
        while not self._ends.is_set():
            await self.step()
            await asyncio.sleep(PACE_SECONDS)

    def stop(self) -> None:
        self._ends.set()

    async def step(self) -> None:
        """Do one thing a caller might do."""
        self.steps += 1
        session = self._random.choice(self.books.alive)
        kind = self._random.random()
        if kind < 0.4:
            await self.accept(session)
            await self.work(session)
        elif kind < 0.6:
            await self.accept(session)  # and no worker has come yet
        elif kind < 0.75:
            await self._begin(self._random.randrange(CUSTOMERS))
        elif kind < 0.85:
            await self.desk.own.delete_session(session)
            self.books.deleted.add(session)
            self.books.summaries.pop(session, None)
        elif kind < 0.9:
            await self._summarise(session)
        elif kind < 0.95:
            await self._remember(f"cust-{self._random.randrange(CUSTOMERS)}", f"key-{self._random.randrange(3)}")
        else:
            await self._forget()

    async def accept(self, session: str) -> None:
        """Say something in a session."""
        customer = (await self.desk.own.session(session)).customer_id
        text = f"message {secrets.token_hex(4)}"
        request = await self.desk.accept(text, customer, session_id=session)
        self.books.said[session].append(text)
        self.books.requests[request.request_id] = session

    async def work(self, session: str) -> None:
        """Answer everything that waits in a session."""
        while True:
            claim = await self.desk.own.claim(SessionRef("acme", session), self.desk.ids.ulid(), 4000, quarantine=False)
            if not isinstance(claim, Claim):
                return
            committed = await self.desk.answer(claim, f"Re: {claim.request.message}")
            assert committed.verdict == "committed"
            self.books.answers[claim.request.id] += 1

    async def _begin(self, number: int) -> None:
        customer = f"cust-{number % CUSTOMERS}"
        session = self.desk.ids.session(bucket_of("acme", customer))
        await self.desk.own.create_session(session, NewSession(customer, metadata={"number": number}))
        self.books.said[session] = []
        await self.accept(session)
        await self.work(session)

    async def _summarise(self, session: str) -> None:
        """Give a session a summary, and its customer a digest of the same text."""
        claim = await self.desk.own.claim_summary(session, self.desk.ids.ulid(), force=True)
        assert claim is not None
        text = f"summary {secrets.token_hex(4)}"
        outcome = SummaryOutcome(text, claim.session.message_count, claim.behind, digest=text)
        assert (await self.desk.own.end_summary(claim, outcome)).verdict == "committed"
        self.books.summaries.setdefault(session, []).insert(0, text)

    async def _remember(self, customer: str, key: str) -> None:
        entry, _ = await self.desk.own.put_memory(customer, key, self.steps, "note")
        self.books.memory[customer, key] = entry.value

    async def _forget(self) -> None:
        customer, key = self._random.choice(list(self.books.memory))
        await self.desk.own.delete_memory(customer, key)
        del self.books.memory[customer, key]


async def balance(books: Books, desk: Desk) -> None:
    """Hold a store against the books."""
    few = asyncio.Semaphore(16)

    async def one(check: Awaitable[None]) -> None:
        async with few:
            await check

    checks = [_there(books, desk, session) for session in books.alive]
    checks += [_gone(desk, session) for session in books.deleted]
    checks += [_ended(books, desk, request) for request in books.requests]
    await asyncio.gather(*map(one, checks))
    kept: dict[tuple[str, str], int] = {}
    for number in range(CUSTOMERS):
        page = await desk.own.memories(f"cust-{number}", None, None, 50, None)
        kept |= {(f"cust-{number}", entry.key): entry.value for entry in page.items}
    assert kept == books.memory
    found = [await desk.own.digests(f"cust-{number}", 1000) for number in range(CUSTOMERS)]
    digests = {digest.session_id: digest.value for each in found for digest in each}
    assert digests == {session: texts[0] for session, texts in books.summaries.items()}


async def _there(books: Books, desk: Desk, session: str) -> None:
    page = await desk.own.messages(session, 200, 0)
    told = [message.content for message in page.items]
    assert told == [text for said in books.said[session] for text in (said, f"Re: {said}")]
    summaries = [kept.value for kept in await desk.own.summaries(session)]
    assert summaries == books.summaries.get(session, [])[: LIMITS.summary_versions]


async def _gone(desk: Desk, session: str) -> None:
    with pytest.raises(UnknownSession):
        await desk.own.session(session)


async def _ended(books: Books, desk: Desk, request: str) -> None:
    """Every request has one outcome, whichever store it was answered in."""
    if books.requests[request] in books.deleted:
        with suppress(UnknownRequest):
            assert (await desk.own.request(request)).message == ""
        return
    assert (await desk.own.request(request)).status == "succeeded"
    assert books.answers[request] == 1


async def answer_what_waits(traffic: Traffic) -> int:
    """Let workers come to a store; return how many requests they found waiting."""
    before = traffic.books.answers.total()
    alive = traffic.books.alive
    for start in range(0, len(alive), 16):
        await asyncio.gather(*map(traffic.work, alive[start : start + 16]))
    return traffic.books.answers.total() - before


@asynccontextmanager
async def at_work(traffic: Traffic) -> AsyncIterator[None]:
    """Let traffic go on meanwhile."""
    task = asyncio.create_task(traffic.run())
    try:
        yield
    finally:
        traffic.stop()
        await task


async def migrate(*options: str, cwd: Path) -> asyncio.subprocess.Process:
    """Start the command."""
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "migrate", *options),
        cwd=cwd,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def migrated(*options: str, cwd: Path) -> str:
    """Run the command, which must succeed; return what it says."""
    process = await migrate(*options, cwd=cwd)
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output


async def there_and_back(sessions: int, valkey: Valkey, moto: Moto, folder: Path) -> None:
    """Move sessions to DynamoDB by the command and back by its engine, each cut off once, under traffic."""
    url, address, books = valkey.url(6), moto.table(), Books()
    valkey.client(6).flushdb()
    ways = ("--from", url, "--to", f"dynamodb://{address.table}?region={REGION}&endpoint={moto.endpoint}")
    async with (
        RedisStore(connect(url, 20.0, 32), LIMITS) as redis,
        DynamoStore(Client(address, 60.0, 32), LIMITS) as dynamo,
    ):
        old, new = Traffic(redis, books, 1), Traffic(dynamo, books, 2)
        await old.begin(sessions)
        target = portable_of(new.desk)

        async def some() -> bool:
            return await target.size(()) >= sessions // 10

        async with at_work(old):
            first = await migrate(*ways, cwd=folder)
            await wait_until("the first sessions to be there", some, 60)
            first.kill()
            await first.communicate()
            log.info("killed")
            again = await migrated(*ways, cwd=folder)
        await old.accept(books.alive[0])  # and no worker comes before the move
        assert first.returncode == -9
        assert "were the same" in again
        log.info("%d steps meanwhile\n%s", old.steps, again)
        final = await migrated(*ways, "--final", cwd=folder)
        assert "Both stores hold the same." in final
        log.info("%s", final)
        waited = await answer_what_waits(new)
        assert waited > 0
        await balance(books, new.desk)

        await come_back(old, new)
        assert await answer_what_waits(old) > 0
        await balance(books, old.desk)
        log.info("%d had waited on the way there", waited)


async def come_back(old: Traffic, new: Traffic) -> None:
    """Move everything back to where it came from, while there is traffic; cut off once."""
    ways = portable_of(new.desk), portable_of(old.desk)
    async with at_work(new):
        mover, met = Mover(*ways, (), live=True), asyncio.Semaphore(0)
        mover.on_session = met.release
        cut = asyncio.create_task(mover.run_pass())
        for _ in range(CUSTOMERS):
            await met.acquire()
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        await Mover(*ways, (), live=True).run_pass()
    for _ in range(20):
        await new.step()
    await new.accept(new.books.alive[0])  # and no worker comes before the move
    log.info("%d steps on the way back", new.steps)
    mover = Mover(*ways, (), live=False)
    assert (await mover.run_pass()).busy == 0
    assert (await mover.run_pass()).changed == 0
    await mover.move_rows()
    found = await mover.compare(LIMITS.request_retention_ms, mark=True)
    assert found.named == []
    source, target = found.tenants["acme"]
    assert source == target
    assert source.sessions == len(new.books.alive)


@pytest.mark.timeout(400)
async def test_a_hundred_sessions_there_and_back_under_traffic(
    valkey: Valkey, quick_moto: Moto, tmp_path: Path
) -> None:
    await there_and_back(100, valkey, quick_moto, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_thousand_sessions_there_and_back_under_traffic(
    valkey: Valkey, quick_moto: Moto, tmp_path: Path
) -> None:
    await there_and_back(1000, valkey, quick_moto, tmp_path)
