"""The tenant index on DynamoDB: its lists stand in the index of tenants, its counts in items of their own.

t/<tenant>/req/<request>   listed            which shelf a request stands on; it goes with the request
t/<tenant>/cus/<customer>  ~seen             when a customer was heard of last; it goes with the customer
t/<tenant>/counted/<id>    counted           that something was counted; for two days
t/<tenant>/usage           <day>/<model>/<purpose>/<simulated>
t/<tenant>/faults          <hour>/<cause>
t/<tenant>/actions         <time>/<id>
t/<tenant>/index           changes, salt
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import date
from typing import Any, Final, cast

from shared.clock import from_ms, to_ms
from shared.errors import UnknownCustomer
from shared.models import RequestStatus
from shared.storage.cursors import place_cursor, read_place
from shared.storage.dynamodb.actions import ABSENT, delete, put, query
from shared.storage.dynamodb.changes import CHANGES, changed
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.erasure import DynamoErasure
from shared.storage.dynamodb.noting import HOUR_SK, Notebook, list_of, usage_key, usage_ttl
from shared.storage.dynamodb.schema import LISTED as SHELF
from shared.storage.dynamodb.schema import SEEN, customer_key, index_key, request_key, tenant_key
from shared.storage.listed import LISTED, listed
from shared.storage.tenant_index import (
    ACTIONS_KEPT_MS,
    FAULT_HOURS,
    HOUR_MS,
    MOST_COUNTED,
    NUMBERS,
    SHELVES,
    Action,
    CustomerAccount,
    KnownCustomer,
    ListedRequest,
    Notes,
    Purpose,
    Shelf,
    UsageKind,
    UsageRow,
    matches,
    pseudonym_of,
)
from shared.storage.types import Page

LOOKS: Final = 5  # at a list, for one page
LOOKED_AT: Final = 500  # customers of one look, where some are looked for


class DynamoTenantIndex(DynamoErasure):
    """Implements `shared.storage.tenant_index.TenantIndex`."""

    @property
    def _notebook(self) -> Notebook:
        return Notebook(self._client, self.tenant, self._limits)

    async def note(self, notes: Notes) -> None:
        """See `TenantIndex.note`."""
        await self._notebook.note(notes)

    async def listed_requests(
        self, status: RequestStatus | None, limit: int, cursor: str | None
    ) -> Page[ListedRequest]:
        """See `TenantIndex.listed_requests`."""
        before, found = _before(cursor), list[ListedRequest]()
        for _ in range(LOOKS):
            lists = await asyncio.gather(*(self._shelf(each, limit - len(found), before) for each in _shelves(status)))
            places = sorted({place for each in lists for place in each}, reverse=True)[: limit - len(found)]
            if not places:
                return Page(tuple(found), None)
            now, identifiers = await self._client.now(), [place.partition("/")[2] for place in places]
            keys = [request_key(self.tenant, identifier) for identifier in identifiers]
            records = await self._client.get_many(keys, (*LISTED, "ends"))
            for identifier, record in zip(identifiers, records, strict=True):
                kept = record is not None and record.get("ends", now) >= now
                told = listed(identifier, record) if kept and record else None
                if told is None:
                    await self._client.write(delete(request_key(self.tenant, identifier, SHELF)))
                elif status in {None, told.status}:
                    found.append(told)
            before = places[-1]
            if len(found) >= limit:
                break
        return Page(tuple(found), _cursor(before))

    async def open_requests(self) -> int:
        """See `TenantIndex.open_requests`."""
        asked = query("tenant", "#tenant_pk = :list", list=list_of(self.tenant, "open"))
        return len(await self._client.first(asked, MOST_COUNTED))

    async def customers(self, query: str, limit: int, cursor: str | None) -> Page[KnownCustomer]:
        """See `TenantIndex.customers`."""
        before, found = _before(cursor), list[KnownCustomer]()
        for _ in range(LOOKS):
            places = await self._customers(LOOKED_AT if query else limit - len(found), before)
            if not places:
                return Page(tuple(found), None)
            # More is read than fits only where some are looked for; what does not fit is read again.
            wanted = [place for place in places if matches(place[1], query)]
            taken = wanted[: limit - len(found)]
            read = await asyncio.gather(*(self._seen(customer, int(place[:13])) for place, customer in taken))
            found += [each for each in read if each is not None]
            before = (taken if len(wanted) > len(taken) else places)[-1][0]
            if len(found) >= limit:
                break
        return Page(tuple(found), _cursor(before))

    async def customer(self, customer_id: str) -> CustomerAccount:
        """See `TenantIndex.customer`."""
        known = await self._notebook.known(customer_id)
        if known is None:
            raise UnknownCustomer
        sessions, entries = known
        seen = await self._client.get(customer_key(self.tenant, customer_id, SEEN))
        last = from_ms(seen["seen"]) if seen else None
        if last is None:
            for session in (await self.sessions(customer_id, 1, None)).items:
                last = session.last_message_at or session.created_at
        quarantined = sum(1 for _, entry in await self._all_entries(customer_id) if entry.get("quarantined"))
        return CustomerAccount(KnownCustomer(customer_id, last, sessions, entries), quarantined)

    async def pseudonym(self, customer_id: str) -> str:
        """See `TenantIndex.pseudonym`."""
        kept = await self._client.get(index_key(self.tenant, "salt"))
        return pseudonym_of(customer_id, kept["salt"] if kept else await self.salt(secrets.token_hex(32)))

    async def salt(self, given: str) -> str:
        """See `TenantIndex.salt`."""
        try:
            await self._client.write(put({**index_key(self.tenant, "salt"), "salt": given}, ABSENT))
        except ConditionFailed as failed:
            return str((failed.items[0] or {}).get("salt", given))
        return given

    async def usage(self, since: date) -> list[UsageRow]:
        """See `TenantIndex.usage`."""
        pk = tenant_key(self.tenant, "usage", "")["pk"]
        items = await self._client.all(query(None, "#pk = :pk AND #sk >= :since", pk=pk, since=since.isoformat()))
        rows = [_usage_row(item) for item in items]
        return sorted(rows, key=lambda row: (-date.fromisoformat(row.kind.day).toordinal(), _name_of(row.kind)))

    async def put_usage(self, row: UsageRow) -> None:
        """See `TenantIndex.put_usage`."""
        item = {
            **usage_key(self.tenant, row.kind),
            **dict(zip(NUMBERS, row.numbers, strict=True)),
            "ttl": usage_ttl(row),
        }
        await self._client.write(put(item))

    async def faults(self) -> dict[str, int]:
        """See `TenantIndex.faults`."""
        hour = await self._client.now() // HOUR_MS
        pk, since = tenant_key(self.tenant, "faults", "")["pk"], HOUR_SK.format(hour - FAULT_HOURS + 1)
        found: dict[str, int] = {}
        for item in await self._client.all(query(None, "#pk = :pk AND #sk >= :since", pk=pk, since=since)):
            cause = item["sk"].partition("/")[2]
            found[cause] = found.get(cause, 0) + item["count"]
        return found

    async def act(self, action: Action) -> None:
        """See `TenantIndex.act`."""
        at = to_ms(action.at)
        key = tenant_key(self.tenant, "actions", f"{at:013d}/{action.id}")
        told = {"action": action.action, "by": action.by, "subject": action.subject}
        await self._client.write(put({**key, **told, "ttl": (at + ACTIONS_KEPT_MS) // 1000}))
        await changed(self._client, self.tenant, ["actions"])

    async def actions(self, limit: int, cursor: str | None) -> Page[Action]:
        """See `TenantIndex.actions`."""
        since, before = f"{await self._client.now() - ACTIONS_KEPT_MS:013d}", _before(cursor)
        if before < since:  # all behind the cursor is kept no more
            return Page((), None)
        asked = query(
            None,
            "#pk = :pk AND #sk BETWEEN :since AND :before",
            pk=tenant_key(self.tenant, "actions", "")["pk"],
            since=since,
            before=before,
        )
        read = await self._client.first(asked, limit + 2, forward=False)
        items = [item for item in read if item["sk"] != before]
        found = []
        for item in items[:limit]:
            at, _, identifier = item["sk"].partition("/")
            found.append(Action(identifier, from_ms(int(at)), item["action"], item["by"], item["subject"]))
        return Page(tuple(found), _cursor(items[limit - 1]["sk"]) if len(items) > limit else None)

    async def changes(self) -> dict[str, int]:
        """See `TenantIndex.changes`."""
        item = await self._client.get(index_key(self.tenant, CHANGES)) or {}
        return {topic: version for topic, version in item.items() if topic not in {"pk", "sk"}}

    async def _shelf(self, shelf: Shelf, limit: int, before: str) -> list[str]:
        asked = query(
            "tenant",
            "#tenant_pk = :list AND #tenant_sk < :before",
            list=list_of(self.tenant, shelf),
            before=before,
        )
        return [item["tenant_sk"] for item in await self._client.first(asked, limit, forward=False)]

    async def _customers(self, limit: int, before: str) -> list[tuple[str, str]]:
        """Return places of the list of customers, each with the customer's id."""
        asked = query(
            "tenant",
            "#tenant_pk = :list AND #tenant_sk < :before",
            list=f"{self.tenant}/customers",
            before=before,
        )
        found = await self._client.first(asked, limit, forward=False)
        return [(item["tenant_sk"], item["pk"].split("/", 3)[3]) for item in found]

    async def _seen(self, customer_id: str, at: int) -> KnownCustomer | None:
        known = await self._notebook.known(customer_id)
        if known is None:
            await self._notebook.forget(customer_id)
            return None
        return KnownCustomer(customer_id, from_ms(at), *known)


def _shelves(status: RequestStatus | None) -> tuple[Shelf, ...]:
    """Return where requests of a status may be listed; what has just ended is still listed as open."""
    if status is None:
        return SHELVES
    return ("open",) if status in {"queued", "running"} else ("open", cast("Shelf", status))


def _before(cursor: str | None) -> str:
    return "{:013d}/{}".format(*read_place(cursor)) if cursor else "~"


def _cursor(place: str) -> str:
    at, _, name = place.partition("/")
    return place_cursor(int(at), name)


def _usage_row(item: dict[str, Any]) -> UsageRow:
    day, model, purpose, simulated = item["sk"].split("/")
    numbers = {name: item.get(name, 0) for name in NUMBERS}
    return UsageRow(UsageKind(day, model, cast("Purpose", purpose), simulated == "1"), **numbers)


def _name_of(kind: UsageKind) -> str:
    return f"{kind.model} {kind.purpose} {int(kind.simulated)}"
