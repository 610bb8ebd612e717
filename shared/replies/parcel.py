"""A delivery to a platform, in hand: its steps are taken one by one, and each is written down.

    look, where it may have been taken ─▶ whose is the conversation? ─▶ write "in doubt" ─▶ post ─▶ done

What is in doubt when a process dies, or an answer does not come, is looked for before it is posted again. That a step
is done is written down with what comes next, be it the step after it or the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from shared.callbacks.channel import Ended, Lost, Verdict, Work
from shared.callbacks.courier import SPARE_SECONDS
from shared.callbacks.sender import Answer
from shared.clock import Clock
from shared.errors import UnknownSession
from shared.models import ChatRequest, Session
from shared.platforms.answering import calls_people
from shared.platforms.types import Call, OpenHook, Outgoing, Words
from shared.replies.briefing import brief_of
from shared.replies.calling import Calls, Heard, ask
from shared.replies.plan import DELETED, TAKEN, Plan, Step, plan_without_reply
from shared.storage.types import SessionPatch

CALLS_A_STEP: Final = 3  # look, ask whose it is, post
NOTHING: Final = Answer(None, None, 0.0)
NO_TEMPLATE: Final = "its hook does not say how a reply is posted"
NOBODY: Final = "its hook does not say how a person is called; let it, and replay"
LOOKED_AT: Final = 10  # of a session's newest messages
UNSAID: Final = "The reply that was not posted:"
FINAL: Final = frozenset({"locked", "gone", "refused"})


@dataclass(slots=True)
class ReplyParcel:
    """Implements `shared.callbacks.channel.Parcel`."""

    hook: OpenHook
    conversation: str
    request: ChatRequest
    plan: Plan
    outgoing: Outgoing
    calls: Calls
    clock: Clock
    longest_call: float
    _began: float = field(default_factory=time.monotonic)
    _why: str = ""
    _brief: str | None = None
    _last: Answer = NOTHING

    @property
    def endpoint(self) -> str:
        """See `Parcel.endpoint`."""
        return self.hook.id

    @property
    def seconds(self) -> float:
        """See `Parcel.seconds`."""
        return CALLS_A_STEP * self.longest_call

    async def attempt(self, work: Work) -> Verdict | Ended:
        """See `Parcel.attempt`."""
        try:
            verdict = None if work.delivery.unsaid else await self._steps(work, self.plan)
            if work.delivery.unsaid:
                # The platform will not take the reply, now or later: that is told to a person, and the letter is dead.
                unsaid = Ended("dead", work.delivery.unsaid)
                verdict = await self._steps(work, plan_without_reply(work.delivery.unsaid)) or (
                    Verdict(replace(self._told(self._last), error=work.delivery.unsaid), unsaid, works=True)
                )
        except UnknownSession:
            return Ended("withheld", DELETED)
        return verdict or Verdict(self._told(self._last), works=True)

    async def _steps(self, work: Work, plan: Plan) -> Verdict | Ended | None:
        """Take the steps that are left; return how the attempt ended before the last, if it did."""
        self._why = plan.why or ""
        for step in plan.steps:
            if step.name not in work.delivery.done:
                ended = await self._take(work, step)
                if ended is not None:
                    return ended
        return None

    async def _take(self, work: Work, step: Step) -> Verdict | Ended | None:
        """Take a step; return how the attempt ended with it, if it did."""
        words = Words(await self._text(work, step), f"{work.delivery.id}/{step.name}", work.delivery.at)
        call = self._call(step, words)
        if call is None and step.kind == "reply":
            return Ended("dead", NO_TEMPLATE)
        if step.kind == "hand-off" and not calls_people(self.hook):
            # The session stays the agent's: as a person's it would be silent, and nobody would know.
            return Ended("dead", f"{self._why}; {NOBODY}")
        found = await self._needless(work, step, words) if call is not None else True
        if found is True or call is None:
            await self._took(work, step)
            return None
        return await self._post(work, step, call) if found is False else found

    async def _needless(self, work: Work, step: Step, words: Words) -> bool | Verdict | Ended:
        """Return whether the platform has taken a step already; or how the attempt ends before it is posted."""
        if work.delivery.doubt == step.name and step.kind != "hand-off":
            found = await self._is_there(words, private=step.kind == "note")
            if found is not False:
                return found
        if step.kind == "note":
            return False
        taken = await self._taken_over(work, step)
        first = not work.delivery.done and work.delivery.doubt is None and work.delivery.unsaid is None
        if taken is True and (step.kind == "reply" or first):
            return Ended("withheld", TAKEN)
        return taken  # handed over already, by us or by whoever took it: the note is still for them

    async def _post(self, work: Work, step: Step, call: Call) -> Verdict | None:
        if not await work.put(work.delivery.taking(step.name, self._now(work), self.seconds + SPARE_SECONDS)):
            raise Lost
        heard = await self._ask(call)
        if heard.means == "taken":
            await self._took(work, step)
            return None
        if heard.means == "refused" and step.kind == "reply":
            work.delivery = work.delivery.unsayable(str(heard.answer.error))
        elif heard.sure:
            work.delivery = work.delivery.refused()
        return self._again(heard, Ended("dead", str(heard.answer.error)) if heard.means in FINAL else None)

    async def _took(self, work: Work, step: Step) -> None:
        """Write down, with the next change of the delivery, that a step was taken."""
        if step.kind == "hand-off":
            await work.own.update_session(work.delivery.session_id, SessionPatch(handler="human", by="agent"))
        work.delivery = work.delivery.took(step.name)

    async def _is_there(self, words: Words, *, private: bool) -> bool | Verdict:
        """Return whether the platform shows a post already; how the attempt ends where it does not answer now."""
        call = self.outgoing.look(self.hook, self.conversation)
        if call is None:
            return False
        heard = await self._ask(call)
        if heard.means == "later":
            return self._again(heard)
        return heard.means == "taken" and self.outgoing.is_there(self.hook, heard.said, words, private=private)

    async def _taken_over(self, work: Work, step: Step) -> bool | Verdict:
        """Return whether a person has the conversation, as we know and as the platform says.

        Where the platform does not let us ask, what we know is all there is.
        """
        ours = self.request.result is not None and self.request.result.handoff is not None  # the commit said so
        first = not work.delivery.done and work.delivery.doubt != step.name  # else we may have said so ourselves
        if not ours and (step.kind == "reply" or first):
            session = await work.own.session(work.delivery.session_id)
            if session.handler == "human" and not (step.kind == "reply" and await self._handed_over(work, session)):
                return True
        call = self.outgoing.handler(self.hook, self.conversation)
        if call is None:
            return False
        heard = await self._ask(call)
        if heard.means == "later":
            return self._again(heard)
        return heard.means == "taken" and not self.outgoing.is_ours(self.hook, heard.said)

    async def _handed_over(self, work: Work, session: Session) -> bool:
        """Return whether the agent itself gave the conversation away, in a later reply, and no person wrote since."""
        after = max(0, session.message_count - LOOKED_AT)
        for message in reversed((await work.own.messages(session.id, LOOKED_AT, after)).items):
            if message.role == "assistant":
                if message.author is not None or message.request_id in {None, self.request.id}:
                    return False
                result = (await work.own.request(str(message.request_id))).result
                return result is not None and result.handoff is not None
        return False

    async def _text(self, work: Work, step: Step) -> str:
        if step.kind == "reply":
            return step.text
        if self._brief is None:
            self._brief = await brief_of(work.own, self.request, self._why)
            if work.delivery.unsaid is not None and self.request.result is not None:
                self._brief += f"\n\n{UNSAID}\n{self.request.result.reply}"
        longest = self.outgoing.longest(self.hook)
        return self._brief if len(self._brief) <= longest else f"{self._brief[: longest - 1]}…"

    def _call(self, step: Step, words: Words) -> Call | None:
        if step.kind == "reply":
            return self.outgoing.reply(self.hook, self.conversation, words)
        if step.kind == "note":
            return self.outgoing.note(self.hook, self.conversation, words)
        return self.outgoing.hand_off(self.hook, self.conversation, words.text)

    async def _ask(self, call: Call) -> Heard:
        heard = await ask(self.calls, self.outgoing, self.hook, call, self.clock)
        self._last = heard.answer
        return heard

    def _again(self, heard: Heard, ended: Ended | None = None) -> Verdict:
        return Verdict(self._told(heard.answer), ended, heard.works, heard.limited)

    def _told(self, answer: Answer) -> Answer:
        """Return an answer as the attempt tells it: with the time that the whole attempt took, and nothing it said."""
        return replace(answer, seconds=time.monotonic() - self._began, body=b"", headers={})

    def _now(self, work: Work) -> datetime:
        return work.kept.now + timedelta(seconds=time.monotonic() - self._began)
