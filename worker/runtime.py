"""The composition root of a worker process: one event loop, one store, one Claude client, opened when first needed.

Nothing is built at import, and nothing before a fork: the pool of quarantine forks its children first. A process that
runs no turns opens no Claude client.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from celery import Celery

from shared.bridge import LoopThread
from shared.broker import Waker, make_publisher
from shared.callbacks.courier import Courier
from shared.callbacks.desk import CallbackDesk
from shared.callbacks.dispatch import dispatch
from shared.clock import system_clock
from shared.context.budget import check_budget
from shared.context.tokens import load_counter
from shared.conversation.announce import Announcer, Publisher
from shared.conversation.instructions import InstructionsCache
from shared.conversation.learning import Learner
from shared.conversation.noter import Noter
from shared.conversation.reconcile import Reconciler, Round
from shared.conversation.stream import Listeners
from shared.conversation.turn import Advanced, TurnParts, TurnRunner
from shared.ids import Ids, SessionRef
from shared.models import TokenBudget
from shared.prompt import BatchClient, ClaudeClient
from shared.remembering.semantic import open_recaller
from shared.settings import Settings
from shared.storage import open_store
from shared.storage.contract import Store
from shared.storage.deliveries import DeliveryRef
from shared.storage.jobs import RunningPart
from shared.summarising.batches import BatchParts, BatchRunner
from shared.summarising.dispatch import Dispatcher
from shared.summarising.gather import Gatherer
from shared.summarising.job import SummaryJobs, SummaryParts
from shared.summarising.memory_single import MemorySingle
from shared.summarising.single import Single
from worker.courier import open_courier
from worker.heart import beat
from worker.later import LaterWaker

STORE_PATIENCE_SECONDS = 20.0
STORE_CONNECTIONS = 64
ANNOUNCERS = 4


@dataclass(frozen=True, slots=True)
class Adapters:
    """What stands at the edges of a turn. Tests put failing ones in their place."""

    open_store: Callable[[Settings], Store]
    open_claude: Callable[[Settings], ClaudeClient]
    make_publisher: Callable[[Celery, Settings], Publisher]
    open_batches: Callable[[Settings], BatchClient] = field(default_factory=lambda: _open_batches)


def real_adapters() -> Adapters:
    """Return the adapters of production."""
    return Adapters(_open_store, _open_claude, make_publisher)


class WorkerRuntime:
    """The services of this process. Tasks come from many threads; all the services' work happens on one loop."""

    def __init__(self, app: Celery, settings: Settings, adapters: Adapters) -> None:
        self.waker = Waker(app)
        self._app = app
        self._settings = settings
        self._adapters = adapters
        self._lock = threading.RLock()
        self._base: Base | None = None
        self._turns: TurnRunner | None = None
        self._summaries: Summarising | None = None
        self._courier: Courier | None = None
        self._claudes: list[ClaudeClient] = []

    def advance(self, ref: SessionRef, *, quarantine: bool) -> Advanced:
        """Run the session's next turn. Raises StoreError."""
        turns = self.warm_up()
        return self.base().loop.call(turns.advance(ref, quarantine=quarantine))

    def wake_later(self, ref: SessionRef, seconds: float) -> None:
        """Wake a worker for the session so many seconds from now."""
        base = self.base()
        base.loop.call(base.later.after(ref, seconds))

    def warm_up(self) -> TurnRunner:
        """Return what runs turns, opening it with the first call."""
        with self._lock:
            base = self.base()
            if self._turns is None:
                self._turns = base.loop.call(self._open_turns(base))
            return self._turns

    def summarize(self, ref: SessionRef) -> str:
        """Make the session's summary or digest, if it is due. Raises StoreError."""
        return self.base().loop.call(self._summarising().jobs.run(ref))

    def advance_batch(self, which: RunningPart) -> str:
        """Go on with a part of a batch. Raises StoreError."""
        return self.base().loop.call(self._summarising().batches.run(which))

    def dispatch(self) -> int:
        """Launch summaries that are due, and wake batches; return how many. Raises StoreError."""
        base = self.base()

        async def wake(ref: SessionRef) -> bool:
            return await asyncio.to_thread(self.waker.summarize, ref)

        most = self._settings.summaries_in_flight
        return base.loop.call(Dispatcher(base.store, wake, self._wake_batch, most).run())

    def gather(self) -> int:
        """Put sessions whose reading was left to a batch into one; return how many. Raises StoreError."""
        base = self.base()
        gatherer = Gatherer(base.store, Ids(), self._settings.model_that_extracts, self._wake_batch)
        return base.loop.call(gatherer.run())

    async def _wake_batch(self, part: RunningPart) -> bool:
        return await asyncio.to_thread(self.waker.advance_batch, part)

    def deliver(self, ref: DeliveryRef) -> str:
        """Make the next attempt of a delivery, if it is due. Raises StoreError."""
        base = self.base()
        with self._lock:
            if self._courier is None:
                self._courier = open_courier(base.store, self._settings, base.closing)
        return base.loop.call(self._courier.deliver(ref))

    def dispatch_callbacks(self) -> int:
        """Wake workers for callbacks that are due; return for how many. Raises StoreError."""
        base = self.base()
        return base.loop.call(dispatch(base.store, self._wake_courier))

    async def _wake_courier(self, ref: DeliveryRef) -> bool:
        return await asyncio.to_thread(self.waker.deliver, ref)

    def reconcile(self, *, every: bool) -> Round:
        """Run one round of the reconciler. Raises StoreError."""
        base = self.base()

        async def wake(ref: SessionRef, *, quarantine: bool) -> bool:
            return await asyncio.to_thread(self.waker.wake, ref, quarantine=quarantine)

        return base.loop.call(Reconciler(base.store, base.announcer, wake).run(every=every))

    def live(self, role: str) -> None:
        """Tell from now on that this process lives."""
        base = self.base()

        async def begin() -> None:
            beating = asyncio.get_running_loop().create_task(beat(base.store, role, self._breakers))
            base.closing.callback(beating.cancel)

        base.loop.call(begin())

    async def _breakers(self) -> dict[str, str]:
        """Return how Claude is asked by this process; nothing where it asks none, or by a stand-in."""
        told = [getattr(claude, "breakers", None) for claude in self._claudes]
        return {model: state for ask in told if ask is not None for model, state in (await ask()).items()}

    def base(self) -> Base:
        """Return what every role works with, opening it with the first call."""
        with self._lock:
            if self._base is None:
                loop = LoopThread("customer-memory")
                self._base = loop.call(self._open_base(loop))
            return self._base

    def stop(self) -> None:
        """Close what was opened."""
        with self._lock:
            if self._base is not None:
                self._base.loop.call(self._base.closing.aclose(), timeout=10)
                self._base.loop.stop()
                self._base = self._turns = self._summaries = self._courier = None

    async def _open_base(self, loop: LoopThread) -> Base:
        closing = AsyncExitStack()
        store = self._adapters.open_store(self._settings)
        closing.push_async_callback(store.close)
        executor = ThreadPoolExecutor(ANNOUNCERS, "announce")
        closing.callback(executor.shutdown, wait=False)
        publisher = self._adapters.make_publisher(self._app, self._settings)
        content = self._settings.events_include_content
        callbacks = CallbackDesk(store, self._wake_courier)
        noter = Noter(store, simulated=self._settings.simulated)
        closing.push_async_callback(noter.close)
        announcer = Announcer(store, publisher, executor, callbacks, include_content=content, noter=noter)
        return Base(loop, closing, store, announcer, LaterWaker(self.waker.wake))

    def _summarising(self) -> Summarising:
        with self._lock:
            base = self.base()
            if self._summaries is None:
                self._summaries = base.loop.call(self._open_summaries(base))
            return self._summaries

    async def _open_summaries(self, base: Base) -> Summarising:
        claude = self._adapters.open_claude(self._settings)
        self._claudes.append(claude)
        base.closing.push_async_callback(claude.close)
        parts = SummaryParts(
            store=base.store,
            claude=claude,
            announcer=base.announcer,
            counter=load_counter(),
            settings=self._settings,
            clock=system_clock,
            ids=Ids(),
        )
        batches = self._adapters.open_batches(self._settings)
        base.closing.push_async_callback(batches.close)
        runner = BatchRunner(BatchParts(base.store, batches, base.announcer, Single(parts), MemorySingle(parts)))
        return Summarising(SummaryJobs(parts), runner)

    async def _open_turns(self, base: Base) -> TurnRunner:
        settings, counter, listeners = self._settings, load_counter(), Listeners()
        budget = TokenBudget(max=settings.token_budget_max, reserve=settings.token_budget_reserve)
        check_budget(settings.agent_instructions, budget, settings.allowed_models, counter)
        claude = self._adapters.open_claude(settings)
        self._claudes.append(claude)
        base.closing.push_async_callback(claude.close)
        learner = Learner(base.store, counter.name)
        base.closing.push_async_callback(learner.close)
        following = asyncio.get_running_loop().create_task(listeners.follow(base.store.listeners()))
        base.closing.callback(following.cancel)
        return TurnRunner(
            TurnParts(
                store=base.store,
                claude=claude,
                announcer=base.announcer,
                counter=counter,
                instructions=InstructionsCache(base.store, settings.agent_instructions),
                listeners=listeners,
                learner=learner,
                recaller=open_recaller(settings),
                settings=settings,
                clock=system_clock,
                ids=Ids(),
            )
        )


@dataclass(frozen=True, slots=True)
class Base:
    """What every role works with, on the loop it lives on."""

    loop: LoopThread
    closing: AsyncExitStack
    store: Store
    announcer: Announcer
    later: LaterWaker


@dataclass(frozen=True, slots=True)
class Summarising:
    """What a worker of summaries works with."""

    jobs: SummaryJobs
    batches: BatchRunner


def _open_store(settings: Settings) -> Store:
    return open_store(settings, patience=STORE_PATIENCE_SECONDS, connections=STORE_CONNECTIONS)


def _open_claude(settings: Settings) -> ClaudeClient:
    from shared.claude import Claude  # noqa: PLC0415 - the SDK takes seconds to import; roles that run no turns need it not

    return Claude(settings)


def _open_batches(settings: Settings) -> BatchClient:
    from shared.claude_batches import ClaudeBatches  # noqa: PLC0415 - see above

    return ClaudeBatches(settings)
