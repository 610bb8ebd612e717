"""Running scripts where things are: what moved to another bucket with its customer is found by the id it always had.

A session or request lies in the bucket its id carries, until its customer is merged into another. Then that bucket
keeps a pointer. Only a script that misses looks for it, so that nothing else pays for it.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from shared.errors import CustomerMerged, StoreUnavailable
from shared.ids import bucket_of
from shared.storage.keys import wake_key
from shared.storage.limits import Limits
from shared.storage.redis import codec
from shared.storage.redis.client import Client
from shared.storage.redis.marks import BucketMarks

# Answers by which a script says that what it was asked about is not there, or no longer.
MISSES: Final = frozenset({"unknown", "gone", "stale", 0})
MOST_HOPS: Final = 64


class Following:
    """What the parts of a tenant's store share: the client, the tenant, the limits; and running a script."""

    def __init__(self, client: Client, marks: BucketMarks, tenant: str, limits: Limits) -> None:
        self.tenant = tenant
        self._client = client
        self._marks = marks
        self._limits = limits
        self._shared: dict[str, Any] = {"tenant": tenant, **codec.limits(limits)}

    async def _run(self, name: str, bucket: str, /, **parameters: Any) -> list[Any]:
        return await self._client.run(name, wake_key(bucket), **self._shared, **parameters)

    async def _run_customer(self, name: str, bucket: str, /, **parameters: Any) -> list[Any]:
        """Run a script on a customer, once: asked again after a lost answer, it tells the same.

        Raises:
            CustomerMerged

        """
        answer = await self._run(name, bucket, op=secrets.token_hex(8), follow=True, **parameters)
        if answer[0] == "merged":
            raise CustomerMerged(answer[1])
        return answer

    async def _at(self, customer_id: str, name: str, /, **parameters: Any) -> list[Any]:
        """Run a script on a customer, whoever they were merged into."""
        return await self._run(name, bucket_of(self.tenant, customer_id), **codec.customer(customer_id), **parameters)

    async def _now_called(self, customer_id: str) -> str:
        """Return the customer that one was merged into, or the same."""
        for _ in range(MOST_HOPS):
            into = (await self._at(customer_id, "read_merge", limit=0))[1]
            if not into:
                return customer_id
            customer_id = str(into)
        raise StoreUnavailable("the customer was merged too often")

    async def _led(self, customer_id: str) -> str:
        """Return the same of one who is asked for, and let a merged id lead on for as long as if it were merged now."""
        into = await self._now_called(customer_id)
        if into != customer_id:
            await self._renew_merge(customer_id, into)
        return into

    async def _renew_merge(self, source: str, into: str) -> None:
        # In this order: where an id leads to a customer, their erasure must find it.
        await self._at(into, "renew_merge")
        await self._at(source, "renew_merge", leads=True)

    async def _run_where(self, name: str, identifier: str, bucket: str, /, **parameters: Any) -> tuple[str, list[Any]]:
        """Run a script on a session or request in `bucket`, or where it is; return where, and the answer."""
        answer = await self._run(name, bucket, **parameters)
        for _ in range(MOST_HOPS):
            if answer[0] not in MISSES:
                return bucket, answer
            at = await self._led_to(identifier, bucket)
            if at is None:
                return bucket, answer
            bucket = at
            if identifier.startswith("ses_"):
                await self._run("arrive", bucket, session=identifier)
            answer = await self._run(name, bucket, **parameters)
        raise StoreUnavailable("what was asked for moved each time it was looked for")

    async def _led_to(self, identifier: str, bucket: str) -> str | None:
        """Return the bucket that an id leads to from this one; None where it leads nowhere."""
        at = str((await self._run("follow", bucket, id=identifier))[0])
        return at if at and at != bucket else None

    async def _forget_point(self, identifier: str) -> None:
        """Let the bucket that an id carries forget that it led to another: what it named there is gone."""
        await self._run("point", identifier[4:6], id=identifier)

    async def _point(self, identifier: str, home: str, bucket: str) -> None:
        """Let an id lead from the bucket it carries to another."""
        if home != bucket:
            await self._run("point", home, id=identifier, bucket=bucket)
