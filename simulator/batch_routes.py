"""`/v1/messages/batches`: create, list, retrieve, cancel, results."""

import asyncio
from typing import Any

from aiohttp import web
from pydantic_core import from_json, to_json

from simulator.batches import Batch, requests_of
from simulator.context import last_text
from simulator.errors import ApiError
from simulator.events import Answer
from simulator.faults import BREAKS, error_of
from simulator.messages import answer_headers, measure, require_key
from simulator.reply import compose
from simulator.state import SIMULATOR, Simulator
from simulator.summary import is_summary
from simulator.wire import MessagesRequest, parse

MAX_BATCH_BYTES = 256_000_000
PAGE = 20
MOST_PAGE = 1_000
AT_ONCE = 16  # results worked out before others have their turn

# What a request alone may ask for, and one of a batch may not.
NOT_IN_BATCHES = ("stream", "speed")


def add_routes(app: web.Application) -> None:
    """Add every route of the batches API."""
    app.add_routes(
        [
            web.post("/v1/messages/batches", create),
            web.get("/v1/messages/batches", list_all),
            web.get("/v1/messages/batches/{id}", retrieve),
            web.post("/v1/messages/batches/{id}/cancel", cancel),
            web.get("/v1/messages/batches/{id}/results", results),
        ]
    )


async def create(http: web.Request) -> web.Response:
    """Take a batch in."""
    simulator = _admitted(http)
    try:
        body = from_json(await _body(http))
    except ValueError as error:
        raise ApiError(400, "The request body is not valid JSON") from error
    batch = Batch(simulator.new_id("msgbatch"), simulator.clock(), requests_of(body), simulator.settings.batch_seconds)
    simulator.batches.add(batch)
    # Handed in is never over yet, however fast the simulator is told to be.
    message = batch.message(batch.created, _base(http))
    processing = {**dict.fromkeys(message["request_counts"], 0), "processing": len(batch.requests)}
    early = {"processing_status": "in_progress", "request_counts": processing, "ended_at": None, "results_url": None}
    return _json(simulator, {**message, **early})


async def list_all(http: web.Request) -> web.Response:
    """Answer with a page of batches, newest first."""
    simulator = _admitted(http)
    limit, after, before = (http.query.get(name) for name in ("limit", "after_id", "before_id"))
    if limit is not None and (not limit.isdecimal() or not 1 <= int(limit) <= MOST_PAGE):
        raise ApiError(400, f"limit: 1 to {MOST_PAGE}")
    most, newest = int(limit or PAGE), simulator.batches.all()[::-1]
    if before is not None:
        newest = newest[: newest.index(simulator.batches.get(before))]
        page = newest[-most:]
    else:
        newest = newest if after is None else newest[newest.index(simulator.batches.get(after)) + 1 :]
        page = newest[:most]
    for batch in page:
        await _work_out(simulator, batch)
    told = [batch.message(simulator.clock(), _base(http)) for batch in page]
    ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {"first_id": None, "last_id": None}
    return _json(simulator, {"data": told, "has_more": len(newest) > len(page), **ends})


async def retrieve(http: web.Request) -> web.Response:
    """Answer with how far a batch is."""
    simulator, batch = _named(http)
    await _work_out(simulator, batch)
    return _json(simulator, batch.message(simulator.clock(), _base(http)))


async def cancel(http: web.Request) -> web.Response:
    """Stop a batch: it says `canceling` now, and has ended when it is next asked after."""
    simulator, batch = _named(http)
    now = simulator.clock()
    if batch.ended(now):
        await _work_out(simulator, batch)
        return _json(simulator, batch.message(now, _base(http)))
    batch.canceled = now
    return _json(simulator, batch.message(now, _base(http), canceling=True))


async def results(http: web.Request) -> web.StreamResponse:
    """Answer with one line of JSON for each request, in no order."""
    simulator, batch = _named(http)
    if not batch.ended(simulator.clock()):
        raise ApiError(400, f"batch {batch.id} has not ended: its results are not available yet")
    await _work_out(simulator, batch)
    headers = {**answer_headers(simulator.new_id("req")), "content-type": "application/x-jsonl"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(http)
    for position in batch.order():
        ending = batch.ending(position)
        result = batch.results[position] if ending == "answered" else {"type": ending}
        await response.write(to_json({"custom_id": batch.requests[position][0], "result": result}) + b"\n")
    await response.write_eof()
    return response


async def _work_out(simulator: Simulator, batch: Batch) -> None:
    """Answer the requests of a batch that has ended, once."""
    if not batch.ended(simulator.clock()):
        return
    for position, (_, params) in enumerate(batch.requests):
        if position not in batch.results and batch.ending(position) == "answered":
            batch.results[position] = _answered(simulator, params)
            if position % AT_ONCE == 0:
                await asyncio.sleep(0)


def _answered(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    try:
        request = _checked(params)
        prefixes = measure(request, simulator)
        fault = simulator.faults.take(last_text(request), summary=is_summary(request))
        if fault is not None and (fault.kind == "status" or fault.kind in BREAKS):
            raise error_of(fault)
        reply = compose(request, fault, simulator.counter)
    except ApiError as error:
        return {"type": "errored", "error": error.body(simulator.new_id("req"))}
    now = simulator.clock()
    spent = simulator.cache.account(prefixes, now)
    simulator.cache.remember(prefixes, now)
    message = Answer(simulator.new_id("msg"), request.model, reply, spent).message()
    usage = message["usage"]
    return {"type": "succeeded", "message": {**message, "usage": {**dict(usage), "service_tier": "batch"}}}  # type: ignore[call-overload]  # a dict, as `Answer` makes it


def _checked(params: dict[str, Any]) -> MessagesRequest:
    for name in NOT_IN_BATCHES:
        if params.get(name):
            raise ApiError(400, f"{name}: not supported in batches")
    request = parse(to_json(params))
    if request.max_tokens == 0:
        raise ApiError(400, "max_tokens: 0 cannot be used in batches")
    return request


def _admitted(http: web.Request) -> Simulator:
    require_key(http.headers)
    return http.app[SIMULATOR]


def _named(http: web.Request) -> tuple[Simulator, Batch]:
    simulator = _admitted(http)
    return simulator, simulator.batches.get(http.match_info["id"])


async def _body(http: web.Request) -> bytes:
    """Read the body: a batch may be larger than the server lets others be."""
    body = bytearray()
    async for chunk in http.content.iter_any():
        body += chunk
        if len(body) > MAX_BATCH_BYTES:
            raise ApiError(413)
    return bytes(body)


def _base(http: web.Request) -> str:
    return f"{http.scheme}://{http.host}"


def _json(simulator: Simulator, body: dict[str, Any]) -> web.Response:
    return web.Response(
        body=to_json(body), content_type="application/json", headers=answer_headers(simulator.new_id("req"))
    )
