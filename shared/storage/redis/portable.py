"""Moving to and from Redis: see `shared.storage.portable`.

What is there is found by SCAN, which is for an operator's command only. A session that is being written has no head, or
one that says so in its field `copied`; parts that are never gone on with end by their TTL.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from redis.asyncio import Redis

from shared.ids import bucket_of
from shared.storage import records
from shared.storage.access import KeyVault
from shared.storage.keys import encode, wake_key
from shared.storage.portable import LOADING, Dump, Inbox, Kept, MovedOn, Part, Row, Unit, Vanished
from shared.storage.portable_fields import (
    Fields,
    digests_in,
    entries_in,
    plain,
    plain_digest,
    plain_entry,
    plain_head,
    plain_request,
)
from shared.storage.redis import codec
from shared.storage.redis.access import RedisVault
from shared.storage.redis.portable_units import RedisUnits
from shared.storage.redis.portable_values import (
    claimed_of,
    digest_of,
    key_of,
    line_of,
    moment,
    raw_of,
    seen,
    write_instead,
)
from shared.storage.types import KeptSummary

PAGE: Final = 50

# Fields of a session's head that another store keeps apart, or makes itself.
_OWN: Final = ("customer_key", "token", "nonce", "lease", "copied")
_OUTBOX: Final = re.compile(r"cm:\{(..)\}:outbox")


class RedisPortable(RedisUnits):
    """Implements `shared.storage.portable.Portable`."""

    @property
    def vault(self) -> KeyVault:
        """See `Portable.vault`."""
        return RedisVault(self._client)

    async def look(self, unit: Unit, *, steady: bool) -> Kept | None:
        """See `Portable.look`. A script, or a single command, reads at one moment."""
        del steady
        if unit.kind == "session":
            return await self._look_at_session(unit) or await self._look_elsewhere(unit)
        if unit.kind == "merge":
            into = await self._ask(lambda redis: redis.get(key_of(unit)))
            return Kept(Dump(unit, {"into": str(into)})) if into else None
        if unit.kind == "memory":
            return await self._look_at_memory(unit)
        name = key_of(unit)
        if unit.kind == "reservation":
            kept = await self._ask(lambda redis: redis.get(name))
            request, _, fingerprint = str(kept or "").partition(" ")
            fields = {"request": request, "fingerprint": fingerprint} if kept else {}
        else:
            fields = await self._ask(lambda redis: cast("Awaitable[Fields]", redis.hgetall(name)))
        if not fields:
            return await self._look_elsewhere(unit) if unit.kind == "request" else None
        if unit.kind == "instructions":
            return Kept(Dump(unit, plain(fields, "copied")), fields.get("copied"))
        ends = await self._ask(lambda redis: redis.pexpiretime(name))
        return Kept(Dump(unit, plain_request(fields) if unit.kind == "request" else fields, ends=moment(ends)))

    async def parts(self, dump: Dump, after: int) -> AsyncGenerator[Part, None]:
        """See `Portable.parts`."""
        unit = dump.unit
        for first in range(after + 1, dump.messages + 1, PAGE):
            seqs = [str(seq) for seq in range(first, min(first + PAGE, dump.messages + 1))]
            name = key_of(unit, "msg")
            kept = await self._ask(lambda redis: cast("Awaitable[list[str | None]]", redis.hmget(name, seqs)))  # noqa: B023 - awaited here
            lines = tuple(line_of(int(seq), raw) for seq, raw in zip(seqs, kept, strict=True) if raw is not None)
            if len(lines) < len(seqs) and await self.look(unit, steady=False) is None:
                raise Vanished
            yield Part(lines, await self._finished(unit, [line.request for line in lines]))

    async def load(self, dump: Dump, parts: AsyncGenerator[Part, None], over: Kept | None) -> None:
        """See `Portable.load`."""
        unit = dump.unit
        if unit.kind == "session":
            await self._load_session(dump, parts, over)
        elif unit.kind == "memory":
            await self._load_memory(dump)
        elif unit.kind == "merge":
            await self._load_merge(unit, dump.fields["into"])
        elif unit.kind == "request":
            await self._lead(unit.tenant, [unit.name], unit.bucket)
            ends = dump.ends or await self.now() + self._limits.request_retention_ms
            request = {"id": unit.name, "fields": codec.flat(dump.fields), "ends": ends}
            await self._run("load_part", unit, messages=[], requests=[request])
        elif unit.kind == "reservation":
            kept = f"{dump.fields['request']} {dump.fields['fingerprint']}"
            await self._ask(lambda redis: redis.set(key_of(unit), kept, pxat=dump.ends))
        else:
            await self._ask(lambda redis: write_instead(redis, key_of(unit), dump.fields | {"copied": dump.stamp}))

    async def remove(self, unit: Unit) -> None:
        """See `Portable.remove`."""
        if unit.kind == "session":
            await self._run("remove_copy", await self._located(unit), session=unit.name)
        elif unit.kind == "merge":
            await self._ask(lambda redis: redis.unlink(key_of(unit)))
        elif unit.kind == "memory":
            await self._run("load_memory", unit, customer_key=encode(unit.name), entries=[], kept_digests=[])
        else:
            await self._ask(lambda redis: redis.unlink(key_of(unit)))

    async def mark(self, unit: Unit, stamp: str) -> None:
        """See `Portable.mark`."""
        if unit.kind == "session":
            await self._run("mark_copy", await self._located(unit), session=unit.name, stamp=stamp)
        elif unit.kind == "memory":
            await self._run("mark_copy", unit, customer_key=encode(unit.name), stamp=stamp)
        elif unit.kind == "instructions":
            await self._ask(lambda redis: redis.hset(key_of(unit), "copied", stamp))

    async def rows(self) -> AsyncGenerator[Row, None]:
        """See `Portable.rows`."""
        async for names in self._scan("cm:*:outbox"):
            for match in filter(None, map(_OUTBOX.fullmatch, names)):
                kept = await self._ask(lambda redis, name=match[0]: cast("Awaitable[Fields]", redis.hgetall(name)))  # type: ignore[misc]  # a bound default
                for event, text in kept.items():
                    yield Row(match[1], event, text)

    async def add_rows(self, rows: Sequence[Row]) -> None:
        """See `Portable.add_rows`."""
        for bucket in dict.fromkeys(row.bucket for row in rows):
            await self._marks.mark(bucket)
            mine = [[row.id, row.text] for row in rows if row.bucket == bucket]
            await self._client.run("load_rows", wake_key(bucket), tenant="-", rows=mine)

    async def strike_rows(self, rows: Sequence[Row]) -> None:
        """See `Portable.strike_rows`."""
        for bucket in dict.fromkeys(row.bucket for row in rows):
            mine = [row.id for row in rows if row.bucket == bucket]
            await self._client.run("strike", wake_key(bucket), tenant="-", rows=mine)

    async def close(self) -> None:
        """See `Portable.close`."""
        await self._client.close()

    async def _look_at_session(self, unit: Unit) -> Kept | None:
        answer = await self._run("dump_session", unit, session=unit.name)
        if answer[0] != "session":
            return Kept(None, LOADING) if answer[0] == "half" else None
        _, now, fields, tickets, pending, requests, bound, left, earlier = answer
        head = codec.pairs(fields)
        open_requests = {name: codec.pairs(record) for name, record in requests}
        inbox = Inbox(
            tickets=tuple(tickets),
            pending={name: line_of(0, raw) for name, raw in codec.pairs(pending).items()},
            requests={name: plain_request(record) for name, record in open_requests.items()},
            claimed=claimed_of(open_requests.get(tickets[0], {}) if tickets else {}),
            token=int(head["token"]),
            nonce=head.get("nonce", ""),
            bound=bool(bound),
        )
        ends = int(now) + int(left) if int(left) >= 0 else None
        versions = tuple(KeptSummary(value, int(through), int(version)) for value, through, version in earlier)
        busy = int(head["lease"]) > int(now)
        return Kept(Dump(unit, plain_head(head, *_OWN), inbox, ends, busy, versions), head.get("copied"))

    async def _look_at_memory(self, unit: Unit) -> Kept | None:
        answer = await self._run("dump_memory", unit, customer_key=encode(unit.name))
        _, now, entries, histories, digests, copied, left = answer
        earlier = codec.pairs(histories)
        fields: Fields = {}
        for key, entry in codec.pairs(entries).items():
            fields |= plain_entry(key, entry, earlier.get(key, "[]"))
        for pair in codec.pairs(digests).items():
            fields |= plain_digest(records.digest(pair))
        ends = int(now) + int(left) if int(left) >= 0 else None
        return Kept(Dump(unit, fields, ends=ends), copied) if fields or copied else None

    async def _load_session(self, dump: Dump, parts: AsyncGenerator[Part, None], over: Kept | None) -> None:
        head, inbox = dump.fields, dump.inbox
        unit = replace(dump.unit, at=bucket_of(dump.unit.tenant, head["customer"]))
        if over is not None and over.dump is not None and over.dump.unit.bucket != unit.bucket:
            await self.remove(over.dump.unit)
            raise Vanished  # its customer was merged meanwhile: it is copied anew, to where it is now
        await self._lead(unit.tenant, [unit.name, *inbox.requests], unit.bucket)
        async for part in parts:
            finished = part.requests.items()
            await self._lead(unit.tenant, part.requests, unit.bucket)
            await self._run(
                "load_part",
                unit,
                session=unit.name,
                messages=[[line.seq, raw_of(line)] for line in part.lines],
                requests=[self._request(name, fields) for name, fields in finished],
            )
        if inbox.tickets:
            await self._marks.mark(unit.bucket)
        there = over.dump if over is not None else None
        own = {"customer_key": encode(head["customer"]), "lease": 0, "copied": dump.stamp, "token": inbox.token}
        answer = await self._run(
            "load_session",
            unit,
            session=unit.name,
            seen=seen(there) if there is not None else None,
            head=codec.flat({**head, **own, "nonce": inbox.nonce or None}),
            customer_key=own["customer_key"],
            created=int(head["created"]),
            tickets=list(inbox.tickets),
            pending=[[name, raw_of(line)] for name, line in inbox.pending.items()],
            earlier=[records.dump([kept.value, kept.through, kept.version]) for kept in dump.earlier],
            requests=[self._open_request(name, dump) for name in inbox.requests],
            conversation=head.get("conversation"),
            bound=inbox.bound,
            ends=dump.ends,
        )
        if answer[0] == "moved":
            raise MovedOn(f"{unit} was changed in the target while it was copied: the service runs there")

    async def _load_memory(self, dump: Dump) -> None:
        entries = []
        for entry, history in entries_in(dump.fields):
            kept = {"key": entry["key"], "text": records.dump(entry), "updated": entry["updated"]}
            entries.append(kept | ({"history": records.dump(history)} if history else {}))
        await self._run(
            "load_memory",
            dump.unit,
            customer_key=encode(dump.unit.name),
            entries=entries,
            kept_digests=[digest_of(digest) for digest in digests_in(dump.fields)],
            ends=dump.ends,
            stamp=dump.stamp,
        )

    def _request(self, name: str, fields: Fields) -> dict[str, Any]:
        ends = int(fields.get("finished", 0)) + self._limits.request_retention_ms
        return {"id": name, "fields": codec.flat(fields), "accepted": int(fields["accepted"]), "ends": ends}

    def _open_request(self, name: str, dump: Dump) -> dict[str, Any]:
        claimed, own = dump.inbox.claimed, {}
        if name == dump.inbox.tickets[0]:
            own = {
                "claimed": dump.inbox.token if claimed.running else "",
                "alone": int(claimed.alone),
                "deaths": claimed.deaths,
                "quarantined": 1 if claimed.quarantined else None,
            }
        return self._request(name, {**dump.inbox.requests[name], **plain(own)})

    async def _finished(self, unit: Unit, names: Sequence[str | None]) -> dict[str, Fields]:
        """Return the finished requests among these, as far as they are kept."""
        wanted = list(dict.fromkeys(name for name in names if name))
        if not wanted:
            return {}

        async def ask(redis: Redis) -> list[Fields]:
            async with redis.pipeline(transaction=False) as pipe:
                for name in wanted:
                    pipe.hgetall(key_of(Unit("request", unit.tenant, name, unit.bucket)))
                return cast("list[Fields]", await pipe.execute())

        found = zip(wanted, await self._ask(ask), strict=True)
        return {name: plain_request(record) for name, record in found if "finished" in record}

    async def _look_elsewhere(self, unit: Unit) -> Kept | None:
        """Return what is held of a unit that is not where it was looked for, and moved with its customer."""
        there = await self._located(replace(unit, at=""))
        if there.bucket == unit.bucket:
            return None
        return await self.look(there, steady=False)

    async def _load_merge(self, unit: Unit, into: str) -> None:
        await self._run("load_merge", unit, customer_key=encode(unit.name), into=into)
        other = Unit("merge", unit.tenant, into)
        source = {"from": unit.name, "from_key": encode(unit.name)}
        await self._run("end_merge", other, customer_key=encode(into), **source)
