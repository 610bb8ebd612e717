"""Who runs the turns that `benchmarks.capacity` counts: the real runner, and a Claude that says what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from benchmarks.metering import Meter, MeteredClient
from shared.clock import system_clock
from shared.context.calibration import UNLEARNED, Correction, Lesson
from shared.context.tokens import TokenCounter
from shared.conversation.announce import Announcer
from shared.conversation.instructions import InstructionsCache
from shared.conversation.learning import Learner
from shared.conversation.stream import Listeners
from shared.conversation.turn import TurnParts, TurnRunner
from shared.ids import Ids, SessionRef
from shared.models import TokenUsage
from shared.prompt import Prompt, Reply
from shared.remembering.indexes import Indexes
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage import limits_of
from shared.storage.dynamodb.store import DynamoStore, DynamoTenantStore
from shared.storage.types import Claim, Committed, NewRequest, NotClaimed, Outcome


class Steps:
    """What each step of a turn asked."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.found: dict[str, Meter] = {}

    def begin(self) -> None:
        """Begin a turn."""
        self._meter.take()
        self.found = {}

    def end(self, step: str) -> None:
        """Note what was asked since the step before."""
        self.found[step] = self._meter.take()


class SteppedTenant(DynamoTenantStore):
    """A tenant's store that tells the steps of a turn apart."""

    steps: Steps

    async def accept(self, request: NewRequest, new_session_id: str) -> str:
        """Accept, and note what that asked."""
        session = await super().accept(request, new_session_id)
        self.steps.end("accept")
        return session

    async def claim(self, ref: SessionRef, nonce: str, read_tokens: int, *, quarantine: bool) -> Claim | NotClaimed:
        """Claim, and note what that asked."""
        claim = await super().claim(ref, nonce, read_tokens, quarantine=quarantine)
        self.steps.end("claim")
        return claim

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        """Commit, and note what was asked since the claim."""
        done = await super().commit(claim, outcome)
        self.steps.end("commit")
        return done


class SteppedStore(DynamoStore):
    """A store that tells the steps of a turn apart."""

    def __init__(self, client: MeteredClient, settings: Settings) -> None:
        super().__init__(client, limits_of(settings))
        self.steps = Steps(client.meter)

    def tenant(self, tenant: str) -> SteppedTenant:
        """Return a tenant's store."""
        own = SteppedTenant(self._client, tenant, self.limits)
        own.steps = self.steps
        return own

    async def strike(self, bucket: str, row_ids: Sequence[str]) -> None:
        """Strike, and note what that asked."""
        await super().strike(bucket, row_ids)
        self.steps.end("strike")


class Told:
    """A Claude that says `words`, whatever it is asked."""

    words = ""

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """Say it, word by word, so that pieces which nobody listens to are counted too."""
        for word in self.words.split(" "):
            on_text(f"{word} ")
            await asyncio.sleep(0)
        usage = TokenUsage(input=900, output=60, total=960)
        return Reply(self.words, usage, prompt.model, "end_turn", cut=False)

    async def count(self, prompt: Prompt) -> int:
        """Count nothing: nobody asks."""
        del prompt
        return 0

    async def close(self) -> None:
        """Nothing is open."""


class Deaf:
    """A publisher that nobody hears."""

    def publish(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Do nothing."""


class Unlearned(Learner):
    """Learns nothing: what it shares in the background, twice a minute, is no part of a turn."""

    async def correction(self, model: str) -> Correction:
        """Return that our count is right."""
        del model
        return UNLEARNED

    def observe(self, model: str, lesson: Lesson, reported: int) -> None:
        """Forget it."""


def make_runner(
    store: SteppedStore, claude: Told, counter: TokenCounter, settings: Settings, executor: Executor
) -> TurnRunner:
    """Return what runs turns in a worker."""
    return TurnRunner(
        TurnParts(
            store=store,
            claude=claude,
            announcer=Announcer(store, Deaf(), executor, include_content=settings.events_include_content),
            counter=counter,
            instructions=InstructionsCache(store, settings.agent_instructions),
            listeners=Listeners(),
            learner=Unlearned(store, counter.name),
            recaller=Recaller(Indexes(1_000_000)),
            settings=settings,
            clock=system_clock,
            ids=Ids(),
        )
    )
