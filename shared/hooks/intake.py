"""What comes in through a hook, put where it belongs: a request, a recorded message, or who handles the session.

Each event is safe to take again: a customer's message leads to one request by its id, a person's is recorded once by
its id, and whose a session is can be said twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import structlog

from shared.clock import Clock
from shared.context.assembly import render
from shared.context.counted import look_at
from shared.context.tokens import TokenCounter
from shared.errors import Malformed, SessionClosed, SessionExpired, StoreUnavailable, UnknownSession
from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Handler, Message, Session
from shared.platforms.answering import calls_people
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import AgentMessage, CustomerMessage, Event, Handling, OpenHook
from shared.storage.contract import Store, TenantStore
from shared.storage.types import OF_HOOK, NewRequest, NewSession, SessionPatch

LONGEST_ID: Final = 256
TRIES: Final = 3
LOOKED_AT: Final = 10
LONG_ENOUGH: Final = 40
"""Characters of a part of a reply that are hardly anybody else's words."""
SOMEBODY: Final = "support"

Told = TypeVar("Told", CustomerMessage, AgentMessage, Handling)
Word = Literal["accepted", "duplicate", "recorded", "handled", "ignored"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """What an intake works with. `most_chars`: of a message; the rest is cut."""

    store: Store
    ids: Ids
    clock: Clock
    counter: TokenCounter
    most_chars: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event; `wake`: the session that workers are to be told of."""

    word: Word
    wake: SessionRef | None = None


class Intake:
    """Takes events, one a call."""

    def __init__(self, parts: IntakeParts) -> None:
        self._parts = parts

    async def take(self, hook: OpenHook, event: Event, *, before_message: bool = False) -> Taken:
        """Take an event; `before_message`: the same delivery holds a customer's message of its conversation after it.

        Raises:
            Malformed: its ids are too long.
            SessionBusy, CustomerErasing: another time.

        """
        own = self._parts.store.tenant(hook.tenant)
        if isinstance(event, CustomerMessage):
            return await self._message(own, hook, _fitting(event))
        if isinstance(event, AgentMessage):
            return await self._recorded(own, hook, _fitting(event))
        if isinstance(event, Handling):
            return await self._handled(own, hook, _fitting(event), before_message=before_message)
        log.debug("hook.ignored", hook=hook.id, reason=event.reason)
        return Taken("ignored")

    async def _message(self, own: TenantStore, hook: OpenHook, event: CustomerMessage) -> Taken:
        if not event.text and not event.attachments:
            return Taken("ignored")
        conversation_id = conversation_of(hook, event.conversation)
        bucket = bucket_of(hook.tenant, event.customer_id)
        request_id = self._parts.ids.request(bucket)
        key = _name(hook, event)
        kept = await own.reserve(key, _whose(hook, key, event), request_id)
        if not kept.same_body:
            return Taken("duplicate")
        tells_all = PLATFORMS[hook.platform].tells_all
        if not tells_all:
            await self._stay_with_person(own, event.customer_id, conversation_id)
        new = NewRequest(
            request_id=kept.request_id,
            customer_id=event.customer_id,
            message=event.text[: self._parts.most_chars],
            conversation_id=conversation_id,
            metadata={"platform": hook.platform, "hookId": hook.id, **event.metadata},
            keyed=True,
            attachments=event.attachments,
            callback=f"{OF_HOOK}{hook.id}",
            handoff=calls_people(hook),
            coalesce_ms=round(hook.settings.coalesce_seconds * 1000),
        )
        # A delivery that came twice finishes what the first may have left undone; accepting twice changes nothing.
        session_id = await own.accept(new, self._parts.ids.session(bucket))
        if not tells_all:
            await own.put_place(conversation_id, session_id)
        log.info("hook.accepted", hook=hook.id, chat_request=kept.request_id, session=session_id)
        word: Word = "accepted" if kept.request_id == request_id else "duplicate"
        return Taken(word, SessionRef(hook.tenant, session_id))

    async def _stay_with_person(self, own: TenantStore, customer_id: str, conversation_id: str) -> None:
        """Where a person had the conversation when its session expired, let them have it in the next one too."""
        before = await own.bound_session(customer_id, conversation_id)
        if before is not None and before.status == "expired" and before.handler == "human":
            session = await self._begun(own, customer_id, conversation_id, before)
            await self._hand(own, session, "human")

    async def _recorded(self, own: TenantStore, hook: OpenHook, event: AgentMessage) -> Taken:
        name, probe = _name(hook, event), self._parts.ids.request(bucket_of(hook.tenant, ""))
        # What was recorded before, in a session that has ended since, begins no other; what a try that died left
        # unrecorded finds what that found, and begins it.
        first = (await own.reserve(name, f"agent {await self._before(own, hook, event)}", probe)).same_body
        message = await self._as_message(event)
        for _ in range(TRIES):
            session = await self._session(own, hook, event, begin=first)
            if session is None:
                log.info("hook.ignored", hook=hook.id, reason="a conversation that is not known here")
                return Taken("ignored")
            if await self._is_ours(own, session, message.content, name):
                log.info("hook.ignored", hook=hook.id, reason="our own reply")
                return Taken("ignored")
            await self._hand(own, session, "human")
            if not message.content and not message.attachments:
                return Taken("handled")
            with suppress(SessionClosed, SessionExpired, UnknownSession):  # it ended this very moment
                await own.record(session.id, message, backdated=False, once=name)
                log.info("hook.recorded", hook=hook.id, session=session.id)
                return Taken("recorded")
        raise StoreUnavailable("the conversation's session ended each time it was found")

    async def _is_ours(self, own: TenantStore, session: Session, text: str, name: str) -> bool:
        """Return whether what a person is said to have written is a reply of the agent's.

        Where replies are posted as a person's whom the hook's settings do not name, they come back as that person's.
        Each comes back once: who says the same few words after that is a person. `name`: of the message.
        """
        said = " ".join(text.split())
        newest = await own.messages(session.id, LOOKED_AT, max(0, session.message_count - LOOKED_AT))
        replies = {each.id: " ".join(each.content.split()) for each in newest.items if _of_agent(each)} if said else {}
        if len(said) >= LONG_ENOUGH:
            return any(said in reply for reply in replies.values())
        for message_id in (message_id for message_id, reply in replies.items() if said == reply):
            probe = self._parts.ids.request(bucket_of(own.tenant, session.customer_id))
            if (await own.reserve(f"hook-echo:{message_id}", name, probe)).same_body:
                return True
        return False

    async def _as_message(self, event: AgentMessage) -> Message:
        message = Message(
            id=self._parts.ids.message(),
            role="assistant",
            content=event.text[: self._parts.most_chars],
            author=event.author or SOMEBODY,
            attachments=event.attachments,
            at=self._parts.clock(),
        )
        tokens, kind = await asyncio.to_thread(look_at, self._parts.counter, render(message))
        return message.model_copy(update={"tokens": tokens, "text_kind": kind})

    async def _handled(self, own: TenantStore, hook: OpenHook, event: Handling, *, before_message: bool) -> Taken:
        session = await self._session(own, hook, event, begin=before_message and event.to == "human")
        if session is None:
            return Taken("ignored")
        if event.to == "over":
            await own.update_session(session.id, SessionPatch(status="closed"))
        else:
            await self._hand(own, session, event.to)
        log.info("hook.handled", hook=hook.id, session=session.id, to=event.to)
        return Taken("handled")

    async def _session(
        self, own: TenantStore, hook: OpenHook, event: AgentMessage | Handling, *, begin: bool
    ) -> Session | None:
        """Return the open session of a conversation; where it has none, a new one, if one is to `begin`."""
        customer_id, bound = await self._bound(own, hook, event)
        if customer_id is None or (bound is not None and bound.status == "open"):
            return bound
        return await self._begun(own, customer_id, conversation_of(hook, event.conversation), bound) if begin else None

    async def _before(self, own: TenantStore, hook: OpenHook, event: AgentMessage) -> str:
        """Return the ended session that a new one would follow; a word where none would be begun, or followed."""
        _, bound = await self._bound(own, hook, event)
        if bound is None:
            return "none"
        return "open" if bound.status == "open" else bound.id

    async def _bound(
        self, own: TenantStore, hook: OpenHook, event: AgentMessage | Handling
    ) -> tuple[str | None, Session | None]:
        """Return whose a conversation is, and its newest session, as far as they are known."""
        conversation_id = conversation_of(hook, event.conversation)
        customer_id = event.customer_id or await self._customer(own, conversation_id)
        if customer_id is None:
            return None, None
        return customer_id, await own.bound_session(customer_id, conversation_id)

    async def _begun(self, own: TenantStore, customer_id: str, conversation_id: str, before: Session | None) -> Session:
        """Begin the session that follows `before`; whoever does so at the same time begins the same one."""
        bucket = bucket_of(own.tenant, customer_id)
        after = before.id if before is not None else ""
        key = f"hook-session:{conversation_id}\0{customer_id}\0{after}"
        kept = await own.reserve(key, "session", self._parts.ids.request(bucket))
        session_id = f"ses_{kept.request_id.removeprefix('req_')}"
        new = NewSession(customer_id, conversation_id)
        try:
            return await own.create_session(session_id, new)
        except UnknownSession:  # it was deleted today
            return await own.create_session(self._parts.ids.session(bucket), new)

    async def _customer(self, own: TenantStore, conversation_id: str) -> str | None:
        """Return whose a conversation is, by the session that its customer wrote in."""
        session_id = await own.place(conversation_id)
        try:
            return (await own.session(session_id)).customer_id if session_id else None
        except UnknownSession:
            return None

    async def _hand(self, own: TenantStore, session: Session, to: Handler) -> None:
        if session.handler != to:
            await own.update_session(session.id, SessionPatch(handler=to, by="platform"))


def conversation_of(hook: OpenHook, conversation: str) -> str:
    """Return the conversation id of a hook's sessions."""
    return f"{hook.id}/{conversation}"


def precedes_message(events: Sequence[Event], place: int) -> bool:
    """Return whether a customer's message of the same conversation comes after the event at a place."""
    here = events[place]
    return isinstance(here, Handling) and any(
        isinstance(each, CustomerMessage) and each.conversation == here.conversation for each in events[place + 1 :]
    )


def _name(hook: OpenHook, event: CustomerMessage | AgentMessage) -> str:
    """Return what a message is known by: some platforms count the messages of each conversation anew."""
    return f"hook:{hook.id}:{event.conversation}\0{event.message_id}"


def _whose(hook: OpenHook, key: str, event: CustomerMessage) -> str:
    """Return a digest that tells nothing of the customer to whoever does not know the key."""
    told = f"{event.customer_id}\0{event.conversation}"
    return hmac.new(f"{hook.tenant}:{key}".encode(), told.encode(), hashlib.sha256).hexdigest()


def _of_agent(message: Message) -> bool:
    return message.role == "assistant" and message.author is None


def _fitting(event: Told) -> Told:
    """Return an event whose ids can be kept. Raises Malformed."""
    if len(event.customer_id or "") > LONGEST_ID or len(event.conversation) > LONGEST_ID - len("hook_/") - 26:
        raise Malformed(f"The customer's id, or the conversation's, is longer than {LONGEST_ID} characters.")
    return event
