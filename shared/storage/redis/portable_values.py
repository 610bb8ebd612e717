"""Names and values of what is moved, as Redis keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from redis.asyncio import Redis

from shared.clock import to_ms
from shared.storage import records
from shared.storage.keys import agent_key, encode
from shared.storage.portable import Claimed, Dump, Line, Unit
from shared.storage.portable_fields import Fields
from shared.storage.types import KeptDigest


async def write_instead(redis: Redis, name: str, fields: Fields) -> None:
    """Write a hash in place of what is there."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.unlink(name)
        pipe.hset(name, mapping=cast("dict[Any, Any]", fields))
        await pipe.execute()


def found_in(name: str) -> str:
    """Return the bucket of a key; empty where it lies in none."""
    return name[4:6] if name.startswith("cm:{") else ""


def key_of(unit: Unit, part: str | None = None) -> str:
    """Return the key of a unit, or of a part of it."""
    tenant = f"t:{unit.tenant}"
    if unit.kind == "instructions":
        return agent_key(unit.tenant)
    if unit.kind == "reservation":
        return f"cm:{tenant}:idem:{unit.name}"
    if unit.kind == "merge":
        return f"cm:{{{unit.bucket}}}:{tenant}:cus:{encode(unit.name)}:into"
    name = f"ses:{unit.name}" if unit.kind == "session" else f"req:{unit.name}"
    return f"cm:{{{unit.bucket}}}:{tenant}:{name}" + (f":{part}" if part else "")


def seen(dump: Dump) -> list[str]:
    """Return what shows, without reading it all, that a session is no longer what it was."""
    fields, inbox = dump.fields, dump.inbox
    told = [fields["messages"], str(inbox.token), fields["expires"], fields["status"], fields.get("sum_token", "")]
    return [*told, str(len(inbox.tickets))]


def digest_of(digest: KeptDigest) -> dict[str, Any]:
    """Return a digest as the script that writes it wants it."""
    ended = to_ms(digest.ended_at)
    text = records.dump({"value": digest.value, "ended": ended, "messages": digest.messages})
    return {"session": digest.session_id, "text": text, "ended": ended}


def line_of(seq: int, raw: str) -> Line:
    """Return a message from its seq and what is kept of it."""
    tokens, _, text = raw.partition("|")
    return Line(seq, int(tokens), text)


def raw_of(line: Line) -> str:
    """Return what is kept of a message."""
    return f"{line.tokens}|{line.text}"


def claimed_of(record: Mapping[str, str]) -> Claimed:
    """Return how a request's record says that it was claimed."""
    return Claimed(
        running=bool(record.get("claimed")),
        alone=record.get("alone") == "1",
        quarantined=record.get("quarantined") == "1",
        deaths=int(record.get("deaths", 0)),
    )


def moment(expires: Any) -> int | None:
    """Return when a key ends, in milliseconds; None where it does not."""
    return int(expires) if int(expires) > 0 else None
