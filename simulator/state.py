"""What one running simulator holds, put together in `server.create_app`."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from simulator.batches import Batches
from simulator.cache import PromptCache
from simulator.faults import FaultQueue
from simulator.recorder import Recorder
from simulator.schema import Settings
from simulator.tokens import TokenCounter

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
NewId = Callable[[str], str]


@dataclass(slots=True)
class Simulator:
    """The parts. `stopping` tells a handler that is cancelled whether the client left or the server is going."""

    settings: Settings
    counter: TokenCounter
    cache: PromptCache
    faults: FaultQueue
    recorder: Recorder
    batches: Batches
    clock: Clock
    sleep: Sleep
    new_id: NewId
    stopping: bool = False

    async def wait(self, seconds: float) -> None:
        """Wait, if there is anything to wait for."""
        if seconds > 0:
            await self.sleep(seconds)


SIMULATOR = web.AppKey("simulator", Simulator)


def random_id(prefix: str) -> str:
    """Return `prefix` and 24 characters, as `msg_01…` and `req_01…`."""
    return f"{prefix}_01{secrets.token_hex(11)}"
