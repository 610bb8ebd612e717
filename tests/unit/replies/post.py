"""Replies over a desk, to a platform that stands opposite: hooks that are open, a courier, and real connections."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

from shared.callbacks.circuit import Circuits
from shared.callbacks.courier import Courier, CourierParts
from shared.callbacks.delivery import Delivery
from shared.callbacks.desk import CallbackDesk
from shared.callbacks.guard import Guard
from shared.callbacks.sender import Sender
from shared.callbacks.signed import SignedCallbacks
from shared.callbacks.urls import Rules, networks
from shared.clock import from_ms
from shared.hooks.hooks import Found
from shared.ids import new_ulid
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import OpenHook, PlatformName
from shared.replies.channel import PlatformReplies
from shared.storage.deliveries import DeliveryRef
from shared.storage.types import Committed, NewRequest
from tests.contract.store import Desk
from tests.support.platforms.standin import Conversation, StandIn

SECONDS = 5.0


@dataclass
class Hooks:
    """Hooks that are open, by their ids."""

    known: dict[str, OpenHook] = field(default_factory=dict)
    disabled: bool = False

    async def now(self, tenant: str, hook_id: str) -> Found | None:
        hook = self.known.get(hook_id)
        return Found(hook, self.disabled) if hook is not None and hook.tenant == tenant else None


@dataclass
class Post:
    """Replies over a desk, through one hook of one platform."""

    desk: Desk
    platform: StandIn
    hook: OpenHook
    hooks: Hooks
    courier: Courier

    async def accept(self, conversation: Conversation, message: str = "Where is it?", **more: Any) -> NewRequest:
        """Accept a message that came through the hook."""
        return await self.desk.accept(
            message,
            f"cust-{conversation.id}",
            callback=f"hook:{self.hook.id}",
            conversation_id=f"{self.hook.id}/{self.platform.place(conversation)}",
            handoff=True,
            **more,
        )

    async def turn(self, conversation: Conversation, reply: str = "On its way.", **more: Any) -> NewRequest:
        """Run a turn up to the outbox; its delivery is begun from the row."""
        request = await self.accept(conversation, **more)
        await self.begin(await self.answer(request, reply))
        return request

    async def answer(self, request: NewRequest, reply: str, handoff: str | None = None) -> Committed:
        """Commit a reply; `handoff`: why the agent asks for a person."""
        claim = await self.desk.claim(request)
        outcome = self.desk.answered(claim, reply)
        assert outcome.result is not None
        told = outcome.result.model_copy(update={"handoff": handoff})
        return await self.desk.own.commit(claim, replace(outcome, result=told))

    async def fail(self, conversation: Conversation, kind: str, message: str = "Where is it?") -> NewRequest:
        """Run a turn that fails, up to the outbox."""
        request = await self.accept(conversation, message)
        claim = await self.desk.claim(request)
        await self.begin(await self.desk.own.commit(claim, self.desk.failed(claim, kind)))
        return request

    async def begin(self, done: Committed) -> None:
        for row in done.rows:
            await CallbackDesk(self.desk.store).begin(row)

    async def deliver(self, request: NewRequest) -> str:
        return await self.courier.deliver(DeliveryRef(self.desk.tenant, request.request_id))

    async def due(self, request: NewRequest) -> str:
        """Let time pass until the delivery is due, and make an attempt."""
        delivery = await self.delivery(request)
        due = delivery.facts.due_at
        assert due is not None, delivery
        self.desk.clock.ms = max(self.desk.clock.ms, round(due.timestamp() * 1000) + 1)
        return await self.deliver(request)

    async def delivery(self, request: NewRequest) -> Delivery:
        kept = await self.desk.own.delivery(request.request_id)
        assert kept is not None
        return Delivery.read(kept)


def open_hook(platform: StandIn, tenant: str = "acme", **settings: Any) -> OpenHook:
    """Return a hook of a platform, open."""
    name = cast("PlatformName", platform.name)
    told = PLATFORMS[name].settings.model_validate({**platform.settings(), **settings})
    secrets = {kind: [secret] for kind, secret in platform.secrets().items()}
    return OpenHook(f"hook_{new_ulid()}", tenant, name, told, cast("Any", secrets))


LOOPBACK = Rules(allow_http=True, allowed=networks(("127.0.0.1/32",)))


def open_post(
    desk: Desk,
    platform: StandIn,
    *,
    at_once: int = 8,
    seconds: float = SECONDS,
    rules: Rules = LOOPBACK,
    **settings: Any,
) -> Post:
    """Return replies over a desk to a platform; `rules` say where they may lead."""

    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host}:{port} was looked up")

    hook = open_hook(platform, desk.tenant, **settings)
    hooks = Hooks({hook.id: hook})
    sender = Sender(Guard(rules, resolve), seconds, lambda: from_ms(desk.clock.ms))
    replies = PlatformReplies(hooks, sender, lambda: from_ms(desk.clock.ms), seconds)
    parts = CourierParts(
        store=desk.store,
        callbacks=cast("SignedCallbacks", None),
        replies=replies,
        circuits=Circuits(at_once),
        random=lambda: 0.5,
    )
    return Post(desk, platform, hook, hooks, Courier(parts))
