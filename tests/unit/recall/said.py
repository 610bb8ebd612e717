"""Messages to index: small builders, and Hypothesis strategies for whatever people may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from shared.models import Message
from shared.recall.chunk import index
from shared.recall.corpus import Corpus

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SNIPPETS = (
    "Where is my order KX-4711? ",
    "Die Rechnung über 1.234,56 € fehlt. ",
    "請問我的訂單到哪裡了？",
    "返金はいつになりますか。",
    "Где мой заказ? ",
    "أين طلبي؟ ",
    "मेरा ऑर्डर कहाँ है? ",
    "สินค้ายังไม่มาถึง ",
    "주문이 아직 안 왔어요. ",
    "👩‍👩‍👧‍👦",
    "lotte@example.com ",
    "w" * 300 + "4 ",
    "e\u0301\u0301 ",
    "\n",
)

contents = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=20), max_size=6).map("".join)


def message(seq: int, content: str, *, days: float = 30) -> Message:
    """Return a message of so many days ago; customer and agent take turns."""
    at = NOW - timedelta(days=days) + timedelta(minutes=seq)
    return Message(id=f"msg_{seq}", seq=seq, role="user" if seq % 2 else "assistant", content=content, at=at)


def talk(*said: str, days: float = 30) -> list[Message]:
    """Return what was said, from seq 1 on."""
    return [message(seq, content, days=days) for seq, content in enumerate(said, 1)]


def corpus(**sessions: list[Message]) -> Corpus:
    """Return sessions laid out for searching."""
    return Corpus(chunk for name, said in sessions.items() for chunk in index(name, said))


# A session: what was said, with gaps between the seqs where messages were taken out.
sessions = st.lists(st.tuples(st.integers(1, 3), contents), min_size=1, max_size=60).map(
    lambda drawn: [
        message(sum(step for step, _ in drawn[: place + 1]), content) for place, (_, content) in enumerate(drawn)
    ]
)
