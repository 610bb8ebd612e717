"""A brief for the person who takes a conversation over: made of what was said, without any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.models import Message
from shared.summaries.appendix import without_appendix
from shared.summaries.digest import extract_digest
from shared.summaries.ledger import Entry

MOST_SUMMARY: Final = 2_000  # characters
MOST_SAID: Final = 600
MOST_TICKETS: Final = 5

HEADING: Final = "Customer Memory hands this conversation to a person."


def brief(why: str, summary: str, ledger: Sequence[Entry], messages: Sequence[Message], tickets: Sequence[str]) -> str:
    """Return the brief, as plain text: why, what it is about, what is open, what was promised.

    `summary` and `ledger`: of the session's summary, where it has one. `messages`: those after it, the newest ones.
    `tickets`: what else of the customer's is open.
    """
    digest = extract_digest(messages, ledger)
    asked = next((message.content for message in reversed(messages) if message.role == "user"), "")
    open_points = [*(digest.open_points or ([_short(asked, MOST_SAID)] if asked else [])), *tickets[:MOST_TICKETS]]
    prose = _short(without_appendix(summary), MOST_SUMMARY)
    sections = [
        f"{HEADING} Why: {why}",
        f"Summary: {prose}" if prose else "",
        f"About: {digest.topic}" if messages and not prose else "",
        _listed("Open:", open_points),
        _listed("Promised:", digest.promises) or "Promised: nothing.",
        f"Numbers and addresses: {'; '.join(digest.identifiers)}" if digest.identifiers else "",
    ]
    return "\n\n".join(section for section in sections if section)


def _listed(heading: str, texts: Sequence[str]) -> str:
    return "\n".join([heading, *(f"- {text}" for text in dict.fromkeys(texts))]) if texts else ""


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rpartition(' ')[0] or line[: most - 1]}…"
