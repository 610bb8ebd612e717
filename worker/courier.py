"""What a worker posts callbacks with, and replies to platforms."""

from __future__ import annotations

from contextlib import AsyncExitStack

from shared.callbacks.account import Accounts
from shared.callbacks.circuit import Circuits
from shared.callbacks.courier import Courier, CourierParts
from shared.callbacks.guard import Guard, SystemLookup
from shared.callbacks.rules import rules_of
from shared.callbacks.sender import Sender
from shared.callbacks.signed import SignedCallbacks
from shared.clock import system_clock
from shared.hooks.hooks import Hooks
from shared.replies.channel import PlatformReplies
from shared.sealing import sealer_of
from shared.settings import Settings
from shared.storage.contract import Store


def open_courier(store: Store, settings: Settings, closing: AsyncExitStack) -> Courier:
    """Return a courier as the settings want it; what it opens is closed with `closing`."""
    lookup = SystemLookup()
    closing.callback(lookup.close)
    seconds = settings.callback_timeout_seconds
    sealer = sealer_of(settings.secret_keys)
    accounts = Accounts(store, sealer)
    sender = Sender(Guard(rules_of(settings), lookup), seconds, system_clock)
    return Courier(
        CourierParts(
            store=store,
            callbacks=SignedCallbacks(accounts, sender, system_clock, seconds),
            replies=PlatformReplies(Hooks(store, sealer), sender, system_clock, seconds),
            circuits=Circuits(settings.callbacks_per_endpoint),
            tenants=Circuits(max(1, settings.callback_concurrency // 2)),
        )
    )
