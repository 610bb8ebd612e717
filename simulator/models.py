"""The models it answers for, and their limits in tokens."""

from dataclasses import dataclass

from simulator.errors import ApiError


@dataclass(frozen=True, slots=True)
class Limits:
    """Context window and longest reply, in tokens."""

    context: int
    reply: int


WIDE = Limits(context=1_000_000, reply=128_000)
NARROW = Limits(context=200_000, reply=64_000)

# Names: the SDK's `types/model.py`, 2.12.0. Limits: Anthropic's table where it has the model, else its generation's.
MODELS: dict[str, Limits] = {
    **dict.fromkeys(
        (
            "claude-fable-5-2",
            "claude-mythos-5-2",
            "claude-haiku-5-5",
            "claude-sonnet-5-5",
            "claude-fable-5-1",
            "claude-opus-5-5",
            "claude-mythos-5-1",
            "claude-sonnet-5",
            "claude-fable-5",
            "claude-mythos-5",
            "claude-opus-5",
            "claude-opus-4-8",
            "claude-opus-4-7",
            "claude-mythos-preview",
            "claude-opus-4-6",
            "claude-sonnet-4-6",
        ),
        WIDE,
    ),
    **dict.fromkeys(
        (
            "claude-haiku-4-5",
            "claude-haiku-4-5-20251001",
            "claude-opus-4-5",
            "claude-opus-4-5-20251101",
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
        ),
        NARROW,
    ),
}


def limits_of(model: str) -> Limits:
    """Return the model's limits; 404 `not_found_error` when nobody knows it."""
    found = MODELS.get(model)
    if found is None:
        raise ApiError(404, f"model: {model}")
    return found
