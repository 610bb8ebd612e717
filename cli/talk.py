"""One customer's side of a conversation: messages sent, replies written as they come, across cut connections."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from cli.http import Answer, Api, Unreachable
from shared.errors import CustomerMemoryError

RECONNECTS = 8
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
HELP = "/new begins a new session, /session shows this one, /memory what is remembered, /quit ends."
SIMULATED = "Claude is SIMULATED (no ANTHROPIC_API_KEY): replies quote only what the service remembered."

Echo = Callable[[str], None]


class TurnFailed(CustomerMemoryError):
    """The service could not answer this message."""


@dataclass(slots=True)
class Place:
    """How far a stream has been read: its last event's id, the text on the screen, the cuts since the last event."""

    last_id: str | None = None
    shown: str = ""
    cuts: int = 0


@dataclass(slots=True)
class Talk:
    """One customer's side of a conversation."""

    api: Api
    customer: str
    session: str | None
    conversation: str | None
    write: Echo
    simulated: bool = False
    used: int = 0

    async def open(self) -> None:
        """See whether the service answers, and who answers there.

        Raises:
            Unreachable: nothing answers.

        """
        self._banner((await self.api.call("GET", "/readyz")).body)
        self.write(f"You are {self.customer} at {self.api.url}. {HELP}\n")

    async def say(self, message: str) -> None:
        """Send one message and write the reply as it comes.

        Raises:
            TurnFailed, Unreachable: there is no reply; the text says why.

        """
        body = {"customerId": self.customer, "message": message}
        body |= {"sessionId": self.session} if self.session else {}
        body |= {"conversationId": self.conversation} if self.conversation and not self.session else {}
        accepted = await self._accept(body)
        self.session = accepted.body.get("sessionId", self.session)
        if "reply" in accepted.body:  # The service waits by default, and has answered at once.
            self.write(accepted.body["reply"])
            self._finish(accepted.body)
            return
        self._finish(await self._stream(accepted.body["eventsUrl"]))

    async def command(self, line: str) -> bool:
        """Do what a line that begins with a slash asks for; False when it asks to leave."""
        word = line.split(maxsplit=1)[0]
        if word == "/quit":
            return False
        if word == "/new":
            self.session = self.conversation = None
            self.write("A new session begins with your next message.\n")
        elif word == "/session":
            self.write(f"{self.session or 'No session yet: it begins with your first message.'}\n")
        elif word == "/memory":
            await self._show_memory()
        else:
            self.write(HELP + "\n")
        return True

    async def _accept(self, body: dict[str, Any]) -> Answer:
        """Post the message. A lost answer is asked for again under the same key, so that it counts once."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        try:
            answer = await self.api.call("POST", "/api/chat", body=body, headers=headers)
        except Unreachable:
            answer = await self.api.call("POST", "/api/chat", body=body, headers=headers)
        if not answer.ok:
            raise TurnFailed(answer.problem)
        return answer

    async def _stream(self, path: str) -> dict[str, Any]:
        """Follow the turn's events to its result. A cut connection is no failure: the turn goes on without us."""
        place = Place()
        while True:
            try:
                result = await self._follow(path, place)
            except Unreachable:
                if place.cuts >= RECONNECTS:
                    raise
                result = None
            if result is not None:
                return result
            place.cuts += 1
            if place.cuts > RECONNECTS:
                message = "The stream ended again and again without a result."
                raise TurnFailed(message)
            await asyncio.sleep(min(FIRST_WAIT_SECONDS * 2 ** (place.cuts - 1), LONGEST_WAIT_SECONDS))

    async def _follow(self, path: str, place: Place) -> dict[str, Any] | None:
        async for event in self.api.events(path, place.last_id):
            place.last_id, place.cuts = event.id or place.last_id, 0
            told = event.json()
            if event.name == "delta":
                place.shown += str(told.get("text", ""))
                self.write(str(told.get("text", "")))
            elif event.name == "reset":
                place.shown = ""
                self.write(click.style("\n(beginning again)\n", dim=True))
            elif event.name == "result":
                self._complete(str(told.get("reply", "")), place.shown)
                return told
            elif event.name == "failed":
                raise TurnFailed(_why(told))
        return None

    def _complete(self, reply: str, shown: str) -> None:
        """Write what of the reply no delta has brought: all of it, for one who listens late."""
        if reply.startswith(shown):
            self.write(reply[len(shown) :])
        else:
            self.write("\n" + reply)

    def _finish(self, result: dict[str, Any]) -> None:
        usage = result.get("tokenUsage") or {}
        self.used += int(usage.get("total", 0))
        tokens = f"\n[{usage.get('input', 0)} tokens in, {usage.get('output', 0)} out; {self.used} so far]\n"
        self.write(click.style(tokens, dim=True))
        self._banner(result)

    def _banner(self, told: dict[str, Any]) -> None:
        if told.get("simulated") and not self.simulated:
            self.simulated = True
            self.write(click.style(SIMULATED + "\n", fg="yellow"))

    async def _show_memory(self) -> None:
        answer = await self.api.call("GET", "/api/memory", query={"customerId": self.customer})
        if not answer.ok:
            raise TurnFailed(answer.problem)
        entries = answer.body.get("items", [])
        for entry in entries:
            value = json.dumps(entry.get("value"), ensure_ascii=False)
            self.write(f"{entry.get('scope')} {entry.get('key')}: {value}\n")
        if not entries:
            self.write("Nothing is written in this customer's memory; what was said is remembered all the same.\n")


def _why(told: dict[str, Any]) -> str:
    """Return why a request failed, from its status or from a problem."""
    problem = told.get("failure") or told
    return str(problem.get("detail") or problem.get("title") or "the turn failed, and does not say why")
