"""`python -m benchmarks.capacity`: what a turn asks of DynamoDB, in requests and in capacity units.

Turns are run as a worker runs them (`benchmarks.staff`), and counted as they ask moto's server (`benchmarks.metering`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import click
import structlog

from benchmarks.metering import Meter, MeteredClient, moto_server, total
from benchmarks.staff import SteppedStore, Told, make_runner
from shared.clock import from_ms
from shared.context.tokens import load_counter
from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Message, Result, TokenUsage
from shared.settings import Settings
from shared.storage.dynamodb.actions import put
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.base import HEAD
from shared.storage.dynamodb.connection import session as aws_session
from shared.storage.dynamodb.schema import session_key, table_definition
from shared.storage.jobs import SummaryOutcome
from shared.storage.types import Claim, NewRequest, NewSession, Outcome, SessionPatch
from shared.summaries.digest import SessionDigest
from shared.summaries.kept import DigestRecord, SummaryRecord

STORED: Final = (10, 100, 1000)
SENTENCE: Final = (
    "The parcel with the blue ribbon has not come yet although the tracking page says it was handed over. "
)
LONG: Final = SENTENCE * 3
SHORT: Final = "Not yet, no."
READ_TOKENS: Final = 3596
TOPIC: Final = SessionDigest(topic="parcel", outcome="resolved", open_points=[], promises=[], identifiers=[])
USAGE: Final = TokenUsage(input=900, output=60, total=960)
MEMORIES: Final = 10
DIGESTS: Final = 10


class Office:
    """One customer's session on a metered table, whose messages all say the same `words`."""

    def __init__(self, client: MeteredClient, words: str, executor: ThreadPoolExecutor) -> None:
        settings, counter = Settings(), load_counter()
        self.client = client
        self.words = words
        self.tokens = counter.count(words)
        self.store = SteppedStore(client, settings)
        self.own = self.store.tenant("acme")
        self.ids = Ids()
        self.bucket = bucket_of("acme", "cust-1")
        claude = Told()
        claude.words = words
        self._runner = make_runner(self.store, claude, counter, settings, executor)

    async def open(self) -> str:
        """Let the customer have memory entries, digests, and a session with a first turn; return the session."""
        for number in range(MEMORIES):
            await self.own.put_memory("cust-1", f"fact {number}", SENTENCE, "note")
        for _ in range(DIGESTS):
            await self.digest()
        first = NewRequest(self.ids.request(self.bucket), "cust-1", self.words)
        session = await self.own.accept(first, self.ids.session(self.bucket))
        await self._runner.advance(SessionRef("acme", session), quarantine=False)
        return session

    async def fill(self, session: str, count: int) -> None:
        """Let the session have `count` stored messages."""
        head = session_key("acme", session, HEAD)
        stored = int((await self.client.get(head) or {})["messages"])
        await self.client.write_many(
            [
                {"PutRequest": {"Item": action["Put"]["Item"]}}
                for seq in range(stored + 1, count + 1)
                for action in self.own._appended(session, seq, await self.message("user" if seq % 2 else "assistant"))  # noqa: SLF001 - writes what the store would
            ]
        )
        kept = await self.client.get(head)
        await self.client.write(put({**(kept or {}), "messages": count, "tokens": count * self.tokens}))

    async def summarise(self, session: str) -> Meter:
        """Let the session have a summary of all it holds; return what that asked."""
        with self.client.counted() as meter:
            claim = await self.own.claim_summary(session, self.ids.ulid(), force=True)
            if claim is None:
                raise TypeError(claim)
            through = claim.session.message_count
            kept = SummaryRecord(
                text=SENTENCE * 10,
                covers_from=1,
                tokens=200,
                model="claude-haiku-4-5",
                verified="first-try",
                created_at=claim.now,
                usage=USAGE,
            )
            await self.own.end_summary(claim, SummaryOutcome(kept.model_dump_json(), through, claim.behind))
            return meter.take()

    async def digest(self) -> None:
        """Let there be a session that is over, and its digest."""
        session = self.ids.session(self.bucket)
        await self.own.create_session(session, NewSession("cust-1"))
        await self.own.record(session, await self.message("user"), backdated=False)
        await self.own.update_session(session, SessionPatch("closed"))
        claim = await self.own.claim_summary(session, self.ids.ulid())
        if claim is None:
            raise TypeError(claim)
        kept = DigestRecord(digest=TOPIC, text=SENTENCE * 2)
        await self.own.end_summary(claim, SummaryOutcome(digest=kept.model_dump_json()))

    async def turn(self, session: str) -> dict[str, Meter]:
        """Run a whole turn, as a worker does; return what each step asked."""
        with self.client.counted():
            await self._accept(session)
            ended = await self._runner.advance(SessionRef("acme", session), quarantine=False)
        if ended.outcome != "succeeded":
            raise ValueError(ended)
        return self.store.steps.found

    async def bare_turn(self, session: str) -> dict[str, Meter]:
        """Run a turn of the store alone, whose receipt is not as long as what went in; return what each step asked."""
        with self.client.counted():
            await self._accept(session)
            claim = await self.own.claim(SessionRef("acme", session), self.ids.ulid(), READ_TOKENS, quarantine=False)
            if not isinstance(claim, Claim):
                raise TypeError(claim)
            done = await self.own.commit(claim, await self.outcome(claim))
            await self.store.strike(done.rows[0].bucket, [done.rows[0].id])
        return self.store.steps.found

    async def _accept(self, session: str) -> None:
        self.store.steps.begin()
        new = NewRequest(self.ids.request(self.bucket), "cust-1", self.words, session)
        await self.own.accept(new, self.ids.session(self.bucket))

    async def outcome(self, claim: Claim) -> Outcome:
        """Return the outcome of an answered claim."""
        result = Result(
            session_id=claim.ref.session_id,
            reply=self.words,
            token_usage=USAGE,
            request_id=claim.request.id,
            model="claude-sonnet-4-6",
            stop_reason="end_turn",
        )
        asked, reply = await self.message("user", claim.request.id), await self.message("assistant", claim.request.id)
        return Outcome(asked, reply, result, asked=True)

    async def message(self, role: Any, request: str | None = None) -> Message:
        """Return a message as a turn stores it."""
        at = from_ms(await self.client.now())
        return Message(
            id=self.ids.message(), role=role, content=self.words, at=at, tokens=self.tokens, request_id=request
        )


@dataclass
class Measured:
    """What a turn asks at each number of stored messages, by step: as a worker runs it, and of the store alone.

    `summary`: what a summary asks besides.
    """

    turns: dict[int, dict[str, Meter]]
    bare: dict[int, dict[str, Meter]]
    summary: Meter


async def measure(url: str, words: str = LONG, stored: Sequence[int] = STORED) -> Measured:
    """Run turns of a session that has a summary, of a customer with memory entries and digests, in a new table."""
    address = Address(f"capacity-{Ids().ulid()}", "us-east-1", url, "testing", "testing")
    async with aws_session(address).client("dynamodb", endpoint_url=url) as client:
        await client.create_table(**table_definition(address.table))
    metered = MeteredClient(address)
    found = Measured({}, {}, Meter())
    with ThreadPoolExecutor(1) as executor:
        office = Office(metered, words, executor)
        session = await office.open()
        for count in stored:
            await office.fill(session, count)
            found.summary = await office.summarise(session)
            await office.turn(session)  # the first after a summary says when to look at the session again
            found.turns[count] = await office.turn(session)
            found.bare[count] = await office.bare_turn(session)
    await metered.close()
    return found


@click.command
def main() -> None:
    """Count the requests and capacity units of a turn on DynamoDB, at 10, 100 and 1,000 stored messages."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    told = f"{MEMORIES} memory entries, {DIGESTS} digests, a summary, default settings"
    with moto_server() as url:
        for words in (LONG, SHORT):
            found = asyncio.run(measure(url, words))
            click.echo(f"messages of {len(words)} characters, {told}")
            click.echo(f"{'stored':>7}  {'step':<7}  {'requests':>8}  {'read units':>10}  {'write units':>11}")
            for count, steps in found.turns.items():
                for step, meter in [*steps.items(), ("turn", total(steps.values()))]:
                    click.echo(f"{count:>7}  {step:<7}  {_figures(meter)}")
            click.echo(f"besides  summary  {_figures(found.summary)}")


def _figures(meter: Meter) -> str:
    return f"{meter.requests.total():>8}  {meter.reads:>10.1f}  {meter.writes:>11.1f}"


if __name__ == "__main__":
    main()
