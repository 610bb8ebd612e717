"""The channel of replies: whether a delivery may go to its platform now, and with which steps.

Its hook ─▶ has the reply before it gone? ─▶ its request and session ─▶ its plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from shared.callbacks.channel import Ended, Later, Work
from shared.callbacks.delivery import Delivery
from shared.clock import Clock
from shared.errors import CannotUnseal, NoSecretKey, UnknownRequest, UnknownSession
from shared.hooks.hooks import Found
from shared.models import ChatRequest
from shared.platforms.answering import OUTGOING
from shared.platforms.types import TOKEN, OpenHook
from shared.replies.calling import Calls
from shared.replies.parcel import ReplyParcel
from shared.replies.plan import DELETED, calls_person, plan_of

LONGEST_BEHIND: Final = timedelta(minutes=5)
"""So long a reply waits for the one before it in its conversation, at most; then it goes on."""
LOOK_AGAIN_SECONDS: Final = 1.0

NO_HOOK: Final = "its hook was removed"
DISABLED: Final = "its hook is disabled; enable it, and replay"
NO_TOKEN: Final = "its hook has no token to call the platform with; give it one by `hooks rotate`, and replay"  # noqa: S105 - words
NO_REQUEST: Final = "its request was deleted"
NO_PLACE: Final = "its session came through no hook, or through another one"


class OpensHooks(Protocol):
    """What opens hooks."""

    async def now(self, tenant: str, hook_id: str) -> Found | None:
        """See `shared.hooks.hooks.Hooks.now`."""


@dataclass(frozen=True, slots=True)
class PlatformReplies:
    """Implements `shared.callbacks.channel.Channel`. `seconds`: the longest that one call may take."""

    hooks: OpensHooks
    calls: Calls
    clock: Clock
    seconds: float

    async def open(self, work: Work) -> ReplyParcel | Ended | Later:
        """See `Channel.open`."""
        try:
            request = await work.own.request(work.ref.request_id)
        except UnknownRequest:
            return Ended("dead", NO_REQUEST)
        work.delivery = work.delivery.calling(calls=calls_person(request))
        hook = await self._hook(work)
        if isinstance(hook, Ended):
            return hook
        if await _is_behind(work):
            return Later(LOOK_AGAIN_SECONDS)
        try:
            return await self._parcel(work, hook, request)
        except UnknownSession:
            return Ended("withheld", DELETED)

    async def _parcel(self, work: Work, hook: OpenHook, request: ChatRequest) -> ReplyParcel | Ended:
        session = await work.own.session(work.delivery.session_id)
        beginning = f"{hook.id}/"
        if not (session.conversation_id or "").startswith(beginning):
            return Ended("dead", NO_PLACE)
        conversation = (session.conversation_id or "").removeprefix(beginning)
        outgoing = OUTGOING[hook.platform]
        plan = plan_of(request, outgoing.longest(hook))
        if isinstance(plan, Ended):
            return plan
        return ReplyParcel(hook, conversation, request, plan, outgoing, self.calls, self.clock, self.seconds)

    async def _hook(self, work: Work) -> OpenHook | Ended:
        try:
            found = await self.hooks.now(work.ref.tenant, work.delivery.hook_id or "")
        except (CannotUnseal, NoSecretKey) as error:
            return Ended("dead", str(error))
        if found is None:
            return Ended("dead", NO_HOOK)
        if found.disabled:
            return Ended("withheld", DISABLED)
        hook = found.hook
        return hook if hook.secret(TOKEN) or hook.platform == "generic" else Ended("dead", NO_TOKEN)


async def _is_behind(work: Work) -> bool:
    """Return whether the reply before it in its conversation is on its way still, and not for too long."""
    before, mine = work.delivery.after, work.delivery
    if before is None or work.kept.now >= mine.began_at + LONGEST_BEHIND:
        return False
    kept = await work.own.delivery(before)
    if kept is not None:
        return Delivery.read(kept).status == "pending"
    try:
        # It ended before this one did: its delivery is still to be made of its row, unless it is gone.
        return (await work.own.request(before)).callback is not None
    except UnknownRequest:
        return False
