"""What a model is asked that reads a conversation for what is worth remembering; what was said stands in tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from shared.memory.keys import shown
from shared.memory.operations import schema
from shared.models import MemoryEntry, Message
from shared.prompt import Prompt
from shared.summaries.material import SPEAKERS
from shared.summaries.prompts import DATA, block, user_prompt

MOST_TOKENS: Final = 2_000  # of the reply, JSON included
LONGEST_SHOWN: Final = 200  # characters of a known value
LONGEST_READ: Final = 24_000  # characters of a message

EXTRACT: Final = (
    "You remember a support customer from one conversation to the next. From the new messages, name what will matter "
    "in later ones. preference: how the customer wants to be addressed, reached or served. ticket: a problem that is "
    "open, and what was promised about it. note: a lasting fact of the customer, such as a contract or a device. Not: "
    "greetings, what concerns this moment only, secrets, card numbers, passwords. upsert what is new; supersede what "
    "replaces a known entry, by its key; resolve a ticket that is settled, by its key. key: two or three words. value: "
    "one short sentence in the conversation's language, with numbers, names and dates exactly as they were said. "
    "message: the number of the message it rests on; quote: words of that message, copied exactly; confidence: 0 to 1. "
    f"If there is nothing to remember, answer with no operations. {DATA}"
)


def extraction_prompt(model: str, known: Sequence[MemoryEntry], messages: Sequence[Message]) -> Prompt:
    """Return the prompt: the entries that are known, and the messages, each with its number."""
    blocks = block(("known", "\n".join(map(_known, known))), ("messages", "\n".join(map(_said, messages))))
    return user_prompt(model, EXTRACT, f"{blocks}Name what to remember.", MOST_TOKENS, schema())


def _known(entry: MemoryEntry) -> str:
    status = f", {entry.status}" if entry.status else ""
    value = " ".join(shown(entry.value).split())[:LONGEST_SHOWN]
    return f"{entry.scope}{status} {' '.join(entry.key.split())}: {value}"


def _said(message: Message) -> str:
    text = "\n  ".join(line for line in message.content.strip()[:LONGEST_READ].splitlines() if line.strip())
    return f"[{message.seq}] {message.at.astimezone(UTC).date().isoformat()} {SPEAKERS[message.role]}: {text}"
