"""A reply before it is sent: what it says, why it stops, what it costs."""

from dataclasses import dataclass, replace

from simulator.answer import answer
from simulator.context import last_text, read
from simulator.faults import shaped
from simulator.handoff import SAID, ToolCall, called
from simulator.remember import is_extraction, remembered
from simulator.schema import Fault
from simulator.structured import format_of, structured
from simulator.summary import is_summary, summarised
from simulator.tokens import TokenCounter
from simulator.wire import MessagesRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` may be empty: then the message has no text block. `call`: a tool is called behind it."""

    text: str
    stop_reason: str
    output_tokens: int
    stop_sequence: str | None = None
    call: ToolCall | None = None


def compose(request: MessagesRequest, fault: Fault | None, counter: TokenCounter) -> Reply:
    """Answer the request, as `fault` bends it, within `max_tokens` and before the first stop sequence."""
    if request.max_tokens == 0:  # only warms the prompt cache
        return Reply("", "max_tokens", 0)
    call = called(request, fault)
    text, stop_reason = shaped(fault, (lambda: SAID) if call else (lambda: said(request)))
    reply = _stopped(Reply(text, stop_reason, 0), request.stop_sequences)
    if call is not None and reply.stop_sequence is None:
        reply = replace(reply, stop_reason="tool_use", call=call)
    tokens = counter.count(reply.text) + (counter.count(reply.call.input) if reply.call else 0)
    if tokens > request.max_tokens:
        cut = counter.cut(reply.text, request.max_tokens)
        return Reply(cut, "max_tokens", request.max_tokens)
    return replace(reply, output_tokens=max(tokens, 1))  # the API never reports 0 for an answer, not even an empty one


def said(request: MessagesRequest) -> str:
    """Return what the system prompt asks for, JSON where a schema asks for it, else an answer."""
    schema = format_of(request)
    if is_extraction(request):
        return remembered(last_text(request))
    if schema is not None:
        return structured(schema, last_text(request))
    return summarised(last_text(request)) if is_summary(request) else answer(read(request))


def _stopped(reply: Reply, sequences: list[str]) -> Reply:
    found = [(at, sequence) for sequence in sequences if (at := reply.text.find(sequence)) >= 0]
    if not found:
        return reply
    at, sequence = min(found)
    return replace(reply, text=reply.text[:at], stop_reason="stop_sequence", stop_sequence=sequence)
