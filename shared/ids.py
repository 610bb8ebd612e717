"""Ids that lead to their own keys.

A session or request id carries the bucket of its customer, so that any id leads to the keys it stands for
without a look-up. The rest of the id is a ULID: sortable by time, 80 random bits, nothing to guess.

    ses_7k01jd3m0q8wxyz...      prefix _ bucket (2) ULID (26), all in Crockford's base 32, lower case

Source: https://github.com/ulid/spec
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BUCKETS = 1024

_ID = re.compile(rf"(ses|req)_([{ALPHABET}]{{2}})([{ALPHABET}]{{26}})")

Ulid = Callable[[], str]


def new_ulid() -> str:
    """Return a fresh ULID: 48 bits of milliseconds, then 80 random bits; 26 characters, lower case."""
    return _base32((time.time_ns() // 1_000_000) << 80 | secrets.randbits(80), 26)


def bucket_of(tenant: str, customer_id: str) -> str:
    """Return the two-character bucket every key of this customer lives in."""
    digest = hashlib.blake2b(f"{len(tenant)}:{tenant}{customer_id}".encode(), digest_size=8).digest()
    return _base32(int.from_bytes(digest, "big") % BUCKETS, 2)


def all_buckets() -> tuple[str, ...]:
    """Return the names of all buckets, in order."""
    return tuple(_base32(number, 2) for number in range(BUCKETS))


def bucket_in(identifier: str, prefix: str) -> str | None:
    """Return the bucket that a session (`ses`) or request (`req`) id carries; None where it is no such id."""
    match = _ID.fullmatch(identifier)
    return match[2] if match and match[1] == prefix else None


@dataclass(frozen=True, slots=True)
class Ids:
    """Makes the ids of one process; give it another `ulid` to make them predictable."""

    ulid: Ulid = new_ulid

    def session(self, bucket: str) -> str:
        """Return a new session id that carries `bucket`."""
        return f"ses_{bucket}{self.ulid()}"

    def request(self, bucket: str) -> str:
        """Return a new request id that carries `bucket`."""
        return f"req_{bucket}{self.ulid()}"

    def batch(self) -> str:
        """Return a new id of a batch; they sort by time."""
        return f"bat_{self.ulid()}"

    def message(self) -> str:
        """Return a new message id."""
        return f"msg_{self.ulid()}"


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A session as the broker's task and the wake index name it: `tenant/session id`.

    `at`: the bucket where it was found, which is not its own where its customer was merged into another.
    """

    tenant: str
    session_id: str
    at: str | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str) -> SessionRef:
        """Return the reference written in `text`.

        Raises:
            ValueError: `text` is not `tenant/session id`.

        """
        tenant, slash, session_id = text.partition("/")
        if not (tenant and slash and bucket_in(session_id, "ses")):
            message = f"not a session reference: {text!r}"
            raise ValueError(message)
        return cls(tenant, session_id)

    @property
    def bucket(self) -> str:
        """The bucket to look for it in: of its customer, as far as is known."""
        return self.at or self.session_id[4:6]

    def __str__(self) -> str:
        return f"{self.tenant}/{self.session_id}"


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
