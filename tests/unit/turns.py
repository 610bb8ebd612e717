"""A turn without processes: the real runner over a real store contract, with Claude scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from shared.clock import system_clock
from shared.context.tokens import load_counter
from shared.conversation.announce import Announcer
from shared.conversation.instructions import InstructionsCache
from shared.conversation.learning import Learner
from shared.conversation.stream import Listeners
from shared.conversation.turn import Advanced, TurnParts, TurnRunner
from shared.ids import Ids
from shared.models import TokenUsage
from shared.prompt import Prompt, Reply
from shared.remembering.semantic import open_recaller
from shared.settings import Settings
from tests.contract.store import Desk

Act = Callable[[Prompt, Callable[[str], None]], Any]


def says(text: str, stop_reason: str = "end_turn", *, cut: bool = False) -> Act:
    """Script a reply."""

    def act(prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        on_text(text)
        return Reply(text, TokenUsage(input=7, output=3, total=10), prompt.model, stop_reason, cut)

    return act


def raises(error: Exception) -> Act:
    """Script a failure."""

    def act(prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        raise error

    return act


@dataclass
class ScriptedClaude:
    """Claude, doing what the script says next; then it says OK. `counts`: what it counts next; then it counts 1."""

    script: list[Act] = field(default_factory=list)
    counts: list[int | Exception] = field(default_factory=list)
    counted: list[Prompt] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    waits_for: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        self.prompts.append(prompt)
        self.asked.set()
        act = self.script.pop(0) if self.script else says("OK")
        reply: Reply = act(prompt, on_text)
        if self.waits_for is not None:
            await self.waits_for.wait()
        return reply

    async def count(self, prompt: Prompt) -> int:
        self.counted.append(prompt)
        count = self.counts.pop(0) if self.counts else 1
        if isinstance(count, Exception):
            raise count
        return count

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class RecordingPublisher:
    """Hears what is announced; raises what it is told to."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    error: Exception | None = None
    refuses: str | None = None

    def publish(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        if self.error is not None:
            raise self.error
        if self.refuses in {event["id"] for _, event in events}:
            raise ValueError("this one cannot be published")
        self.events += events


@dataclass
class Office:
    """A desk with somebody who answers."""

    desk: Desk
    claude: ScriptedClaude
    publisher: RecordingPublisher
    listeners: Listeners
    runner: TurnRunner
    announcer: Announcer

    async def advance(self, request: Any, *, quarantine: bool = False) -> Advanced:
        """Run the next turn of a request's session."""
        return await self.runner.advance(self.desk.ref(request), quarantine=quarantine)


def open_office(desk: Desk, executor: ThreadPoolExecutor, **settings: Any) -> Office:
    """Return an office over a desk."""
    given = Settings(**settings)
    claude, publisher, listeners = ScriptedClaude(), RecordingPublisher(), Listeners()
    announcer = Announcer(desk.store, publisher, executor, include_content=given.events_include_content)
    runner = TurnRunner(
        TurnParts(
            store=desk.store,
            claude=claude,
            announcer=announcer,
            counter=load_counter(),
            instructions=InstructionsCache(desk.store, given.agent_instructions),
            listeners=listeners,
            learner=Learner(desk.store, load_counter().name),
            recaller=open_recaller(given),
            settings=given,
            clock=system_clock,
            ids=Ids(),
        )
    )
    return Office(desk, claude, publisher, listeners, runner, announcer)
