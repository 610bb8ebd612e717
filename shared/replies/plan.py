"""What is done in a platform's conversation when a request has ended, step by step. Pure.

A reply is posted, in parts where it is too long for one message. Where the agent asked for a person, or no reply could
be made, the conversation is handed over, and a private note tells the person what they need to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared.callbacks.channel import Ended
from shared.models import ChatRequest

MOST_PARTS: Final = 5
CUT: Final = "\n[…]"

TAKEN: Final = "a person has the conversation"
DELETED: Final = "its session was deleted before it was answered"

# Failures after which nothing is to be said, and nobody needs to be called.
SILENT: Final = {"taken-over": TAKEN, "session-deleted": DELETED}

Kind = Literal["reply", "hand-off", "note"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step. `name` is written down once the platform took it; `text` is what a reply says."""

    name: str
    kind: Kind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in order; `why` the conversation is handed over, if it is."""

    steps: tuple[Step, ...]
    why: str | None = None


HANDING: Final = (Step("hand-off", "hand-off"), Step("note", "note"))


def plan_without_reply(reason: str) -> Plan:
    """Return what is done where the platform will not take the reply: somebody has to say it in another way."""
    return Plan(HANDING, f"its reply could not be posted. {reason}")


def calls_person(request: ChatRequest) -> bool:
    """Return whether a person is to be called, as `plan_of` says, whatever the platform."""
    failure, result = request.failure, request.result
    return failure.type not in SILENT if failure is not None else result is None or result.handoff is not None


def plan_of(request: ChatRequest, longest: int) -> Plan | Ended:
    """Return what is to be done of a request that has ended; or why nothing is. `longest`: of a message."""
    failure, result = request.failure, request.result
    if failure is not None and failure.type in SILENT:
        return Ended("withheld", SILENT[failure.type])
    if result is None:
        said = f"{failure.detail} ({failure.type})" if failure is not None else "it has no result"
        return Plan(HANDING, f"no reply could be made: {said}")
    texts = parts(result.reply, longest)
    replies = tuple(
        Step("reply" if number == 1 else f"reply-{number}", "reply", text) for number, text in enumerate(texts, 1)
    )
    if result.handoff is None:
        return Plan(replies)
    return Plan((*replies, *HANDING), f"the agent asked for one: {result.handoff}")


def parts(text: str, longest: int) -> list[str]:
    """Return a text in messages of at most so many characters, cut between paragraphs, lines, sentences or words.

    What is left after so many messages is cut off, and that is shown.
    """
    left, made = text.strip(), list[str]()
    while left and len(made) < MOST_PARTS:
        if len(left) <= longest:
            return [*made, left]
        last = len(made) == MOST_PARTS - 1
        at = _cut(left, longest - len(CUT) if last else longest)
        made.append(left[:at].rstrip() + (CUT if last else ""))
        left = left[at:].lstrip()
    return made


def _cut(text: str, most: int) -> int:
    for between in ("\n\n", "\n", ". ", " "):
        at = text.rfind(between, most // 2, most)
        if at > 0:
            return at + len(between)
    return most
