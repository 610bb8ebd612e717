"""The prompt cache: which prefixes of a request were seen before, judged by the clock that is handed in."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from pydantic_core import to_json

from simulator.blocks import Block
from simulator.tokens import TokenCounter
from simulator.wire import MessagesRequest, Ttl

MIN_PREFIX_TOKENS = 2_048
TURNS = frozenset({"user", "assistant"})
LOOKBACK = 20  # positions looked at per breakpoint, its own included
TTL_SECONDS: dict[Ttl, float] = {"5m": 300.0, "1h": 3_600.0}
MAX_ENTRIES = 50_000

# The frame of a lone user message is 7 tokens on Sonnet 4.6: 4 a turn and 3 a request.
TURN_FRAME = 4
REQUEST_FRAME = 3


class Prefix(NamedTuple):
    """A request up to and including one block: its digest, its tokens, and the breakpoint behind it, if any."""

    digest: bytes
    tokens: int
    ttl: Ttl | None


@dataclass(frozen=True, slots=True)
class InputUsage:
    """Where the input tokens went; their total is the sum of the four."""

    fresh: int
    read: int
    created_5m: int
    created_1h: int


@dataclass(slots=True)
class _Entry:
    ttl: float
    expires: float


def prefixes_of(request: MessagesRequest, blocks: list[Block], counter: TokenCounter) -> list[Prefix]:
    """Measure and hash the prefixes that a breakpoint looks back to, and the whole request, which comes last.

    What changes the reading of messages (tool choice, thinking, effort) is hashed with them.
    """
    running = blake2b(request.model.encode(), digest_size=16)
    mode = to_json([request.tool_choice, request.thinking, request.output_config]).decode()
    looked_at = _looked_at(blocks) | {len(blocks) - 1}
    tokens = REQUEST_FRAME
    unhashed: list[str] = []
    found = []
    for at, (place, text, opens_turn, ttl, fixed) in enumerate(blocks):
        if mode and place in TURNS:
            unhashed.append(mode)
            mode = ""
        unhashed.append(f"\0{place}\0{len(text)}\0{text}")
        tokens += (counter.count(text) if fixed is None else fixed) + (TURN_FRAME if opens_turn else 0)
        if at in looked_at:
            running.update("".join(unhashed).encode())
            unhashed.clear()
            found.append(Prefix(running.digest(), tokens, ttl))
    return found


def _looked_at(blocks: list[Block]) -> set[int]:
    """Return the positions the breakpoints look back to."""
    marked = (at for at, block in enumerate(blocks) if block.ttl is not None)
    return {back for at in marked for back in range(at, max(at - LOOKBACK, -1), -1)}


class PromptCache:
    """Prefixes written at breakpoints, of at least 2,048 tokens, until their TTL has passed since their last use."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def account(self, prefixes: list[Prefix], now: float) -> InputUsage:
        """Split the request's tokens into read, written and neither. Changes nothing."""
        hit = self._longest_hit(prefixes, now)
        read = covered = hit.tokens if hit is not None else 0
        created: dict[Ttl, int] = {"5m": 0, "1h": 0}
        for prefix in prefixes:
            if prefix.ttl is not None and prefix.tokens >= MIN_PREFIX_TOKENS and prefix.tokens > covered:
                created[prefix.ttl] += prefix.tokens - covered
                covered = prefix.tokens
        return InputUsage(prefixes[-1].tokens - covered, read, created["5m"], created["1h"])

    def remember(self, prefixes: list[Prefix], started: float) -> None:
        """Write every breakpoint and refresh the prefix that was hit. Called when the answer begins.

        `started`, the time of the request, is when the TTL begins.
        """
        hit = self._longest_hit(prefixes, started)
        if hit is not None:
            entry = self._entries[hit.digest]
            entry.expires = max(entry.expires, started + entry.ttl)
        for prefix in prefixes:
            if prefix.ttl is not None and prefix.tokens >= MIN_PREFIX_TOKENS:
                self._write(prefix.digest, TTL_SECONDS[prefix.ttl], started)

    def _write(self, digest: bytes, ttl: float, started: float) -> None:
        known = self._entries.pop(digest, None)
        expires = started + ttl if known is None else max(known.expires, started + ttl)
        self._entries[digest] = _Entry(ttl, expires)
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]  # the one written longest ago

    def _longest_hit(self, prefixes: list[Prefix], now: float) -> Prefix | None:
        if all(prefix.ttl is None for prefix in prefixes):
            return None  # without a breakpoint nothing is looked up, not even the request's own end
        for prefix in reversed(prefixes):
            entry = self._entries.get(prefix.digest)
            if entry is not None and entry.expires > now:
                return prefix
        return None
