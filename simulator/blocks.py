"""A request as the flat list of blocks Claude reads: tools, system, messages. Counting and caching walk this list."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic_core import to_json

from simulator.wire import ContentBlock, MediaBlock, MessagesRequest, TextBlock, Ttl

# What a picture or file counts for, whatever its size: its bytes say nothing about its tokens.
MEDIA_TOKENS = 1_600


class Block(NamedTuple):
    """One block. `place`: tool, system, user or assistant. `text`: what is hashed and, without `tokens`, counted."""

    place: str
    text: str
    opens_turn: bool
    ttl: Ttl | None
    tokens: int | None = None


def blocks_of(request: MessagesRequest) -> list[Block]:
    """List the request's blocks in the cache's order; a top-level `cache_control` marks the last of them."""
    found = [*_tools(request), *_system(request), *_messages(request)]
    if request.cache_control is not None and found and found[-1].ttl is None:
        found[-1] = found[-1]._replace(ttl=request.cache_control.ttl)
    return found


def _tools(request: MessagesRequest) -> Iterator[Block]:
    for tool in request.tools:
        marker = tool.get("cache_control")
        ttl: Ttl | None = None
        if isinstance(marker, dict):
            ttl = "1h" if marker.get("ttl") == "1h" else "5m"
        bare = {name: value for name, value in tool.items() if name != "cache_control"}
        yield Block("tool", to_json(bare).decode(), opens_turn=False, ttl=ttl)


def _system(request: MessagesRequest) -> Iterator[Block]:
    if isinstance(request.system, str):
        if request.system:
            yield Block("system", request.system, opens_turn=False, ttl=None)
        return
    for block in request.system:
        yield Block("system", block.text, opens_turn=False, ttl=_ttl(block))


def _messages(request: MessagesRequest) -> Iterator[Block]:
    for message in request.messages:
        if isinstance(message.content, str):
            yield Block(message.role, message.content, opens_turn=True, ttl=None)
            continue
        for position, block in enumerate(message.content):
            tokens = MEDIA_TOKENS if isinstance(block, MediaBlock) else None
            yield Block(message.role, _text(block), opens_turn=position == 0, ttl=_ttl(block), tokens=tokens)


def _text(block: ContentBlock) -> str:
    return block.text if isinstance(block, TextBlock) else block.model_dump_json(exclude={"cache_control"})


def _ttl(block: ContentBlock) -> Ttl | None:
    marker = getattr(block, "cache_control", None)  # thinking blocks cannot carry one
    return None if marker is None else marker.ttl
