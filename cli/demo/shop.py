"""The invented shop: who its customers are and what was said when, told from now on backwards.

`{-9}` in a text is a day, nine days ago; `{+3}` is one to come.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

FILE: Final = Path(__file__).with_name("shop.json")
CUSTOMER: Final = "customer"
_DAY = re.compile(r"\{([+-]\d+)\}")


class Line(NamedTuple):
    """Something said: minutes after what was said before it, who said it (a name is an agent's), and the words."""

    after: float
    who: str
    text: str


class _Told(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Conversation(_Told):
    """What was said once. It began `days_ago` days before now, at `time` of that day where one is given."""

    conversation_id: str
    days_ago: float
    time: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    closed: bool = False
    summarise: bool = False
    messages: tuple[Line, ...]

    def posted(self, now: datetime) -> list[dict[str, Any]]:
        """Return its messages as the API records them, each with its time; none of them after `now`."""
        at = now - timedelta(days=self.days_ago)
        if self.time is not None:
            at = datetime.combine(at.date(), time.fromisoformat(self.time), UTC)
        bodies = []
        for line in self.messages:
            at += timedelta(minutes=line.after)
            body = {"role": "user" if line.who == CUSTOMER else "assistant", "content": line.text}
            body |= {"author": line.who} if line.who != CUSTOMER else {}
            bodies.append({**body, "at": min(at, now).isoformat()})
        return bodies


class Entry(_Told):
    """A memory entry that the shop wrote itself."""

    key: str
    scope: str
    value: Any


class Customer(_Told):
    """A customer: conversations, oldest first, and entries; the same key again replaces what it held."""

    customer_id: str
    conversations: tuple[Conversation, ...]
    memory: tuple[Entry, ...] = ()


class Question(_Told):
    """What a customer asks today, to be answered by the service."""

    customer_id: str
    conversation_id: str
    message: str


class Shop(_Told):
    """All of it."""

    customers: tuple[Customer, ...]
    questions: tuple[Question, ...] = Field(())


def read_shop(now: datetime, file: Path = FILE) -> Shop:
    """Return the shop, with the days of its texts counted from `now`."""

    def day(found: re.Match[str]) -> str:
        at = now + timedelta(days=int(found[1]))
        return f"{at.day} {at:%B}"

    return Shop.model_validate(json.loads(_DAY.sub(day, file.read_text(encoding="utf-8"))))
