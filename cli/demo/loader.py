"""Puts the invented shop into a service through its API: what is there already is left as it is."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from cli.demo.shop import Conversation, Customer, Question, Shop
from cli.http import Answer, Api
from cli.patience import ask
from shared.errors import CustomerMemoryError

LOOK_SECONDS: Final = 0.5
# The longest without anything new remembered; what is missing then is made later, by itself.
QUIET_SECONDS: Final = 45.0
REPLY_SECONDS: Final = 60
SESSIONS: Final = 200

Step = Callable[[], object]


class NotLoaded(CustomerMemoryError):
    """The service would not take the demo; the text says why. What was stored stays: run it again to go on."""


class Loader:
    """Loads one shop by one client.

    Args:
        api: the service, open.
        shop: what to load.
        now: what the dates of the conversations count from.

    Attributes:
        added: messages, entries and questions that were not there before.

    """

    def __init__(self, api: Api, shop: Shop, now: datetime) -> None:
        self._api = api
        self._shop = shop
        self._now = now
        self.added = 0

    @property
    def steps(self) -> int:
        """How often `record` steps: once a conversation and once an entry."""
        return sum(len(each.conversations) + len(each.memory) for each in self._shop.customers)

    async def record(self, step: Step) -> None:
        """Record conversations and entries. A customer's own go one after the other: newer sessions are listed first.

        Raises:
            NotLoaded: the service refused something.

        """
        try:
            async with asyncio.TaskGroup() as group:
                for customer in self._shop.customers:
                    group.create_task(self._customer(customer, step))
        except* NotLoaded as refused:
            raise refused.exceptions[0] from None

    async def remembered(self, step: Step) -> bool:
        """Wait until every conversation can be recalled, and has its digest if it is over; step once a conversation.

        Returns:
            False, where nothing new was remembered for a while.

        """
        waiting = [(customer, each) for customer in self._shop.customers for each in customer.conversations]
        quiet_since = time.monotonic()
        while waiting and time.monotonic() - quiet_since < QUIET_SECONDS:
            known = await asyncio.gather(*(self._is_known(customer.customer_id, each) for customer, each in waiting))
            for _ in filter(None, known):
                step()
                quiet_since = time.monotonic()
            waiting = [pair for pair, is_known in zip(waiting, known, strict=True) if not is_known]
            await asyncio.sleep(LOOK_SECONDS if waiting else 0)
        return not waiting

    async def converse(self, step: Step) -> None:
        """Have today's questions answered, those that were not asked yet; step once a question.

        Raises:
            NotLoaded: the service refused one.

        """
        for question in self._shop.questions:
            await self._question(question)
            step()

    async def _customer(self, customer: Customer, step: Step) -> None:
        sessions = await self._sessions(customer.customer_id)
        for conversation in customer.conversations:
            await self._conversation(customer.customer_id, conversation, sessions.get(conversation.conversation_id))
            step()
        answer = await self._send("GET", "/api/memory", query={"customerId": customer.customer_id, "limit": "200"})
        keys = {entry["key"] for entry in answer.body["items"]}
        for entry in customer.memory:
            if entry.key not in keys:
                body = {"customerId": customer.customer_id, **entry.model_dump()}
                await self._send("POST", "/api/memory", body=body)
                self.added += 1
            step()

    async def _conversation(self, customer: str, told: Conversation, session: dict[str, Any] | None) -> None:
        named = {"customerId": customer, "conversationId": told.conversation_id}
        if session is None:
            session = (await self._send("POST", "/api/sessions", body=named)).body
        path = f"/api/sessions/{quote(session['id'])}"
        missing = told.posted(self._now)[session["messageCount"] :]
        for body in missing:
            await self._send("POST", f"{path}/messages", body=body)
            self.added += 1
        if not missing:
            return
        wanted = {"title": told.title, "tags": list(told.tags), "status": "closed" if told.closed else None}
        if change := {name: value for name, value in wanted.items() if value}:
            await self._send("PATCH", path, body=change)
        if told.summarise:
            await self._send("POST", f"{path}/summary")

    async def _is_known(self, customer: str, told: Conversation) -> bool:
        session = (await self._sessions(customer)).get(told.conversation_id)
        if session is None:
            return True  # Somebody deleted it meanwhile.
        found = await self._send("GET", "/api/memory", query={"customerId": customer, "query": told.messages[0].text})
        if not any(turn["sessionId"] == session["id"] for turn in found.body["turns"]):
            return False
        if session["status"] == "open":
            return True
        digests = await self._send("GET", "/api/digests", query={"customerId": customer})
        return any(digest["sessionId"] == session["id"] for digest in digests.body["items"])

    async def _question(self, question: Question) -> None:
        session = (await self._sessions(question.customer_id)).get(question.conversation_id)
        if session is not None:
            told = await self._send("GET", f"/api/sessions/{quote(session['id'])}/messages", query={"limit": "200"})
            if any(message["content"] == question.message for message in told.body["items"]):
                return
        headers = {"Prefer": f"wait={REPLY_SECONDS}", "Idempotency-Key": f"demo-{secrets.token_hex(16)}"}
        await self._send("POST", "/api/chat", body=question.model_dump(by_alias=True), headers=headers)
        self.added += 1

    async def _sessions(self, customer: str) -> dict[str, dict[str, Any]]:
        """Return the customer's sessions by their conversation; of several the newest."""
        answer = await self._send("GET", "/api/sessions", query={"customerId": customer, "limit": str(SESSIONS)})
        return {each.get("conversationId", ""): each for each in reversed(answer.body["items"])}

    async def _send(self, method: str, path: str, **request: Any) -> Answer:
        answer = await ask(self._api, method, path, **request)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise NotLoaded(f"{answer.problem} Give --key, or set CUSTOMER_MEMORY_KEY.")
        if not answer.ok:
            raise NotLoaded(f"{method} {path}: {answer.problem}")
        return answer
