"""Customers as a whole on Redis: erasing one."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from shared.ids import bucket_of
from shared.storage.keys import index_key
from shared.storage.redis import codec
from shared.storage.redis.places import forget
from shared.storage.redis.sessions import DELETED
from shared.storage.redis.turns import RedisScripts

AT_ONCE: Final = 10  # sessions that one script removes


class RedisCustomers(RedisScripts):
    """Implements `shared.storage.contract.Customers`."""

    async def erase_customer(self, customer_id: str) -> bool:
        """See `Customers.erase_customer`."""
        await self._marks.mark(bucket_of(self.tenant, customer_id))
        return await self._erase(customer_id, begin=True)

    async def go_on_erasing(self, customer_key: str) -> bool:
        """Go on where an erasure was cut off; return whether anything is left."""
        return await self._erase(unquote(customer_key), begin=False)

    async def _erase(self, customer_id: str, *, begin: bool) -> bool:
        answer = await self._run(
            "erase_customer",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            begin=begin or None,
            limit=AT_ONCE,
            failure=DELETED.model_dump_json(),
        )
        # The bucket's mark hides them already; what a note brings later is checked when it has come.
        await forget(self._client, index_key(self.tenant, "customers"), [customer_id])
        return bool(answer[0] == "more")
