"""Sending a reply piece by piece, at the pace that was set, whole or broken off."""

import asyncio

from aiohttp import web

from simulator.events import Answer, error_event, pieces, text_delta
from simulator.faults import BREAKS, error_of
from simulator.recorder import Entry
from simulator.schema import Fault
from simulator.state import Simulator

PIECE_SECONDS = 0.1  # a paced stream sends at most ten pieces a second, whatever its rate


async def send_stream(
    http: web.Request, simulator: Simulator, entry: Entry, answer: Answer, fault: Fault | None
) -> web.StreamResponse:
    """Stream the answer. Raise `ConnectionError` when the client is gone."""
    response = web.StreamResponse(
        headers={"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **_ids(entry)}
    )
    await response.prepare(http)
    breaks = fault is not None and fault.kind in BREAKS
    text = answer.reply.text[: (fault.after_chars or 0)] if fault is not None and breaks else answer.reply.text
    rest = await _paced(response, simulator, answer, text)
    if fault is not None and breaks:
        await response.write(rest)
        return await break_off(http, simulator, entry, fault, response)
    simulator.recorder.close(entry, "answered", 200, answer.reply.stop_reason)
    await response.write_eof(rest + answer.tail())
    return response


async def break_off(
    http: web.Request, simulator: Simulator, entry: Entry, fault: Fault, response: web.StreamResponse | None
) -> web.StreamResponse:
    """End an answer badly: say nothing more (hang), close the connection (cut), or say an error.

    `response` is the stream that has begun; None when nothing was sent yet.
    """
    if fault.kind == "hang":
        await asyncio.Event().wait()  # until cancelled: the client leaves, or the server stops
    if fault.kind == "cut":
        simulator.recorder.close(entry, "broken", None if response is None else 200)
        if http.transport is not None:
            http.transport.close()  # sends what is buffered, then ends without the end of the body
        return response or web.Response()
    error = error_of(fault)
    if response is None:
        raise error
    simulator.recorder.close(entry, "broken", 200)
    await response.write_eof(error_event(error.body(entry.request_id)))
    return response


async def _paced(response: web.StreamResponse, simulator: Simulator, answer: Answer, text: str) -> bytes:
    """Send the head and the pieces of `text` as their time comes; return what is left to send at once."""
    rate = simulator.settings.tokens_per_second
    if not rate:
        return answer.head() + b"".join(map(text_delta, pieces(text)))
    await response.write(answer.head())
    started = simulator.clock()
    per_char = answer.reply.output_tokens / max(len(answer.reply.text), 1)
    sent = 0
    for piece in pieces(text, max(int(PIECE_SECONDS * rate / per_char), 1)):
        sent += len(piece)
        await simulator.wait(started + sent * per_char / rate - simulator.clock())
        await response.write(text_delta(piece))
    return b""


def _ids(entry: Entry) -> dict[str, str]:
    return {"request-id": entry.request_id}
