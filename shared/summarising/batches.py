"""Going on with batches of sessions, a step at a time, whoever was cut off before.

A part is held by a lease inside its record: whoever changes the record's version may go on. It is written before
Claude is handed anything, so that after a crash the next one looks for what was handed in, instead of paying twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from shared.conversation.announce import Announcer
from shared.errors import ClaudeError, ClaudeFailed, ClaudeLater
from shared.prompt import Batch, BatchClient, BatchRequest, BatchResult
from shared.storage.contract import Store, TenantStore
from shared.storage.jobs import KeptPart, RunningPart
from shared.storage.tenant_index import Purpose
from shared.summarising.batch import (
    PART_SESSIONS,
    BatchHead,
    BatchItem,
    BatchKind,
    BatchPart,
    BatchSelection,
    ItemState,
    PartState,
    head_of,
)
from shared.summarising.job import count
from shared.summarising.memory_single import MemoryShare, MemorySingle
from shared.summarising.part_desk import Overtaken, PartDesk
from shared.summarising.selecting import selected
from shared.summarising.single import ROUNDS, Ended, Single, custom_id

SAVE_EVERY: Final = 25
MOST_BYTES: Final = 100_000_000
# What is asked for beside a batch is for the same purpose as its sessions are.
DIRECTLY: Final[dict[BatchKind, Purpose]] = {"summary": "summary", "memory": "extraction"}
CLOCKS_DIFFER: Final = timedelta(minutes=2)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchParts:
    """What batches work with; the composition root fills it."""

    store: Store
    batches: BatchClient
    announcer: Announcer
    single: Single
    memory: MemorySingle


class BatchRunner:
    """Goes on with parts of batches, one a call."""

    def __init__(self, parts: BatchParts) -> None:
        self._parts = parts

    async def run(self, which: RunningPart) -> str:
        """Go on with a part as far as it goes now; return what became of it, in a word.

        Raises:
            StoreError: the store is away; another round comes.

        """
        own = self._parts.store.tenant(which.tenant)
        kept = {part.number: part for part in await own.batch(which.batch_id)}
        if which.number not in kept or 0 not in kept:
            return "gone"
        if which.number == 0:
            return await self._collect(own, which.batch_id, kept)
        desk = PartDesk(self._parts.store, own, which.batch_id, kept[which.number])
        head = head_of([kept[0]])
        with structlog.contextvars.bound_contextvars(tenant=which.tenant, batch=which.batch_id, part=which.number):
            try:
                if not await desk.take():
                    return "busy"
                async with desk.held():
                    await self._advance(own, desk, head)
                await desk.release()
            except ClaudeError as error:
                log.warning("batch.later", error=str(error))
                await desk.release()
                return "later"
            except Overtaken:
                return "overtaken"
            return desk.part.state

    async def _collect(self, own: TenantStore, batch_id: str, kept: dict[int, KeptPart]) -> str:
        """Put the sessions that were asked for into parts. Begun again, it passes over those that are in one."""
        head = head_of([kept[0]])
        known = {
            item.session_id
            for number, each in kept.items()
            if number > 0
            for item in BatchPart.model_validate_json(each.value).items
        }
        number, held = max(kept) + 1, list[str]()
        if not head.canceled:
            async for session_id in selected(own, head):
                if session_id in known:
                    continue
                known.add(session_id)
                held.append(session_id)
                if len(held) == PART_SESSIONS:
                    await _keep(own, batch_id, number, held)
                    number, held = number + 1, []
            if held:
                await _keep(own, batch_id, number, held)
        done = head.model_copy(update={"collected": True, "selection": await _nameless(own, head.selection)})
        if not await own.put_part(batch_id, 0, done.model_dump_json(), kept[0].version, running=False):
            return "overtaken"  # it was canceled meanwhile: another round sees to it
        return "collected"

    async def _advance(self, own: TenantStore, desk: PartDesk, head: BatchHead) -> None:
        if desk.part.state == "submitting":
            handed_in = await self._handed_in(desk)
            if handed_in is None:
                return
            if handed_in:
                await desk.save(state="submitted", claude_id=handed_in)
            else:
                await desk.save(state="waiting", items=_unsubmitted(desk.part.items))
        if head.canceled and desk.part.state == "waiting":
            await desk.end_as("canceled")
        if desk.part.state == "waiting":
            await self._submit(own, desk, self._of(desk, head))
        if desk.part.state == "submitted":
            await self._look(own, desk, head)

    def _of(self, desk: PartDesk, head: BatchHead) -> Single | MemoryShare:
        """Return what prepares and finishes the sessions of a part."""
        return self._parts.memory.of(desk.batch_id) if head.kind == "memory" else self._parts.single

    async def _submit(self, own: TenantStore, desk: PartDesk, single: Single | MemoryShare) -> None:
        requests, items, room = list[BatchRequest](), list[BatchItem](), MOST_BYTES
        for item in desk.part.items:
            changed, request = item, None
            if item.state == "waiting" and room > 0:
                changed, request = await single.prepare(own, item)
            if request is not None:
                requests.append(request)
                room -= len(str(request.prompt.messages))
            items.append(changed)
        if not requests:
            waits = any(item.state == "waiting" for item in items)  # another job is at it
            await desk.save(items=tuple(items), state="waiting" if waits else "ended")
            return
        await desk.save(items=tuple(items), state="submitting", submitted_at=await self._parts.store.now())
        try:
            batch = await self._parts.batches.create(requests)
        except ClaudeFailed as error:  # asking again would not help: no money, no key, a request that is refused
            log.warning("batch.refused", cause=error.cause, error=str(error))
            await desk.end_as("failed", error.cause)
            return
        log.info("batch.submitted", claude=batch.id, sessions=len(requests))
        await desk.save(state="submitted", claude_id=batch.id)

    async def _handed_in(self, desk: PartDesk) -> str | None:
        """Return the batch that was handed in before a crash kept its id from being written down; "" for none.

        A batch tells what is in it only once it has ended, by its results. So while one of the same size goes on that
        may be ours, it cannot be said (None): to hand ours in again could pay for it twice.
        """
        ours = {custom_id(item) for item in desk.part.items if item.state == "submitted"}
        if desk.part.submitted_at is None:
            return ""
        unsure = False
        async for batch in self._parts.batches.since(desk.part.submitted_at - CLOCKS_DIFFER):
            if _size(batch) != len(ours):
                continue
            if not batch.ended:
                unsure = True
            elif await self._holds(batch, ours):
                log.info("batch.found_again", claude=batch.id)
                return batch.id
        return None if unsure else ""

    async def _holds(self, batch: Batch, ours: set[str]) -> bool:
        async for result in self._parts.batches.results(batch.id):
            return result.custom_id in ours
        return False

    async def _look(self, own: TenantStore, desk: PartDesk, head: BatchHead) -> None:
        claude_id = str(desk.part.claude_id)
        batch = await self._parts.batches.retrieve(claude_id)
        if head.canceled and batch.status == "in_progress":
            batch = await self._parts.batches.cancel(claude_id)
        if not batch.ended:
            return
        single = self._of(desk, head)
        at = {item.session_id: index for index, item in enumerate(desk.part.items)}
        unsaved, busy = 0, set[int]()
        async for result in self._parts.batches.results(claude_id):
            index = at.get(result.custom_id.partition("-")[0])
            if index is None or desk.part.items[index].state != "submitted":
                continue
            await self._take(own, desk, single, index, result, head)
            if desk.part.items[index].state == "submitted":
                busy.add(index)
            unsaved += 1
            if unsaved % SAVE_EVERY == 0:
                await desk.save()
        if busy:  # another job is at these sessions: their results are read again
            await desk.save()
            return
        # What has no result was never handed in.
        left = _unsubmitted(desk.part.items)
        state: PartState = "waiting" if any(item.state == "waiting" for item in left) else "ended"
        await desk.save(items=left, state=state, claude_id=None)

    async def _take(
        self,
        own: TenantStore,
        desk: PartDesk,
        single: Single | MemoryShare,
        index: int,
        result: BatchResult,
        head: BatchHead,
    ) -> None:
        """Take in one session's result: stored, tried again in another batch, or singly, or given up."""
        item, failure = desk.part.items[index], result.failure
        if isinstance(failure, ClaudeLater) and failure.cause in {"expired", "canceled"}:
            again = failure.cause == "expired" and item.tries < ROUNDS
            ended: ItemState = "canceled" if failure.cause == "canceled" else "failed"
            state = "waiting" if again else ended
            desk.put(index, item.model_copy(update={"state": state, "cause": failure.cause}))
            return
        answer = result.reply or failure
        if answer is None:
            return
        done = await single.finish(own, item, answer)
        if done.item.state == "submitted":
            return
        await count(own, f"batch.{done.item.state}")
        self._note_use(own.tenant, f"{desk.batch_id}.{result.custom_id}", head, done)
        desk.put(index, done.item)
        desk.spend(done.batched, done.direct)
        await self._parts.announcer.announce(done.rows)

    def _note_use(self, tenant: str, name: str, head: BatchHead, done: Ended) -> None:
        """Note what a session took in the batch, and beside it; read again after a crash, it is counted once."""
        noter = self._parts.announcer.noter
        if noter is not None:
            now, purpose = self._parts.single.clock(), DIRECTLY[head.kind]
            noter.job(tenant, f"{name}.batch", ("batch", head.model), done.batched, now)
            noter.job(tenant, f"{name}.direct", (purpose, head.model), done.direct, now)


async def _nameless(own: TenantStore, asked: BatchSelection) -> BatchSelection:
    """Return what was asked for without the customer's id: erasing them does not look into batches."""
    if asked.customer_id is None:
        return asked
    return asked.model_copy(update={"customer_id": None, "customer": await own.pseudonym(asked.customer_id)})


async def _keep(own: TenantStore, batch_id: str, number: int, session_ids: Sequence[str]) -> None:
    part = BatchPart(items=tuple(BatchItem(session_id=session_id) for session_id in session_ids))
    await own.put_part(batch_id, number, part.model_dump_json(), 0, running=True)


def _unsubmitted(items: Sequence[BatchItem]) -> tuple[BatchItem, ...]:
    """Return the sessions, with those waiting again that were thought to be with Claude."""
    return tuple(item.model_copy(update={"state": "waiting"}) if item.state == "submitted" else item for item in items)


def _size(batch: Batch) -> int:
    return batch.processing + batch.succeeded + batch.errored + batch.canceled + batch.expired
