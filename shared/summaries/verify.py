"""What a summariser may come back with that is no summary: a table of judgements, made in this order."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

from shared.prompt import Reply
from shared.summaries.appendix import Measure
from shared.summaries.sentences import without

Fault = Literal["cut", "refusal", "empty", "none", "instructions", "too-long", "invented", "missing"]

# There is nothing in these that could be mended: the summariser is asked again, with everything.
HOPELESS: Final[frozenset[Fault]] = frozenset({"cut", "refusal", "empty", "none"})
_LEAST_WORDS: Final = 3

_NOTHING: Final = re.compile(
    r"\W*(?:\[simulated\]\W*)?(?:none|null|nil|n/?a|nothing(?: to summari[sz]e| new)?|no (?:summary|content"
    r"|messages?|information|conversation)"
    r"(?: (?:available|provided|needed|yet|to summari[sz]e))?|empty|summary|keine?|nichts|aucune?|rien|ninguno?"
    r"|nada)\W*",
    re.IGNORECASE,
)
_REFUSAL: Final = re.compile(
    r"\W*(?:I(?:['\u2019]m| am)(?: very| really)? (?:sorry|afraid|unable|not able)\b|I (?:can(?:not|['\u2019]t)"
    r"|won['\u2019]t|will not|am unable)\b"
    r"|sorry,? (?:but )?(?:I|we) (?:can|could|will|won|am|do)|as an? (?:AI|language model)\b"
    r"|I do(?:n['\u2019]t| not) (?:feel|have (?:any|enough|access|the))"
    r"|(?:es tut mir leid|ich kann (?:das|dies|diese\w*) nicht|je suis désolée?|je ne peux pas|lo siento|no puedo)\b)",
    re.IGNORECASE,
)
# Words that speak to the model that will read the summary, or that play its prompt.
_INSTRUCTIONS: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override)(?:\s+(?:all|any|of|every|each|your|my|our|previous|prior|earlier|above"
    r"|preceding|former|other|the|these|those|this|that|system|developer|safety|security|own)){0,6}"
    r"\s+(?:instructions?|rules|prompts?|guidelines|policy|policies|everything|messages)\b"
    r"|\b(?:ignore|disregard|forget) (?:everything|anything|all)\b"
    r"|\byou (?:are|must act|will act) now\b|\bfrom now on,? (?:you|always|never)\b|\b(?:new"
    r"|updated) (?:system )?instructions?:"
    r"|\b(?:reveal|print|repeat|show)\b[^.\n]{0,30}\bsystem prompt\b|^[^\w\n]*(?:assistant|human) ?:"
    r"|^[^\w\n]*system ?:[^\n]{0,20}\b(?:you|ignore|disregard|always|never|new|override|instructions?)\b"
    r"|\b(?:notes?|messages?|instructions?|reminder|attention)\s(?:to|for)\s(?:the |any |all |our |your )?(?:next |ai "
    r"|support |human )?(?:agents?|assistants?|ai|models?|llm|chat ?bots?|bots?)\b"
    r"|\b(?:agents?|assistants?|ai|models?|bots?|you)\s(?:must|should|shall|have to)\s"
    r"(?:always |now |never |immediately )(?:\w+ ){0,2}?"
    r"(?:comply|obey|approve|refund|grant|accept|agree|follow|ignore|disregard|reveal|give|share|do)\b"
    r"|\bmust (?:always|never) (?:comply|obey|approve|refund|grant|refuse|follow)\b"
    r"|</?(?:summary|conversation|system|memory|instructions?)\b"
    r"|\b(?:ignoriere|vergiss|missachte)\w*\b[^.\n]{0,40}\b(?:anweisung\w*|regeln)\b"
    r"|\b(?:ignore[rz]?|oublie[rz]?)\b[^.\n]{0,40}\b(?:instructions?|consignes)\b"
    r"|\b(?:ignor[ae]|olvid[ae])\b[^.\n]{0,40}\binstrucciones\b",
    re.IGNORECASE | re.MULTILINE,
)


def judge(reply: Reply, limit: int, measure: Measure) -> Fault | None:
    """Return what is wrong with a reply as a summary; None where nothing is, whatever it may have left out."""
    text = reply.text.strip()
    found: tuple[tuple[Fault, bool], ...] = (
        ("cut", reply.cut),
        ("refusal", reply.stop_reason == "refusal"),
        ("empty", not any(map(str.isalnum, text))),
        ("none", _NOTHING.fullmatch(text) is not None or (text.isascii() and len(text.split()) < _LEAST_WORDS)),
        ("refusal", _REFUSAL.match(text) is not None),
        ("instructions", instructs(text)),
        ("too-long", measure(text) > limit),
    )
    return next((fault for fault, so in found if so), None)


def without_instructions(text: str) -> str:
    """Return the text without the sentences that instruct whoever reads it."""
    return without(text, instructs)


def readable(text: str) -> str:
    """Return a reply's text as it can be stored: JSON may hold halves of characters, which nothing else takes."""
    return text.encode("utf-8", "replace").decode()


def instructs(text: str) -> bool:
    """Whether it instructs its reader, also with letters that only look like others, or unseen ones in between."""
    seen = "".join(letter for letter in text if letter.isascii() or unicodedata.category(letter) != "Cf")
    return _INSTRUCTIONS.search(unicodedata.normalize("NFKC", seen)) is not None
