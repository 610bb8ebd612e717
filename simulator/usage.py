"""The `usage` object of a response, whole and as it appears in a stream."""

from typing import TypedDict

from simulator.cache import InputUsage


class CacheCreation(TypedDict):
    """Tokens written to the cache, by how long they stay."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class DeltaUsage(TypedDict):
    """The totals that end a stream."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


class Usage(DeltaUsage):
    """Total input = `input_tokens` + `cache_creation_input_tokens` + `cache_read_input_tokens`."""

    cache_creation: CacheCreation
    service_tier: str


def delta_usage(spent: InputUsage, output_tokens: int) -> DeltaUsage:
    """Build the usage of `message_delta`."""
    return {
        "input_tokens": spent.fresh,
        "cache_creation_input_tokens": spent.created_5m + spent.created_1h,
        "cache_read_input_tokens": spent.read,
        "output_tokens": output_tokens,
    }


def usage(spent: InputUsage, output_tokens: int) -> Usage:
    """Build the usage of a whole message, or of `message_start`."""
    return {
        **delta_usage(spent, output_tokens),
        "cache_creation": {
            "ephemeral_5m_input_tokens": spent.created_5m,
            "ephemeral_1h_input_tokens": spent.created_1h,
        },
        "service_tier": "standard",
    }
