"""Faults on demand: which one a request meets, and what it does to the answer."""

from collections.abc import Callable, Iterable

from simulator.errors import ApiError
from simulator.schema import Fault, FaultKind
from simulator.summary import spoiled

ALWAYS = -1

# Kinds that break an answer off after `after_chars` characters of a stream; without a stream, before it begins.
BREAKS: frozenset[FaultKind] = frozenset({"cut", "stream_error", "hang"})


class FaultQueue:
    """Faults in the order they were asked for; each request takes at most one, the first that matches it."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int]] = []

    def add(self, faults: Iterable[Fault]) -> None:
        """Append faults."""
        self._left.extend((fault, fault.times) for fault in faults)

    def clear(self) -> None:
        """Forget all of them."""
        self._left.clear()

    def pending(self) -> list[Fault]:
        """Return what is in force, `times` being what is left."""
        return [fault.model_copy(update={"times": left}) for fault, left in self._left]

    def take(self, last_user_text: str, *, summary: bool = False) -> Fault | None:
        """Use up one turn of the first fault whose `match` stands in the text; `summary`: one is asked for."""
        for position, (fault, left) in enumerate(self._left):
            if fault.kind == "summary" and not summary:
                continue
            if fault.match is None or fault.match in last_user_text:
                if left == 1:
                    del self._left[position]
                elif left != ALWAYS:
                    self._left[position] = (fault, left - 1)
                return fault
        return None


def error_of(fault: Fault) -> ApiError:
    """Return the error of a `status` fault, or of a `stream_error` (529 unless it names another status)."""
    headers = {} if fault.retry_after is None else {"retry-after": _header(fault.retry_after)}
    return ApiError(fault.status or 529, error_code=fault.error_code, headers=headers)


def shaped(fault: Fault | None, text: Callable[[], str]) -> tuple[str, str]:
    """Return the reply's text and stop reason. A refusal says nothing unless `after_chars` lets some of it through."""
    if fault is None:
        return text(), "end_turn"
    match fault.kind:
        case "empty":
            return "", "end_turn"
        case "reply":
            return fault.text or "", "end_turn"
        case "summary" if fault.how:
            return spoiled(text(), fault.how), "end_turn"
        case "stop":
            kept = 0 if fault.stop_reason == "refusal" and fault.after_chars is None else fault.after_chars
            return text()[:kept], fault.stop_reason or "end_turn"
        case _:
            return text(), "end_turn"


def _header(retry_after: float | str) -> str:
    whole_seconds = isinstance(retry_after, float) and retry_after.is_integer()
    return str(int(retry_after) if whole_seconds else retry_after)
