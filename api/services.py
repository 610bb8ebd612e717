"""What the routes work with, and how they reach it from their threads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import current_app, g

from api.keys import KeyCache
from shared.bridge import Bridge
from shared.broker import Waker
from shared.callbacks.account import Accounts
from shared.callbacks.guard import Guard
from shared.clock import Clock
from shared.context.tokens import TokenCounter
from shared.conversation.noter import Noter
from shared.errors import StoreUnavailable
from shared.hooks.hooks import Hooks
from shared.hooks.intake import Intake
from shared.ids import Ids
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.contract import Store, TenantStore

Answer = TypeVar("Answer")
CALL_SECONDS = 1.9


@dataclass(frozen=True, slots=True)
class ApiServices:
    """One web process's services. The store lives on the event loop; `bridge` leads there."""

    settings: Settings
    store: Store
    waker: Waker
    bridge: Bridge
    counter: TokenCounter
    clock: Clock
    ids: Ids
    recaller: Recaller
    keys: KeyCache
    accounts: Accounts
    guard: Guard
    hooks: Hooks
    intake: Intake
    noter: Noter

    def note(self, take: Callable[[Noter], None]) -> None:
        """Let the noter take a note, on the loop; nobody waits for it."""
        self.bridge.loop.call_soon_threadsafe(take, self.noter)

    def call(self, work: Coroutine[Any, Any, Answer], seconds: float = CALL_SECONDS) -> Answer:
        """Run `work` on the loop and return its answer, which must come within so many seconds.

        Raises:
            StoreUnavailable: no answer in time.

        """
        try:
            return self.bridge.call(work, max(0.0, seconds))
        except TimeoutError as error:
            message = f"the store did not answer in {seconds:.1f} s"
            raise StoreUnavailable(message) from error


def services() -> ApiServices:
    """Return the services of the running application."""
    return cast("ApiServices", current_app.extensions["customer_memory"])


def tenant_store() -> TenantStore:
    """Return the caller's own records: the only way from a route to the store."""
    return cast("TenantStore", g.tenant_store)
