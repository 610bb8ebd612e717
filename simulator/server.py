"""The simulator as an aiohttp application, and as a running server: the composition root."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from simulator import batch_routes, control
from simulator.batches import Batches
from simulator.cache import PromptCache
from simulator.errors import ApiError
from simulator.faults import FaultQueue
from simulator.messages import MAX_BODY_BYTES, count_tokens, create_message, error_response
from simulator.recorder import Recorder
from simulator.schema import Settings
from simulator.state import SIMULATOR, Clock, NewId, Simulator, Sleep, random_id
from simulator.tokens import TokenCounter, load_encoding

GRACE_SECONDS = 0.1  # for answers under way when the server stops; then they are cut


def create_app(
    settings: Settings | None = None,
    *,
    record: bool = True,
    counter: TokenCounter | None = None,
    clock: Clock = time.time,
    sleep: Sleep = asyncio.sleep,
    new_id: NewId = random_id,
) -> web.Application:
    """Put a simulator together. `counter` can be shared between applications: building one takes 0.3 s.

    Run it with `serve`: it is what tells a handler that its client has left.
    """
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[api_errors])
    app[SIMULATOR] = Simulator(
        settings=settings or Settings(),
        counter=counter or TokenCounter(load_encoding()),
        cache=PromptCache(),
        faults=FaultQueue(),
        recorder=Recorder(clock, keep=record),
        batches=Batches(),
        clock=clock,
        sleep=sleep,
        new_id=new_id,
    )
    app.router.add_post("/v1/messages", create_message)
    app.router.add_post("/v1/messages/count_tokens", count_tokens)
    batch_routes.add_routes(app)
    control.add_routes(app)
    app.on_shutdown.append(_stop)
    return app


@asynccontextmanager
async def serve(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Run the application and yield its base URL; on leaving, end within a second, open streams included."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        bound_host, bound_port = runner.addresses[0][:2]
        yield f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
    finally:
        await runner.cleanup()


@web.middleware
async def api_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer unknown paths and methods, and refusals of the control API, with the API's error JSON."""
    try:
        return await handler(request)
    except ApiError as error:
        refusal = error
    except web.HTTPException as error:
        refusal = ApiError(error.status, f"{error.reason}: {request.method} {request.path}")
    return error_response(refusal, request.app[SIMULATOR].new_id("req"))


async def _stop(app: web.Application) -> None:
    app[SIMULATOR].stopping = True
