"""`POST /v1/messages`: check, take a fault, account, answer; every request ends with exactly one outcome.

`POST /v1/messages/count_tokens` checks and counts; it takes no fault and is not recorded.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from simulator.blocks import blocks_of
from simulator.cache import Prefix, prefixes_of
from simulator.checks import check, check_breakpoints
from simulator.context import last_text
from simulator.errors import ApiError
from simulator.events import Answer
from simulator.faults import BREAKS, error_of
from simulator.models import limits_of
from simulator.recorder import Entry
from simulator.reply import compose
from simulator.schema import Fault
from simulator.state import SIMULATOR, Simulator
from simulator.stream import break_off, send_stream
from simulator.summary import is_summary
from simulator.wire import MessagesRequest, parse, parse_count

MAX_BODY_BYTES = 32 * 2**20
ORGANIZATION = "org_simulated"


async def create_message(http: web.Request) -> web.StreamResponse:
    """Answer one request; errors are the API's own."""
    simulator = http.app[SIMULATOR]
    entry = simulator.recorder.open(simulator.new_id("req"), http.headers)
    try:
        return await _answer(http, simulator, entry)
    except ApiError as error:
        simulator.recorder.close(entry, "refused", error.status)
        return error_response(error, entry.request_id)
    except ConnectionError:
        simulator.recorder.close(entry, "client left")
        return web.Response()  # there is nobody to read it; the server ends the connection
    except asyncio.CancelledError:
        simulator.recorder.close(entry, "server stopped" if simulator.stopping else "client left")
        raise
    finally:
        simulator.recorder.close(entry, "refused", 500)  # only a defect comes here with the entry still open


async def count_tokens(http: web.Request) -> web.Response:
    """Tell how many input tokens a request would have."""
    simulator = http.app[SIMULATOR]
    require_key(http.headers)
    prefixes = measure(parse_count(await _read(http)), simulator)
    headers = answer_headers(simulator.new_id("req"))
    return web.json_response({"input_tokens": prefixes[-1].tokens}, headers=headers)


def error_response(error: ApiError, request_id: str) -> web.Response:
    """Write an error as the API does, its `request-id` header included."""
    headers = {**answer_headers(request_id), **error.headers}
    return web.json_response(error.body(request_id), status=error.status, headers=headers)


def answer_headers(request_id: str) -> dict[str, str]:
    """Return the headers of every answer."""
    return {"request-id": request_id, "anthropic-organization-id": ORGANIZATION}


async def _answer(http: web.Request, simulator: Simulator, entry: Entry) -> web.StreamResponse:
    require_key(http.headers)
    body = await _read(http)
    simulator.recorder.body(entry, body)
    request = parse(body)
    prefixes = measure(request, simulator)
    fault = simulator.faults.take(last_text(request), summary=is_summary(request))
    await simulator.wait((simulator.settings.latency_ms + (fault.delay_ms if fault else 0)) / 1000)
    if fault is not None and fault.kind == "status":
        raise error_of(fault)
    if fault is not None and fault.kind in BREAKS and not (request.stream and _begins(fault)):
        return await break_off(http, simulator, entry, fault, None)
    reply = compose(request, fault, simulator.counter)
    spent = simulator.cache.account(prefixes, entry.at)
    simulator.cache.remember(prefixes, entry.at)
    answer = Answer(simulator.new_id("msg"), request.model, reply, spent)
    if request.stream:
        return await send_stream(http, simulator, entry, answer, fault)
    await simulator.wait(_seconds(reply.output_tokens, simulator))
    simulator.recorder.close(entry, "answered", 200, reply.stop_reason)
    return web.json_response(answer.message(), headers=answer_headers(entry.request_id))


def require_key(headers: Mapping[str, str]) -> None:
    """Raise 401 without a key, in either header; any key will do. Raise 400 without a version."""
    bearer = headers.get("authorization", "").partition("Bearer ")[2].strip()
    if not bearer and not headers.get("x-api-key", "").strip():
        raise ApiError(401, "x-api-key header is required")
    if "anthropic-version" not in headers:
        raise ApiError(400, "anthropic-version: header is required")


def measure(request: MessagesRequest, simulator: Simulator) -> list[Prefix]:
    """Check the request against its model and count it."""
    limits = limits_of(request.model)
    check(request, limits)
    blocks = blocks_of(request)
    check_breakpoints(blocks)
    prefixes = prefixes_of(request, blocks, simulator.counter)
    if prefixes[-1].tokens > limits.context:
        raise ApiError(400, f"prompt is too long: {prefixes[-1].tokens} tokens > {limits.context} maximum")
    return prefixes


async def _read(http: web.Request) -> bytes:
    if (http.content_length or 0) > MAX_BODY_BYTES:
        raise ApiError(413)
    try:
        return await http.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(413) from error


def _begins(fault: Fault) -> bool:
    """A `hang` that names no place in the reply never begins to answer."""
    return fault.kind != "hang" or fault.after_chars is not None


def _seconds(tokens: int, simulator: Simulator) -> float:
    rate = simulator.settings.tokens_per_second
    return tokens / rate if rate else 0.0
