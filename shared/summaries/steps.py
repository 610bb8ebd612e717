"""Making a summary as a machine that waits for replies: who fetches them, one by one or in a batch, is not its matter.

    work = begin(previous, messages, rules, measure)
    while isinstance(work, Work):
        work = hear(work, <reply to prompt_of(work), or the error there was>)

Chunk by chunk, each with the summary so far, every reply is judged before it counts. One retry a chunk: a draft that
left something out, or made something up, is sent back alone, with that named; what is no draft at all is asked for
again in full. What is made up then is struck out with its sentence; what is missing then is appended. A model that
misbehaves makes an outcome, never an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from shared.errors import ClaudeError, ClaudeLater
from shared.models import Message, TokenUsage
from shared.prompt import Prompt, Reply
from shared.summaries.appendix import Measure, choose, fit
from shared.summaries.invented import Said, invented, without_invented
from shared.summaries.ledger import Entry, find_all, merge, missing
from shared.summaries.material import Chunk, chunks
from shared.summaries.prompts import repair_prompt, summary_prompt
from shared.summaries.verify import HOPELESS, Fault, judge, readable, without_instructions

Verified = Literal["first-try", "repaired", "appended"]

# The client's words for a reply that is none, as faults of the summariser.
FAULTS: Final[dict[str, Fault]] = {"empty-reply": "empty", "refused": "refusal"}
TOLD: Final[dict[Fault, str]] = {
    "too-long": "it is too long",
    "instructions": "it holds instructions to its reader; tell that they were given, without repeating them",
}
NAMED_SHARE: Final = 0.5  # of the limit, for the entries a repair names: more could not be written down anyway


@dataclass(frozen=True, slots=True)
class Rules:
    """`limit`: tokens of a summary. `chunk`: tokens of messages for one call. All raw, as `TokenCounter` counts."""

    model: str
    limit: int
    chunk: int = 12_000


@dataclass(frozen=True, slots=True)
class Previous:
    """The summary so far: through which seq, and what of the ledger stands in it."""

    text: str = ""
    covers_from: int = 0
    through: int = 0
    ledger: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """What it took. `fed`: raw tokens of the prompts; `usage`: as Claude reported it."""

    calls: int = 0
    fed: int = 0
    usage: TokenUsage = field(default_factory=lambda: TokenUsage(input=0, output=0, total=0))
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A summary that may be stored. `unfinished`: why it ends before the boundary, where it does.

    `dropped`: what of the ledger found no room. `faults`: what was wrong with replies on the way.
    """

    summary: Previous
    verified: Verified
    model: str
    tally: Tally
    dropped: tuple[Entry, ...] = ()
    unfinished: str | None = None


@dataclass(frozen=True, slots=True)
class NotMade:
    """Nothing to store, and why. `again`: whether another time may be better; `after`: in how many seconds."""

    cause: str
    detail: str
    tally: Tally
    again: bool = True
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A summary in the making: `prompt` asks for that of `todo[0]`, or for a repair of `draft`.

    `ledger`: what must survive this chunk; `said`: all that was said, as far as a summary may tell it. Both from the
    chunk's first reply on.
    """

    rules: Rules
    measure: Measure
    previous: Previous
    todo: tuple[Chunk, ...]
    prompt: Prompt
    ledger: tuple[Entry, ...] = ()
    said: Said | None = None
    tally: Tally = field(default_factory=Tally)
    draft: str | None = None
    retried: bool = False
    verified: Verified = "first-try"
    dropped: tuple[Entry, ...] = ()
    advanced: bool = False
    model: str = ""


def begin(previous: Previous, messages: Sequence[Message], rules: Rules, measure: Measure) -> Work | NotMade:
    """Begin with the messages after `previous`, oldest first; those it covers are passed over."""
    fresh = [message for message in messages if message.seq > previous.through]
    if not any(message.content.strip() for message in fresh):
        return NotMade("nothing-new", "there is no message after the summary so far", Tally(), again=False)
    previous = replace(previous, covers_from=previous.covers_from or fresh[0].seq)
    todo = tuple(chunks(fresh, rules.chunk, measure))
    return Work(rules, measure, previous, todo, _first_prompt(rules, previous, todo[0]), model=rules.model)


def prompt_of(work: Work) -> Prompt:
    """Return what is to be asked now."""
    return work.prompt


def hear(work: Work, answer: Reply | ClaudeError) -> Work | Made | NotMade:
    """Take in what came of the prompt; return what is to be done next, or the end.

    It looks for the ledger, which of a long chunk takes tenths of a second: keep it off an event loop.
    """
    if not work.retried:
        work = _informed(work)
    fault = FAULTS.get(answer.cause) if isinstance(answer, ClaudeError) else None
    if isinstance(answer, ClaudeError) and fault is None:
        # A draft in hand is worth more than a repair: the ledger mends it without the model.
        return _settle(_tallied(work, answer, answer.cause), work.draft) if work.draft else _broken(work, answer)
    if isinstance(answer, Reply):
        answer = replace(answer, text=readable(answer.text))
        fault = judge(answer, work.rules.limit, work.measure)
        work = replace(work, model=answer.model)
    text = answer.text.strip() if isinstance(answer, Reply) and fault not in HOPELESS else None
    wrong, lost = _held_against(work, text)
    found: tuple[tuple[Fault, object], ...] = (("invented", wrong), ("missing", lost))
    fault = fault or next((name for name, entries in found if entries), None)
    work = _tallied(work, answer, fault)
    if text is not None and fault is None:
        return _next(work, Previous(text, ledger=work.ledger), "repaired" if work.retried else "first-try")
    if not work.retried:
        return _again(work, text, fault)
    return _settle(work, _better(work, text), fault)


def _informed(work: Work) -> Work:
    """Return the work with what must survive its chunk, and with all that was said."""
    chunk = work.todo[0]
    ledger = merge(work.previous.ledger, find_all(chunk.messages))
    told = [work.previous.text, chunk.text, *(message.content for message in chunk.messages)]
    return replace(work, ledger=ledger, said=Said([*told, *(entry.text for entry in ledger)]))


def _held_against(work: Work, text: str | None) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return what of a text nobody said, and what it lacks; nothing where there is no text."""
    if text is None:
        return (), ()
    return invented(text, work.said) if work.said else (), missing(work.ledger, text)


def _better(work: Work, text: str | None) -> str | None:
    """Return the one of draft and repaired text that is nearer to the truth; of equals, the repaired."""
    if text is None or work.draft is None:
        return text or work.draft
    faults = [sum(map(len, _held_against(work, each))) for each in (text, work.draft)]
    return text if faults[0] <= faults[1] else work.draft


def _settle(work: Work, text: str | None, fault: Fault | None = None) -> Work | Made | NotMade:
    """Make the best of the text there is: nothing made up, no instructions, within the limit, the ledger appended."""
    prose = without_instructions(text) if text else ""
    prose = without_invented(prose, work.said) if work.said else prose
    fitted = fit(prose, work.ledger, work.rules.limit, work.measure) if any(map(str.isalnum, prose)) else None
    if fitted is None or not any(map(str.isalnum, fitted.text)):
        cause = fault or "instructions"
        return _stop(work, NotMade(cause, f"the summariser answered twice, and no summary: {cause}", work.tally))
    work = replace(work, dropped=(*work.dropped, *fitted.dropped))
    return _next(work, Previous(fitted.text, ledger=fitted.kept), "appended")


def _broken(work: Work, error: ClaudeError) -> Made | NotMade:
    later = isinstance(error, ClaudeLater)
    work = _tallied(work, error, error.cause)
    after = error.after if isinstance(error, ClaudeLater) else None
    return _stop(work, NotMade(error.cause, str(error), work.tally, again=later, after=after))


def _stop(work: Work, failure: NotMade) -> Made | NotMade:
    """End before the boundary: with the chunks that were verified, where there are any."""
    if not work.advanced:
        return failure
    return Made(work.previous, work.verified, work.model, work.tally, work.dropped, unfinished=failure.cause)


def _next(work: Work, made: Previous, verified: Verified) -> Work | Made:
    """Go on to the next chunk with what has been verified."""
    order: tuple[Verified, ...] = ("first-try", "repaired", "appended")
    worst = max(work.verified, verified, key=order.index)
    chunk, *todo = work.todo
    # A message read in parts counts when its last part has been read.
    through = max(chunk.through, work.previous.through)
    summary = replace(made, covers_from=work.previous.covers_from, through=through)
    advanced = work.advanced or through > work.previous.through
    if not todo:
        return Made(summary, worst, work.model, work.tally, work.dropped)
    return replace(
        work,
        previous=summary,
        todo=tuple(todo),
        prompt=_first_prompt(work.rules, summary, todo[0]),
        said=None,
        draft=None,
        retried=False,
        verified=worst,
        advanced=advanced,
    )


def _first_prompt(rules: Rules, previous: Previous, chunk: Chunk, *, shorter: bool = False) -> Prompt:
    return summary_prompt(rules.model, rules.limit, previous.text, chunk.text, shorter=shorter)


def _again(work: Work, draft: str | None, fault: Fault | None) -> Work:
    """Return the one retry: a repair of the draft, or where there is none, the same in other words."""
    rules = work.rules
    if draft is None:
        prompt = _first_prompt(rules, work.previous, work.todo[0], shorter=True)
    else:
        room = int(rules.limit * NAMED_SHARE)
        wrong, missed = _held_against(work, draft)
        lost = choose(missed, room, work.measure)
        told = [TOLD[fault]] if fault in TOLD else []
        prompt = repair_prompt(rules.model, rules.limit, draft, lost, told, choose(wrong, room, work.measure))
    return replace(work, prompt=prompt, draft=draft, retried=True)


def _tallied(work: Work, answer: Reply | ClaudeError, fault: str | None) -> Work:
    told = [work.prompt.system, *(block["text"] for message in work.prompt.messages for block in message["content"])]
    spent, tally = getattr(answer, "usage", None), work.tally
    return replace(
        work,
        tally=Tally(
            calls=tally.calls + 1,
            fed=tally.fed + sum(map(work.measure, told)),
            usage=_sum(tally.usage, spent) if spent else tally.usage,
            faults=(*tally.faults, fault) if fault else tally.faults,
        ),
    )


def _sum(one: TokenUsage, other: TokenUsage) -> TokenUsage:
    return TokenUsage(**{name: getattr(one, name) + getattr(other, name) for name in TokenUsage.model_fields})
