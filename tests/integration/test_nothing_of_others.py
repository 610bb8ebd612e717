"""No prompt holds anything of another customer or tenant, whatever happened before: over a real Valkey, in any order.

Two tenants share their customers' ids. Whatever an owner (a customer of a tenant) says, is answered, has remembered,
summarised or digested holds a canary of its own; all speak of the same things, so that a search among the wrong
turns would find them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from redis.asyncio import Redis

from shared.context.assembly import assemble
from shared.context.tokens import load_counter
from shared.conversation.preview import Preview
from shared.errors import MemoryFull, Refusal, UnknownSession
from shared.ids import bucket_of
from shared.models import TokenUsage
from shared.remembering.entries import find_entries
from shared.remembering.indexes import Indexes
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.jobs import SummaryOutcome
from shared.storage.types import SessionPatch
from shared.summaries.kept import SummaryRecord
from tests.contract.redis_desk import make_desk
from tests.contract.store import DAY, MEMORY_LIMITS, MINUTE, Desk
from tests.support.valkey import Valkey
from tests.unit.remembering.shop import Shop, open_shop
from tests.unit.turns import says

Answer = TypeVar("Answer")

TENANTS: Final = ("acme", "globex")
CUSTOMER: Final = "cust-1"
# Another whose records lie in the same bucket, where scripts could reach them.
TWIN: Final = next(
    name
    for name in (f"cust-{number}" for number in count(2))
    if bucket_of(TENANTS[0], name) == bucket_of(TENANTS[0], CUSTOMER)
)
CUSTOMERS: Final = (CUSTOMER, TWIN, "cust-of-another-bucket")
CANARY: Final = re.compile(r"canary(\d)x\d+")
TOPICS: Final = ("lamp", "parcel", "refund")
SETTINGS: Final[dict[str, Any]] = {"extraction": True, "compression_strategy": "hybrid"}
CACHE: Final = 2_000  # packed bytes: now and then an index gives way to another

owners = st.integers(0, len(TENANTS) * len(CUSTOMERS) - 1)
topics = st.sampled_from(TOPICS)
picks = st.integers(0, 7)


@dataclass
class Person:
    """Who stands behind one customer's id or several: whose canaries are theirs, and the sessions begun so far."""

    numbers: set[int]
    sessions: list[str] = field(default_factory=list)


@dataclass
class Owner:
    """A customer of a tenant."""

    number: int
    shop: Shop
    customer: str
    person: Person
    told: int = 0

    @property
    def sessions(self) -> list[str]:
        """Sessions begun so far."""
        return self.person.sessions

    def canary(self) -> str:
        """Return a canary of this owner, a new one each time."""
        self.told += 1
        return f"canary{self.number}x{self.told}"


class Owners(RuleBasedStateMachine):
    """All that happens to several customers of several tenants. `held`: how many own canaries were seen, by place."""

    server: Valkey
    held: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.executor = ThreadPoolExecutor(2)
        self.redis = Redis.from_url(self.server.url(7), decode_responses=True)
        self.run(self._emptied())
        desk = make_desk(self.redis, MEMORY_LIMITS)
        self.recaller = Recaller(Indexes(CACHE))
        shops = [self._shop(desk.of(tenant)) for tenant in TENANTS]
        self.owners = [
            Owner(number, shops[number // len(CUSTOMERS)], CUSTOMERS[number % len(CUSTOMERS)], Person({number}))
            for number in range(len(TENANTS) * len(CUSTOMERS))
        ]

    @initialize()
    def begin(self) -> None:
        """Begin with something of everybody: sessions that are indexed and read, an entry, a digest."""
        for owner in self.owners:
            self.say(owner.number, 0, "lamp")
            self.read(owner.number, 0)
            self.end(owner.number, 0)
            self.say(owner.number, 1, "parcel")
            self.read(owner.number, 1)
            self.remember(owner.number, "refund")

    async def _emptied(self) -> None:
        await self.redis.flushdb()

    def _shop(self, desk: Desk) -> Shop:
        shop = open_shop(desk, self.executor, **SETTINGS)
        parts = shop.office.runner._parts
        shop.office.runner._parts = replace(parts, recaller=self.recaller)
        return shop

    def run(self, what: Coroutine[Any, Any, Answer]) -> Answer:
        """Run something on the machine's own loop."""
        return self.runner.run(what)

    def check(self, owner: Owner, text: object, place: str) -> None:
        """Fail where a text holds a canary of somebody else."""
        found = CANARY.findall(str(text))
        own = {str(number) for number in owner.person.numbers}
        assert set(found) <= own, f"{place} of owner {owner.number} holds canaries of {set(found)}"
        self.held[place] += len(found)

    def session_of(self, owner: Owner, pick: int) -> str | None:
        """Return one of the owner's sessions; None for a new one."""
        return owner.sessions[pick] if pick < len(owner.sessions) else None

    @rule(number=owners, pick=picks, topic=topics)
    def say(self, number: int, pick: int, topic: str) -> None:
        """Let an owner say something and be answered; what Claude was sent is the owner's own."""
        owner, told = self.owners[number], f"What about my {topic}? Its number is {self.owners[number].canary()}."
        session = self.session_of(owner, pick)
        try:
            said = self.run(owner.shop.say(told, f"I see: {owner.canary()}.", session=session, customer=owner.customer))
        except Refusal:  # it was deleted, or is over
            return
        if said not in owner.sessions:
            owner.sessions.append(said)
        self.check(owner, owner.shop.prompt, "turn")

    @rule(number=owners, pick=picks)
    def read(self, number: int, pick: int) -> None:
        """Have a session indexed and read, by a model that would remember what was said."""
        owner = self.owners[number]
        session, bureau = self.session_of(owner, pick), owner.shop.bureau
        if session is None:
            return
        page = self.run(owner.shop.desk.own.messages(session, 200, 0))
        quotes = [(message.seq, message.content) for message in page.items if message.role == "user"][-3:]
        answer = {"operations": [_operation(seq, quote) for seq, quote in quotes]}
        bureau.claude.script, bureau.claude.prompts = [says(json.dumps(answer))], []
        self.run(owner.shop.read(session))
        self.check(owner, bureau.claude.prompts, "reading")

    @rule(number=owners, pick=picks)
    def end(self, number: int, pick: int) -> None:
        """Close a session, and have its digest made."""
        owner = self.owners[number]
        session = self.session_of(owner, pick)
        if session is None:
            return
        own = owner.shop.desk.own
        with suppress(Refusal):  # it is over already
            self.run(own.update_session(session, SessionPatch(status="closed")))
        owner.shop.bureau.claude.script, owner.shop.bureau.claude.prompts = [], []
        self.run(owner.shop.read(session))
        self.check(owner, owner.shop.bureau.claude.prompts, "digesting")
        self.check(owner, self.run(own.digests(owner.customer, 20)), "digests")

    @rule(number=owners, pick=picks)
    def summarise(self, number: int, pick: int) -> None:
        """Keep a summary of a session."""
        owner, session = self.owners[number], self.session_of(self.owners[number], pick)
        own = owner.shop.desk.own
        claim = self.run(own.claim_summary(session, owner.shop.desk.ids.ulid(), force=True)) if session else None
        if claim is not None:
            through = claim.session.message_count
            self.run(own.end_summary(claim, SummaryOutcome(_summary(owner), through, 10)))

    @rule(number=owners, topic=topics)
    def remember(self, number: int, topic: str) -> None:
        """Write an entry through the API; a key may hold a canary, too."""
        owner = self.owners[number]
        key = f"{topic} {owner.canary()}" if owner.told % 3 == 0 else topic
        with suppress(MemoryFull):
            self.run(owner.shop.desk.own.put_memory(owner.customer, key, f"{topic} {owner.canary()}", "note"))

    @rule(number=owners, pick=picks)
    def delete(self, number: int, pick: int) -> None:
        """Delete a session with all that was made of it."""
        owner = self.owners[number]
        session = self.session_of(owner, pick)
        if session is not None:
            self.run(owner.shop.desk.own.delete_session(session))
            owner.sessions.remove(session)

    @rule(number=owners, pick=picks, topic=topics)
    def preview(self, number: int, pick: int, topic: str) -> None:
        """Look at the next context of a session."""
        owner = self.owners[number]
        session, desk = self.session_of(owner, pick), owner.shop.desk
        if session is not None:
            preview = Preview(desk.store, desk.own, Settings(**SETTINGS), load_counter(), self.recaller)
            draft = self.run(preview.upcoming(session, f"And my {topic}, what is its number?"))
            self.check(owner, assemble(draft, load_counter()).messages, "preview")

    @rule(number=owners, topic=topics)
    def look(self, number: int, topic: str) -> None:
        """Look for turns and entries, as the memory route does."""
        owner = self.owners[number]
        desk = owner.shop.desk
        now = self.run(desk.store.now())
        self.check(owner, self.run(self.recaller.find(desk.own, owner.customer, f"{topic} number", now, 20)), "turns")
        self.check(owner, self.run(find_entries(desk.own, owner.customer, f"{topic} number")), "entries")

    @rule(number=owners)
    def trespass(self, number: int) -> None:
        """Reach for the sessions of everybody else by their ids."""
        owner = self.owners[number]
        for robbed in self.owners:
            if robbed.person is not owner.person:
                for session in robbed.sessions:
                    self._reach_for(owner, robbed, session)

    def _reach_for(self, owner: Owner, robbed: Owner, session: str) -> None:
        self.held["trespass" if owner.shop is robbed.shop else "trespass elsewhere"] += 1
        own = owner.shop.desk.own
        assert self.run(own.turns(owner.customer, [(session, seq) for seq in range(1, 9)], 10_000)) == []
        with pytest.raises(UnknownSession):
            self.run(owner.shop.desk.accept("Mine.", owner.customer, session_id=session))
        if owner.shop is not robbed.shop:
            for reach in (own.messages(session, 9, 0), own.session(session), own.summaries(session)):
                with pytest.raises(UnknownSession):
                    self.run(reach)

    @rule(days=st.integers(0, 40))
    def wait(self, days: int) -> None:
        """Let time pass: sessions end by themselves."""
        self.owners[0].shop.desk.clock.pass_(days * DAY + MINUTE)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.executor.shutdown()
        self.runner.close()


def _operation(seq: int, quote: str) -> dict[str, Any]:
    said = {"op": "upsert", "scope": "note", "key": f"said {seq}", "value": quote, "quote": quote}
    return {**said, "message": seq, "confidence": 1.0}


def _summary(owner: Owner) -> str:
    return SummaryRecord(
        text=f"The lamp has the number {owner.canary()}.",
        covers_from=1,
        tokens=10,
        model="m",
        verified="first-try",
        created_at=owner.shop.desk.message("x").at,
        usage=TokenUsage(input=1, output=1, total=2),
    ).model_dump_json()


def test_no_prompt_holds_anything_of_another_customer_or_tenant(valkey: Valkey) -> None:
    held: Counter[str] = Counter()
    machine = type("OwnersHere", (Owners,), {"server": valkey, "held": held})
    few = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=[*HealthCheck],
    )
    run_state_machine_as_test(machine, settings=few)
    assert all(held[place] for place in ("turn", "reading", "preview", "turns", "entries", "digests", "trespass")), held
