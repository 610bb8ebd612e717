"""Messages, bursts, takeovers, hand-backs, hand-offs, claims, commits and kills, in any order.

Whatever the order: every message is stored once, in the order accepted; each reply answers requests in a row, all of
which have it as their result, and stands right behind them; none is given while a person has the conversation; and each
one that was written in vain for that is counted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import fakeredis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from shared.conversation.reconcile import Reconciler
from shared.conversation.turn import WASTED, Advanced, TurnRunner
from shared.errors import ClaudeLater
from shared.ids import SessionRef
from shared.models import ChatRequest, Handler, Message, TokenUsage
from shared.prompt import Prompt, Reply
from shared.storage.types import SessionPatch
from tests.contract import dynamodb_desk, redis_desk
from tests.contract.store import SECOND, Desk
from tests.support.moto import Moto
from tests.unit.turns import Office, ScriptedClaude, open_office

EXAMPLES = int(os.environ.get("INTERLEAVINGS", "60"))
WINDOW = 3 * SECOND
LATER = ClaudeLater("overloaded", "Claude is overloaded", after=20)

Told = TypeVar("Told")
turns = st.integers(0, 3)


@dataclass(eq=False)
class Call:
    """A call of Claude that waits for its answer."""

    prompt: Prompt
    answer: asyncio.Future[str]


class WaitingClaude(ScriptedClaude):
    """Claude, who answers each call when, and as, the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        call = Call(prompt, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        self.asked.set()
        how = await call.answer
        if how == "later":
            raise LATER
        on_text("OK")
        usage = TokenUsage(input=7, output=3, total=10)
        return Reply("OK", usage, prompt.model, "end_turn", cut=False, handoff="asked" if how == "handoff" else None)


@dataclass(eq=False)
class Running:
    """A turn under way, and the call it waits for."""

    task: asyncio.Task[Advanced]
    call: Call


class Interleavings(RuleBasedStateMachine):
    """One session, some workers, a customer who writes in bursts, and a person who comes and goes."""

    open_desk: ClassVar[Callable[[], Desk]]

    @initialize(burst=st.integers(0, 4))
    def begin(self, burst: int) -> None:
        self.loop = asyncio.Runner()
        self.executor = ThreadPoolExecutor(1)
        self.desk, self.claude = self.run(self._opened()), WaitingClaude()
        self.office: Office = open_office(self.desk, self.executor)
        self.runner = TurnRunner(replace(self.office.runner._parts, claude=self.claude))
        self.accepted: list[str] = []
        self.texts: dict[str, str] = {}
        self.running: list[Running] = []
        self.handler: Handler = "agent"
        self.wasted = self.written = 0
        self.session_id: str | None = None
        # Most traces begin in the middle: a worker has asked Claude, and more was said since.
        for _ in range(burst):
            self.say(waits=True)
        self.say(waits=burst > 0)
        self.take_a_turn(after=WINDOW, back=False, quarantine=False)
        self.say(waits=True)

    async def _opened(self) -> Desk:
        return type(self).open_desk()

    def run(self, work: Coroutine[Any, Any, Told]) -> Told:
        """Do something on the loop on which turns under way wait meanwhile."""
        return self.loop.run(work)

    @property
    def ref(self) -> SessionRef:
        return SessionRef("acme", str(self.session_id))

    # The customer, and the person.

    @precondition(lambda self: len(self.accepted) < 25)
    @rule(waits=st.booleans())
    def say(self, *, waits: bool) -> None:
        self.written += 1
        text = f"message {self.written}"
        coalesce = WINDOW if waits else 0
        request = self.run(self.desk.accept(text, session_id=self.session_id, coalesce_ms=coalesce))
        self.session_id = request.session_id
        self.accepted.append(request.request_id)
        self.texts[request.request_id] = text

    @precondition(lambda self: len(self.accepted) < 25)
    @rule()
    def record(self) -> None:
        message = self.desk.message("I am on it", role="assistant", author="Maria")
        self.run(self.desk.own.record(str(self.session_id), message, backdated=False))
        self.accepted.append(message.id)

    @rule(handler=st.sampled_from(["human", "agent"]))
    def hand(self, handler: Handler) -> None:
        self.run(self.desk.own.update_session(str(self.session_id), SessionPatch(handler=handler)))
        self.handler = handler

    # The workers.

    @rule(after=st.sampled_from([0, WINDOW, WINDOW, 31 * SECOND]), back=st.booleans(), quarantine=st.booleans())
    def take_a_turn(self, after: int, *, back: bool, quarantine: bool) -> None:
        self.desk.clock.pass_(after)
        if back:
            self.hand("agent")
        self.run(self._take(quarantine=quarantine))

    async def _take(self, *, quarantine: bool) -> Advanced | None:
        """Begin a turn; return what became of it where Claude was not asked."""
        self.claude.asked.clear()
        task = asyncio.get_running_loop().create_task(self.runner.advance(self.ref, quarantine=quarantine))
        asked = asyncio.get_running_loop().create_task(self.claude.asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not task.done():
            self.running.append(Running(task, self.claude.calls[-1]))
            return None
        ended = task.result()
        assert (ended.outcome == "taken-over") <= (self.handler == "human")
        return ended

    @precondition(lambda self: self.running)
    @rule(
        which=turns,
        how=st.sampled_from(["reply", "reply", "reply", "later", "handoff"]),
        meanwhile=st.sampled_from([(), (), ("human",), ("human", "agent"), ("agent",)]),
    )
    def answer(self, which: int, how: str, meanwhile: tuple[Handler, ...]) -> None:
        for handler in meanwhile:
            self.hand(handler)
        self.run(self._answer(self.running.pop(which % len(self.running)), how))

    async def _answer(self, turn: Running, how: str) -> None:
        before = await self._replies()
        turn.call.answer.set_result(how)
        ended = (await turn.task).outcome
        given = (await self._replies())[len(before) :]
        if ended == "succeeded":
            assert self.handler == "agent"
            assert len(given) == 1
            await self._check_prompt(turn.call.prompt, str(given[0].request_id))
            self.handler = "human" if how == "handoff" else self.handler
            return
        assert not given
        if ended == "taken-over":
            assert self.handler == "human"
            self.wasted += 1
        else:
            assert ended in {"lost", "stale", "parked"}, ended
            assert (ended == "parked") <= (how == "later")

    async def _check_prompt(self, prompt: Prompt, first: str) -> None:
        """The newest words of the prompt are those of every request that the reply answers."""
        answered = [first, *(await self.desk.own.request(first)).burst]
        said = [block["text"] for block in prompt.messages[-1]["content"]]
        assert said[-len(answered) :] == [self.texts[request] for request in answered]

    @precondition(lambda self: self.running)
    @rule(which=turns)
    def kill(self, which: int) -> None:
        self.run(self._kill(self.running.pop(which % len(self.running))))

    async def _kill(self, turn: Running) -> None:
        turn.task.cancel()
        await asyncio.wait({turn.task})

    @rule(ms=st.sampled_from([1, SECOND, WINDOW, 31 * SECOND]))
    def time_passes(self, ms: int) -> None:
        self.desk.clock.pass_(ms)

    @rule(away=st.booleans())
    def broker(self, *, away: bool) -> None:
        self.office.publisher.error = OSError("the broker is away") if away else None

    # The end.

    def teardown(self) -> None:
        if hasattr(self, "session_id"):
            self.run(self._end())
            self.executor.shutdown()
            self.loop.close()

    async def _end(self) -> None:
        for turn in self.running:
            await self._kill(turn)
        self.running.clear()
        self.office.publisher.error = None
        for _ in range(4 * len(self.accepted) + 4):
            self.desk.clock.pass_(31 * SECOND)
            for quarantine in (False, True):
                await self._take(quarantine=quarantine)
                for turn in self.running:
                    await self._answer(turn, "reply")
                self.running.clear()
            if (await self.desk.own.session(str(self.session_id))).open_requests == 0:
                break
        await self._check_all()
        await self.desk.store.close()

    async def _check_all(self) -> None:
        stored = await self._stored()
        kept = {name: await self.desk.own.request(name) for name in self.texts}
        assert [each.id if each.author else each.request_id for each in stored if not _is_reply(each)] == self.accepted
        assert {each.status for each in kept.values()} <= {"succeeded", "failed"}
        answered = [name for at, each in enumerate(stored) if _is_reply(each) for name in _behind(stored, at, kept)]
        assert sorted(answered) == sorted(name for name, each in kept.items() if each.status == "succeeded")
        assert (await self.desk.own.counts()).get(WASTED, 0) == self.wasted
        self.desk.clock.pass_(61 * SECOND)
        await Reconciler(self.desk.store, self.office.announcer, _wake_nobody).run(every=False)
        told = {event["id"]: event["type"] for _, event in self.office.publisher.events}
        kinds = {"succeeded": "chat.reply.completed", "failed": "chat.reply.failed"}
        replies = {name: kind for name, kind in told.items() if kind != "session.assigned"}
        assert replies == {f"evt_{name}": kinds[each.status] for name, each in kept.items()}
        if self.session_id and (await self.desk.own.session(self.session_id)).handler == "human":
            assert any(name.startswith(f"evt_{self.session_id}_human_") for name in told)

    async def _stored(self) -> list[Message]:
        return list((await self.desk.own.messages(str(self.session_id), 200, 0)).items)

    async def _replies(self) -> list[Message]:
        return [message for message in await self._stored() if _is_reply(message)]


def _is_reply(message: Message) -> bool:
    return message.role == "assistant" and message.author is None


def _behind(stored: list[Message], at: int, kept: dict[str, ChatRequest]) -> list[str]:
    """Return the requests that the reply at a place answers; they have it as result, and stand right before it."""
    first = kept[str(stored[at].request_id)]
    members = [first.id, *first.burst]
    assert [each.request_id for each in stored[at - len(members) : at]] == members
    assert [kept[name].result for name in members] == [first.result] * len(members)
    assert [kept[name].answered_with for name in first.burst] == [first.id] * len(first.burst)
    assert len(members) == 1 or all(kept[name].coalesce_ms for name in members)
    return members


async def _wake_nobody(ref: SessionRef, *, quarantine: bool) -> bool:
    del ref, quarantine
    return True


def interleave(examples: int) -> None:
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.timeout(3600)
def test_whatever_the_order_on_redis() -> None:
    Interleavings.open_desk = staticmethod(
        lambda: redis_desk.make_desk(fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,)))
    )
    interleave(EXAMPLES)


@pytest.mark.timeout(3600)
def test_whatever_the_order_on_dynamodb(moto: Moto) -> None:
    Interleavings.open_desk = staticmethod(lambda: dynamodb_desk.make_desk(moto.table()))
    interleave(max(5, EXAMPLES // 6))
