"""What the API refuses beyond the shape of a request: a table of checks, in the order they are made."""

from collections.abc import Callable

from simulator.blocks import Block
from simulator.errors import ApiError
from simulator.models import Limits
from simulator.wire import (
    MediaBlock,
    Message,
    MessagesRequest,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)

MAX_BREAKPOINTS = 4

Check = Callable[[MessagesRequest], str | None]


def _starts_with_user(request: MessagesRequest) -> str | None:
    return None if request.messages[0].role == "user" else 'messages: first message must use the "user" role'


def _ends_with_user(request: MessagesRequest) -> str | None:
    if request.messages[-1].role == "user":
        return None
    return "This model does not support assistant message prefill. The conversation must end with a user message."


def _block_in_its_role(request: MessagesRequest) -> str | None:
    for number, message in enumerate(request.messages):
        for block in message.blocks():
            if message.role == "assistant" and isinstance(block, MediaBlock) and block.type == "document":
                return f"messages.{number}: `document` blocks are not allowed in assistant messages"
            if message.role == "user" and isinstance(block, TextBlock) and block.citations:
                return f"messages.{number}: `citations` are not allowed on text blocks in user messages"
    return None


def _tool_pairs(request: MessagesRequest) -> str | None:
    for number, message in enumerate(request.messages):
        called = {block.id for block in message.blocks() if isinstance(block, ToolUseBlock)}
        if called and (left := called - _results(request.messages[number + 1 :][:1])):
            missing = ", ".join(sorted(left))
            return f"messages.{number}: `tool_use` ids were found without `tool_result` blocks after: {missing}"
    return None


def _results(messages: list[Message]) -> set[str]:
    return {part.tool_use_id for message in messages for part in message.blocks() if isinstance(part, ToolResultBlock)}


def _stop_sequences(request: MessagesRequest) -> str | None:
    if all(sequence.strip() for sequence in request.stop_sequences):
        return None
    return "stop_sequences: each stop sequence must contain non-whitespace"


def _prewarm(request: MessagesRequest) -> str | None:
    return "max_tokens: 0 cannot be used with stream" if request.max_tokens == 0 and request.stream else None


def _one_automatic_ttl(request: MessagesRequest) -> str | None:
    explicit = getattr(request.messages[-1].content[-1], "cache_control", None)  # a string's last letter has none
    if request.cache_control is None or explicit is None or explicit.ttl == request.cache_control.ttl:
        return None
    return "cache_control: the last block already has a cache_control with a different ttl"


CHECKS: tuple[Check, ...] = (
    _starts_with_user,
    _ends_with_user,
    _block_in_its_role,
    _tool_pairs,
    _stop_sequences,
    _prewarm,
    _one_automatic_ttl,
)


def check(request: MessagesRequest, limits: Limits) -> None:
    """Raise 400 for the first rule broken."""
    for rule in CHECKS:
        if (problem := rule(request)) is not None:
            raise ApiError(400, problem)
    if request.max_tokens > limits.reply:
        allowed = f"which is the maximum allowed number of output tokens for {request.model}"
        raise ApiError(400, f"max_tokens: {request.max_tokens} > {limits.reply}, {allowed}")


def check_breakpoints(blocks: list[Block]) -> None:
    """Raise 400 for more than four breakpoints, or a one-hour one behind a five-minute one."""
    ttls = [block.ttl for block in blocks if block.ttl is not None]
    if len(ttls) > MAX_BREAKPOINTS:
        found = f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(ttls)}."
        raise ApiError(400, found)
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        raise ApiError(400, "cache_control: a ttl='1h' block must not come after a ttl='5m' block")
