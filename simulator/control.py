"""The control API under `/_simulator`, for tests and demos: faults, the record of requests, pace, batches."""

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from simulator.errors import ApiError
from simulator.schema import BatchList, FaultList, RequestList, Settings
from simulator.state import SIMULATOR

T = TypeVar("T", bound=BaseModel)


def add_routes(app: web.Application) -> None:
    """Add every route of the control API; the table is its documentation."""
    app.add_routes(
        [
            web.post("/_simulator/faults", add_faults),
            web.get("/_simulator/faults", list_faults),
            web.delete("/_simulator/faults", clear_faults),
            web.get("/_simulator/requests", list_requests),
            web.delete("/_simulator/requests", clear_requests),
            web.get("/_simulator/stats", read_stats),
            web.get("/_simulator/settings", read_settings),
            web.put("/_simulator/settings", set_settings),
            web.get("/_simulator/batches", list_batches),
            web.post("/_simulator/batches/{id}/finish", finish_batch),
            web.post("/_simulator/batches/{id}/expire", expire_batch),
            web.get("/healthz", health),
        ]
    )


async def add_faults(http: web.Request) -> web.Response:
    """Append faults; answer with all that are in force."""
    asked = await _read(http, FaultList)
    http.app[SIMULATOR].faults.add(asked.faults)
    return await list_faults(http)


async def list_faults(http: web.Request) -> web.Response:
    """Answer with the faults in force."""
    return _json(FaultList(faults=http.app[SIMULATOR].faults.pending()))


async def clear_faults(http: web.Request) -> web.Response:
    """Forget all faults: 204."""
    http.app[SIMULATOR].faults.clear()
    return web.Response(status=204)


async def list_requests(http: web.Request) -> web.Response:
    """Answer with the records numbered above `since` (default 0: all that are kept)."""
    since = http.query.get("since", "0")
    if not since.isdecimal():
        raise ApiError(400, "since: a request's number, 0 or more")
    return _json(RequestList(requests=http.app[SIMULATOR].recorder.since(int(since))))


async def clear_requests(http: web.Request) -> web.Response:
    """Forget the records: 204."""
    http.app[SIMULATOR].recorder.clear()
    return web.Response(status=204)


async def read_stats(http: web.Request) -> web.Response:
    """Answer with the counts."""
    return _json(http.app[SIMULATOR].recorder.stats())


async def read_settings(http: web.Request) -> web.Response:
    """Answer with the pace."""
    return _json(http.app[SIMULATOR].settings)


async def set_settings(http: web.Request) -> web.Response:
    """Replace the pace; a field left out goes back to no delay, no limit."""
    http.app[SIMULATOR].settings = await _read(http, Settings)
    return await read_settings(http)


async def list_batches(http: web.Request) -> web.Response:
    """Answer with the batches handed in, and what stood in them."""
    simulator = http.app[SIMULATOR]
    now = simulator.clock()
    return _json(BatchList(batches=[batch.record(now) for batch in simulator.batches.all()]))


async def finish_batch(http: web.Request) -> web.Response:
    """End the batch now, with all its requests answered."""
    simulator = http.app[SIMULATOR]
    simulator.batches.get(http.match_info["id"]).finish(simulator.clock())
    return await list_batches(http)


async def expire_batch(http: web.Request) -> web.Response:
    """Let the batch's day be over now: what has not been answered has expired."""
    simulator = http.app[SIMULATOR]
    simulator.batches.get(http.match_info["id"]).expire(simulator.clock())
    return await list_batches(http)


async def health(_http: web.Request) -> web.Response:
    """Say that it is alive."""
    return web.json_response({"status": "ok"})


async def _read(http: web.Request, schema: type[T]) -> T:
    try:
        return schema.model_validate_json(await http.read())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ApiError(400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _json(model: BaseModel) -> web.Response:
    return web.Response(text=model.model_dump_json(by_alias=True), content_type="application/json")
