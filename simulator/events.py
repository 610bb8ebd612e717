"""The server-sent events of a streamed message, and the JSON of a whole one. Pure."""

from dataclasses import dataclass

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from simulator.cache import InputUsage
from simulator.reply import Reply
from simulator.usage import delta_usage, usage

MOST_PIECES = 10  # of a reply without a rate limit
LEAST_CHARS = 16  # of a piece, when the reply is short


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with what surrounds it on the wire."""

    message_id: str
    model: str
    reply: Reply
    spent: InputUsage

    def message(self) -> dict[str, object]:
        """Return the `message` object of a response that is not streamed."""
        content: list[object] = [{"type": "text", "text": self.reply.text}] if self.reply.text else []
        if self.reply.call is not None:
            content.append(self._tool(from_json(self.reply.call.input)))
        ended = {**_stop(self.reply), "usage": usage(self.spent, self.reply.output_tokens)}
        return {"id": self.message_id, **self._opening(), "content": content, **ended}

    def head(self) -> bytes:
        """Return the events before the first text; a reply without text has no content block."""
        pending = {"stop_reason": None, "stop_sequence": None, "stop_details": None, "usage": usage(self.spent, 1)}
        message = {"id": self.message_id, **self._opening(), "content": [], **pending}
        start = event("message_start", {"message": message})
        if not self.reply.text:
            return start + event("ping")
        block = event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        return start + block + event("ping")

    def tail(self) -> bytes:
        """Return the events after the last text."""
        end = event(
            "message_delta",
            {"delta": _stop(self.reply), "usage": delta_usage(self.spent, self.reply.output_tokens)},
        ) + event("message_stop")
        stop = event("content_block_stop", {"index": 0}) if self.reply.text else b""
        return stop + self._called() + end

    def _called(self) -> bytes:
        """Return the events of a tool call; its input comes in two pieces, neither of which is JSON by itself."""
        if self.reply.call is None:
            return b""
        index, whole = int(bool(self.reply.text)), self.reply.call.input
        half = len(whole) // 2
        start = event("content_block_start", {"index": index, "content_block": self._tool({})})
        deltas = (
            event("content_block_delta", {"index": index, "delta": {"type": "input_json_delta", "partial_json": piece}})
            for piece in (whole[:half], whole[half:])
        )
        return start + b"".join(deltas) + event("content_block_stop", {"index": index})

    def _tool(self, given: object) -> dict[str, object]:
        name = self.reply.call.name if self.reply.call else ""
        return {"type": "tool_use", "id": f"toolu_{self.message_id.removeprefix('msg_')}", "name": name, "input": given}

    def _opening(self) -> dict[str, object]:
        return {"type": "message", "role": "assistant", "model": self.model}


def event(kind: str, fields: dict[str, object] | None = None) -> bytes:
    """Write one event; its name is its data's `type`."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), to_json({"type": kind, **(fields or {})}))


def text_delta(text: str) -> bytes:
    """Write one piece of the reply."""
    return event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})


def error_event(body: dict[str, JsonValue]) -> bytes:
    """Write the error that ends a stream after its 200; `body` is the error's JSON."""
    return event("error", {name: value for name, value in body.items() if name != "type"})


def pieces(text: str, size: int | None = None) -> list[str]:
    """Split text at spaces into pieces of about `size` characters; joined, they are the text again.

    Without `size`, into at most ten.
    """
    wanted = size if size is not None else max(-(-len(text) // (MOST_PIECES - 1)), LEAST_CHARS)
    found: list[str] = []
    start = 0
    while start < len(text):
        space = text.find(" ", start + wanted)
        end = len(text) if space < 0 else space
        found.append(text[start:end])
        start = end
    return found


def _stop(reply: Reply) -> dict[str, object]:
    details = {"type": "refusal", "category": None, "explanation": None} if reply.stop_reason == "refusal" else None
    return {"stop_reason": reply.stop_reason, "stop_sequence": reply.stop_sequence, "stop_details": details}
