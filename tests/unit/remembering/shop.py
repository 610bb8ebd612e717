"""A shop whose agent remembers: conversations with it, and somebody who reads them afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shared.ids import SessionRef
from shared.models import Receipt, ReceiptPart
from tests.contract.store import MEMORY_LIMITS, MINUTE, Desk
from tests.unit.summarising.jobs import Bureau, open_bureau
from tests.unit.turns import Office, open_office, says


@dataclass
class Shop:
    """An office and a bureau over one desk."""

    desk: Desk
    office: Office
    bureau: Bureau

    async def say(
        self, text: str, reply: str = "I see.", *, session: str | None = None, customer: str = "cust-1"
    ) -> str:
        """Let a customer say something and be answered; return the session."""
        request = await self.desk.accept(text, customer, session_id=session)
        self.office.claude.script = [says(reply)]
        ended = await self.office.advance(request)
        assert ended.outcome == "succeeded", ended
        self.last = request.request_id
        return str(request.session_id)

    async def talk(self, *texts: str, customer: str = "cust-1") -> str:
        """Let a customer say these, one after the other, in a session of their own; have it read; return it."""
        session = None
        for text in texts:
            session = await self.say(text, session=session, customer=customer)
        await self.read(str(session))
        return str(session)

    async def read(self, session: str) -> str:
        """Have the session read when nobody has said a word for a little; return what became of it."""
        self.desk.clock.pass_(MEMORY_LIMITS.memory_delay_ms + MINUTE)
        return await self.bureau.jobs.run(self.ref(session))

    def ref(self, session: str) -> SessionRef:
        """Return the session as jobs know it."""
        return SessionRef(self.desk.tenant, session)

    async def receipt(self) -> Receipt:
        """Return the last turn's receipt."""
        receipt = (await self.desk.own.request(self.last)).receipt
        assert receipt is not None
        return receipt

    async def part(self, name: str) -> ReceiptPart | None:
        """Return a part of the last turn's receipt."""
        return next((part for part in (await self.receipt()).parts if part.name == name), None)

    @property
    def prompt(self) -> str:
        """All that Claude was sent in the last turn."""
        return str(self.office.claude.prompts[-1])


def open_shop(desk: Desk, executor: ThreadPoolExecutor, **settings: Any) -> Shop:
    """Return a shop over a desk."""
    given = {"extraction": False, **settings}
    return Shop(desk, open_office(desk, executor, **given), open_bureau(desk, executor, **given))
