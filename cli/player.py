"""Plays conversations to the service: in order within each, side by side between them, with patience."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from cli.http import Answer, Api, Unreachable
from cli.patience import PATIENCE_SECONDS, ask
from cli.transcript import Row

WAIT_SECONDS = 30
NOT_LET_IN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class TurnLost(Exception):
    """A turn has no reply. Its argument is a stable word for why."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    conversations: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def turns(self) -> int:
        """Turns that have their reply, or messages that are stored."""
        return len(self.latencies)

    def percentile(self, share: float) -> int:
        """Return the latency that this share of the turns did not exceed, in milliseconds; 0 without turns."""
        if not self.latencies:
            return 0
        ranked = sorted(self.latencies)
        return round(ranked[max(0, math.ceil(share * len(ranked)) - 1)] * 1000)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, with their units in their names."""
        return {
            "conversations": self.conversations,
            "turns": self.turns,
            "seconds": round(self.seconds, 3),
            "turnsPerSecond": round(self.turns / self.seconds, 1) if self.seconds else 0.0,
            "latencyMs": {
                "p50": self.percentile(0.5),
                "p90": self.percentile(0.9),
                "p99": self.percentile(0.99),
                "max": self.percentile(1),
            },
            "tokens": {"input": self.tokens_in, "output": self.tokens_out},
            "failures": dict(self.failures.most_common()),
        }

    def as_text(self) -> str:
        """Return the figures as lines to read."""
        told = self.as_dict()
        latency = "  ".join(f"{name} {value}" for name, value in told["latencyMs"].items())
        lines = [
            f"turns       {self.turns} in {self.conversations} conversations, {self.seconds:.1f} s",
            f"turns/s     {told['turnsPerSecond']}",
            f"latency ms  {latency}",
            f"tokens      {self.tokens_in} in, {self.tokens_out} out",
            f"failures    {sum(self.failures.values())}",
        ]
        return "\n".join(lines + [f"  {count} x {why}" for why, count in self.failures.most_common()])


class Player:
    """Plays conversations through one client.

    Args:
        api: the service, opened while `play` runs.
        record: only store the messages, at their own times.
        prefix: put before customer and conversation ids.
        run: makes this run's idempotency keys its own.

    Attributes:
        on_turn: called after each turn.
        refused: why the service lets us not in at all, where it does not; the rest is not tried then.

    """

    def __init__(self, api: Api, *, record: bool, prefix: str, run: str) -> None:
        self._api = api
        self._record = record
        self._prefix = prefix
        self._run = run
        self._report = Report()
        self._began = time.monotonic()
        self.on_turn: Callable[[], object] = lambda: None
        self.refused = ""

    async def play(self, work: Sequence[list[Row]], concurrency: int) -> None:
        """Play every conversation, `concurrency` of them at a time."""
        self._began = time.monotonic()
        queue = iter(work)
        async with self._api, asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(work))):
                group.create_task(self._take(queue))

    def report(self) -> Report:
        """Return what has come of it so far."""
        self._report.seconds = time.monotonic() - self._began
        return self._report

    async def _take(self, queue: Iterator[list[Row]]) -> None:
        for rows in queue:
            if self.refused:
                return
            await (self._store(rows) if self._record else self._converse(rows))
            self._report.conversations += 1

    async def _converse(self, rows: list[Row]) -> None:
        session: str | None = None
        for row in rows:
            # Without an id of its own a conversation is held together by the session its first message began.
            named = {"conversationId": self._named(row.conversation_id)} if row.conversation_id else {}
            resumed = {"sessionId": session} if session and not named else {}
            body = {"customerId": self._prefix + row.customer_id, "message": row.message, **named, **resumed}
            result = await self._count(self._turn(row, body))
            session = (result or {}).get("sessionId", session)

    async def _turn(self, row: Row, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Prefer": f"wait={WAIT_SECONDS}", "Idempotency-Key": self._key(row)}
        answer = await self._send("POST", "/api/chat", body=body, headers=headers)
        give_up = time.monotonic() + PATIENCE_SECONDS
        path = f"/api/chat/{answer.body.get('requestId')}"
        while answer.status == HTTPStatus.ACCEPTED or answer.body.get("status") in {"queued", "running"}:
            if time.monotonic() > give_up:
                raise TurnLost("no-outcome")
            answer = await self._send("GET", path, query={"wait": str(WAIT_SECONDS)})
        if answer.body.get("status") == "failed":
            raise TurnLost(str((answer.body.get("failure") or {}).get("type", "failed")))
        result: dict[str, Any] = answer.body.get("result") or answer.body
        usage = result.get("tokenUsage") or {}
        self._report.tokens_in += int(usage.get("input", 0))
        self._report.tokens_out += int(usage.get("output", 0))
        return result

    async def _store(self, rows: list[Row]) -> None:
        first = rows[0]
        named = {"conversationId": self._named(first.conversation_id)} if first.conversation_id else {}
        body = {"customerId": self._prefix + first.customer_id, **named}
        headers = {"Idempotency-Key": f"{self._key(first)}-session"}
        try:
            session = (await self._send("POST", "/api/sessions", body=body, headers=headers)).body["id"]
        except TurnLost as lost:
            self._lose(lost, len(rows))
            return
        for row in rows:
            await self._count(self._store_one(row, f"/api/sessions/{session}/messages"))

    async def _store_one(self, row: Row, path: str) -> dict[str, Any]:
        body: dict[str, Any] = {"role": row.role, "content": row.message}
        body |= {"author": row.author} if row.author else {}
        body |= {"at": row.at.isoformat()} if row.at else {}
        return (await self._send("POST", path, body=body, headers={"Idempotency-Key": self._key(row)})).body

    async def _count(self, turn: Any) -> dict[str, Any] | None:
        began = time.monotonic()
        try:
            result: dict[str, Any] = await turn
        except TurnLost as lost:
            self._lose(lost, 1)
            return None
        self._report.latencies.append(time.monotonic() - began)
        self.on_turn()
        return result

    def _lose(self, lost: TurnLost, turns: int) -> None:
        self._report.failures[str(lost)] += turns
        for _ in range(turns):
            self.on_turn()

    async def _send(self, method: str, path: str, **request: Any) -> Answer:
        """Send until there is an answer that is final. "Later" is waited for as long as it says.

        Raises:
            TurnLost: the answer is a refusal, or there is none.

        """
        try:
            answer = await ask(self._api, method, path, **request)
        except Unreachable as error:
            raise TurnLost("unreachable") from error
        if answer.status in NOT_LET_IN:
            self.refused = answer.problem
        if not answer.ok:
            raise TurnLost(answer.kind)
        return answer

    def _named(self, conversation: str | None) -> str:
        return f"{self._prefix}{conversation}"

    def _key(self, row: Row) -> str:
        return f"replay-{self._run}-{row.line}"
