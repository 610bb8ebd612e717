"""Moving between stores: what a store holds, as values that any other store can take.

A *unit* is what moves as one: a session with its messages, requests and summary; a customer's memory, which is entries
and the digests of sessions; that one was merged into another; a tenant's instructions; a request whose session was
deleted; a reservation of an idempotency key. Fields are text by name, as in `records`; a field that no store knows is
carried along as it is. `portable_fields` says in what form.

A *stamp* is a digest of all of a unit that can change: equal stamps, equal contents. (Messages and finished requests
never change and only become more, so their count stands for them.) Where a unit was last the same in two stores, both
keep the stamp it had then, as `copied`. So a copy can tell whether its own store has changed the unit since, and a copy
that has been changed is never written over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from shared.errors import CustomerMemoryError
from shared.ids import bucket_of
from shared.storage.access import KeyVault
from shared.storage.portable_fields import Fields, canonical
from shared.storage.types import KeptSummary

Kind = Literal["session", "memory", "merge", "instructions", "request", "reservation"]

# What `copied` is while a unit is being written: it is not whole, and nobody's but the migration's.
LOADING: Final = "*"


class MovedOn(CustomerMemoryError):
    """The target has changed what was copied to it."""


class Vanished(Exception):
    """The unit was removed while it was read."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What moves as one. `name`: a session's, customer's or request's id, the hash of a key; empty for instructions.

    `at`: the bucket where it was found, if that is known: with a customer who was merged, it is another than its id's.
    """

    kind: Kind
    tenant: str
    name: str = ""
    at: str = field(default="", compare=False)

    @property
    def bucket(self) -> str:
        """The bucket it lies in, where it lies in one."""
        of_customer = self.kind in {"memory", "merge"}
        return bucket_of(self.tenant, self.name) if of_customer else self.at or self.name[4:6]

    def __str__(self) -> str:
        return f"{self.kind} {self.tenant}/{self.name}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Line:
    """A message as stored: its JSON, and its tokens beside it. `seq` is 0 while it waits for its turn."""

    seq: int
    tokens: int
    text: str

    @property
    def request(self) -> str | None:
        """The request it belongs to."""
        try:
            found = json.loads(self.text).get("requestId")
        except (ValueError, AttributeError):  # it cannot be read, and moves as it is
            return None
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is known of claims of a session's first request: whether one is unexplained, and of quarantine."""

    running: bool = False
    alone: bool = False
    quarantined: bool = False
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits in a session, and the fencing token: it goes on growing in the other store.

    `bound`: the conversation named in the head leads to this session.
    """

    tickets: tuple[str, ...] = ()
    pending: Mapping[str, Line] = field(default_factory=dict)
    requests: Mapping[str, Fields] = field(default_factory=dict)
    claimed: Claimed = Claimed()
    token: int = 0
    nonce: str = ""
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Dump:
    """A unit as it stood at one moment; of a session, all but its messages and finished requests.

    `ends`: when nothing of it is kept any more, in milliseconds; None: not foreseen. `busy`: a worker holds it.
    `earlier`: versions of its summary before the current one, newest first.
    """

    unit: Unit
    fields: Fields
    inbox: Inbox = Inbox()
    ends: int | None = None
    busy: bool = False
    earlier: tuple[KeptSummary, ...] = ()

    @property
    def messages(self) -> int:
        """How many messages a session has."""
        return int(self.fields.get("messages", 0))

    @property
    def stamp(self) -> str:
        """The digest of all that can change."""
        inbox = self.inbox
        parts: list[Any] = [
            self.fields,
            inbox.tickets,
            {name: [line.tokens, line.text] for name, line in inbox.pending.items()},
            inbox.requests,
            [inbox.claimed.running, inbox.claimed.alone, inbox.claimed.quarantined, inbox.claimed.deaths],
            [inbox.token, inbox.nonce, inbox.bound],
        ]
        if self.earlier:
            parts.append([[kept.value, kept.through, kept.version] for kept in self.earlier])
        return _digest(parts)


@dataclass(frozen=True, slots=True)
class Part:
    """Some messages of a session, in order, and the finished requests they belong to, while those are kept."""

    lines: tuple[Line, ...]
    requests: Mapping[str, Fields]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store holds of a unit. `dump` is None where only parts of it have come so far."""

    dump: Dump | None
    copied: str | None = None

    @property
    def untouched(self) -> bool:
        """Whether this store has changed nothing since the unit was the same elsewhere."""
        return self.copied is not None and (
            self.copied == LOADING or (self.dump is not None and self.dump.stamp == self.copied)
        )

    @property
    def whole(self) -> str | None:
        """The stamp of a whole unit; None for one that is being written."""
        return self.dump.stamp if self.dump is not None and self.copied != LOADING else None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the outbox, as JSON."""

    bucket: str
    id: str
    text: str

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return str(json.loads(self.text)["tenant"])


class Portable(Protocol):
    """A store, as far as moving needs it. Implemented beside each adapter; no request's path leads here."""

    @property
    def vault(self) -> KeyVault:
        """The deployment's API keys."""

    async def now(self) -> int:
        """Return the store's time in milliseconds since the epoch."""

    async def size(self, tenants: Collection[str]) -> int:
        """Return about how many sessions there are, for a progress bar."""

    def units(self, tenants: Collection[str], *, exact: bool) -> AsyncGenerator[Unit, None]:
        """Yield every unit of these tenants, of all where none is named; one may come twice.

        `exact`: none is missed that stood before the call.
        """

    async def look(self, unit: Unit, *, steady: bool) -> Kept | None:
        """Return what is held of a unit, all of one moment; None where there is nothing.

        `steady`: the service may be at work on it.
        """

    def parts(self, dump: Dump, after: int) -> AsyncGenerator[Part, None]:
        """Yield a session's messages beyond `after`, up to as many as the dump knows of, with their requests.

        Raises:
            Vanished

        """

    async def load(self, dump: Dump, parts: AsyncGenerator[Part, None], over: Kept | None) -> None:
        """Write a unit in place of `over`; `parts` are what it lacks. Nobody can see a session before it is whole.

        Raises:
            MovedOn: it is no longer as it was looked at.

        """

    async def remove(self, unit: Unit) -> None:
        """Remove all that is held of a unit, and tell nobody."""

    async def mark(self, unit: Unit, stamp: str) -> None:
        """Keep `stamp` as what the unit was when it was last the same elsewhere."""

    def rows(self) -> AsyncGenerator[Row, None]:
        """Yield the outbox."""

    async def add_rows(self, rows: Sequence[Row]) -> None:
        """Put rows into the outbox; one that is there already stays."""

    async def strike_rows(self, rows: Sequence[Row]) -> None:
        """Remove rows from the outbox."""

    async def close(self) -> None:
        """Let connections go."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of a unit to the last byte."""

    digest: str
    messages: int = 0
    requests: int = 0
    entries: int = 0


async def contents(portable: Portable, dump: Dump, since: int) -> Contents:
    """Read all of a unit. Requests that finished before `since` are left out: the stores let go of them by the clock.

    Raises:
        Vanished

    """
    if dump.unit.kind != "session":
        return Contents(dump.stamp, entries=len(dump.fields) if dump.unit.kind == "memory" else 0)
    digest, messages, requests = hashlib.sha256(dump.stamp.encode()), 0, len(dump.inbox.requests)
    async for part in portable.parts(dump, 0):
        kept = {name: fields for name, fields in part.requests.items() if int(fields.get("finished", 0)) >= since}
        digest.update(canonical([[line.seq, line.tokens, line.text] for line in part.lines]).encode())
        digest.update(canonical(kept).encode())
        messages, requests = messages + len(part.lines), requests + len(kept)
    return Contents(digest.hexdigest(), messages, requests)


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
