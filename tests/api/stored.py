"""All that a Valkey server holds, as text: what is not in it, is not kept."""

from __future__ import annotations

from typing import Any

import redis

from tests.support.valkey import Valkey

DATABASES = 16


def everything_stored(server: Valkey) -> str:
    """Return every key of every database, and what is kept under it."""
    parts: list[str] = []
    for database in range(DATABASES):
        with server.client(database) as client:
            for key in client.scan_iter(count=1000):
                parts += [str(key), str(_value(client, str(key)))]
    return "\n".join(parts)


def _value(client: redis.Redis, key: str) -> Any:
    match str(client.type(key)):
        case "string":
            return client.get(key)
        case "hash":
            return client.hgetall(key)
        case "list":
            return client.lrange(key, 0, -1)
        case "set":
            return client.smembers(key)
        case "zset":
            return client.zrange(key, 0, -1, withscores=True)
        case "none":  # it has expired, or was taken, since it was seen
            return ""
        case other:
            message = f"{key} is of a kind this reader does not know: {other}"
            raise AssertionError(message)
