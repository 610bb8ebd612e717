"""What the simulator says: a quotation from what it was sent, or that there is none. Pure and deterministic."""

from simulator.context import MARK, QUESTION_MARKS, REMEMBERED, SENTENCE_END, Context, Source
from simulator.language import ASKING, GREETING
from simulator.match import Found, best_match, newest_memory
from simulator.words import fold

NOTHING = "I have nothing about that in what I was given."
LEADS: dict[Source, str] = {"memory": REMEMBERED, "user": "You told me: ", "assistant": "I told you: "}
LONGEST_QUOTE = 300
LONGEST_ECHO = 120
BEFORE_MATCH = 60  # characters kept before the first matching word of a sentence too long to quote whole
LONGEST_GREETING = 5  # words

CLOSERS = "\"'\u201d\u2019)\u00bb] \t"  # what may follow a question mark: quotes, brackets


def answer(context: Context) -> str:
    """Return the reply's text, which always starts with `[simulated] `."""
    asked = questions(context.question)
    return MARK + (_reply(context, asked) if asked else _acknowledge(context))


def questions(text: str) -> str:
    """Return the sentences of a message that ask something, joined; the empty string when none does."""
    parts = (part.strip() for part in SENTENCE_END.split(text))
    return " ".join(part for part in parts if part and _asks(part))


def _asks(sentence: str) -> bool:
    if sentence.rstrip(CLOSERS).endswith(QUESTION_MARKS):
        return True
    return "," not in sentence and ASKING.match(fold(sentence)) is not None


def _reply(context: Context, asked: str) -> str:
    # A short question may leave its subject to the sentences around it: "It is A-1234. Where is it?"
    whole = context.question.strip()
    found = best_match(asked, context) or (best_match(whole, context) if whole != asked else None)
    return NOTHING if found is None else _quoted(found)


def _acknowledge(context: Context) -> str:
    said = context.question.strip()
    if not said:
        return NOTHING
    low = fold(said)
    greets = GREETING.match(low) is not None and len(low.split()) <= LONGEST_GREETING
    first = next(line for line in said.splitlines() if line.strip())
    echo = f'{"Hello. You wrote" if greets else "Noted"}: "{clip(first.strip(), LONGEST_ECHO)}"'
    remembered = best_match(said, context, memory_only=True) or newest_memory(context)
    return echo if remembered is None else f"{echo} {_quoted(remembered)}"


def _quoted(found: Found) -> str:
    text = found.text
    if len(text) > LONGEST_QUOTE:
        low = fold(text)
        first = min((at for stem in found.stems if (at := low.find(stem)) >= 0), default=0)
        text = clip(text[_word_start(text, max(first - BEFORE_MATCH, 0)) :], LONGEST_QUOTE)
    return f'{LEADS[found.source]}"{text}"'


def clip(text: str, longest: int) -> str:
    """Shorten to `longest` characters at a space, marking what was left out with `…`."""
    if len(text) <= longest:
        return text
    head = text[:longest]
    return (head[: head.rfind(" ")] if " " in head[longest // 2 :] else head) + "…"


def _word_start(text: str, at: int) -> int:
    if at == 0:
        return 0
    space = text.find(" ", at)
    return at if space < 0 else space + 1
