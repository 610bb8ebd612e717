"""Promises: sentences in which somebody of the support side says what will be done.

Tables of patterns, English first; German, French and Spanish have the commonest forms. A question is no promise, nor
is an offer that waits for a condition ("if you like, I can …"), nor what politeness alone says ("I'll be happy to").
"""

from __future__ import annotations

import re
from typing import Final

from shared.summaries.sentences import sentences

LONGEST: Final = 400  # characters; a longer promise is kept to the last word before that

_DONE: Final = (
    r"(?:refunded|credited|reimbursed|sent|shipped|delivered|dispatched|issued|processed|replaced|waived|cancell?ed|"
    r"contacted|called|emailed|e-mailed|notified|updated|upgraded|extended|applied|charged|completed|fixed|resolved|"
    r"escalated|returned|exchanged|posted|deducted|available|ready|free|in touch|back)"
)
PROMISES: Final[dict[str, re.Pattern[str]]] = {
    "en": re.compile(
        r"\b(?:I|we)(?:['\u2019]ll| will| shall)\b"
        r"(?! (?:need|have to|not be able|be (?:happy|glad|delighted|more than happy|able)\b"
        r"|(?:now |then )?(?:assist|help|proceed|take a look|look (?:for|up))\b))"
        r"|\b(?:I|we) (?:promise|guarantee|commit)\b|\b(?:I['\u2019]m|I am|we['\u2019]re|we are) going to\b"
        r"|\byou(?:['\u2019]ll| will| should| can expect to) (?:also )?(?:receive|get|hear|be (?:refunded|credited"
        r"|contacted|notified|reimbursed))\b"
        rf"|\b(?:will|shall|should|is going to|are going to) (?:also |then |now )?be (?:\w+ly )?{_DONE}\b"
        r"|\b(?:will|should) (?:\w+ly )?(?:appear|arrive|show(?: up)?|reach you|take)\b[^.!?]{0,80}?"
        r"\b(?:within|in|by|on|before)\b[^.!?]{0,20}?\b(?:\d|hours?|days?|weeks?|today|tomorrow|monday|tuesday|wednesday|thursday|friday)"
        r"|\b(?:will|is going to|are going to|is guaranteed to) (?:\w+ly )?"
        r"(?:arrive (?:by|on|in|within|before)|call|contact|reach out|get back|ship|refund|replace|send|email"
        r"|follow up|visit|cover|waive|deliver)\b",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"\b(?:ich|wir) (?:werden?|verspreche[n]?|garantiere[n]?|sorge[n]? dafür|kümmere[n]? (?:mich|uns)|sende[n]?"
        r"|schicke[n]?|erstatte[n]?|melde[n]? (?:mich|uns)|rufe[n]?|tausche[n]?|überweise[n]?)\b"
        r"|\bmelde[n]? (?:ich mich|wir uns|mich|uns)\b"
        r"|\b(?:rück)?(?:erstattung|zahlung|gutschrift|lieferung|rückruf)\b[^.!?]{0,30}\berfolg(?:t|en)\b"
        r"|\bwerde (?:ich|n wir)\b|\b(?:Sie|du) (?:erhalten|erhältst|bekommen|bekommst)\b"
        r"|\bwird (?:\w+ ){0,8}(?:erstattet|zugestellt|geliefert|verschickt|gutgeschrieben|ersetzt)\b",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"\b(?:je|nous) (?:vous |te |nous )?(?:promets|promettons|garantis|garantissons|nous engageons|m'engage"
        r"|\w{2,}r(?:ai|ons))\b"
        r"|\bvous (?:recevrez|serez (?:remboursée?s?|contactée?s?|informée?s?))\b|\bsera (?:remboursé|livré|expédié"
        r"|envoyé|remplacé)e?\b",
        re.IGNORECASE,
    ),
    "es": re.compile(
        r"\b(?:le|te|lo|la|se lo|les)? ?(?:prometo|prometemos|garantizo|garantizamos|enviaré|enviaremos|reembolsaré"
        r"|reembolsaremos|llamaré|llamaremos|contactaremos|avisaremos|avisaré)\b"
        r"|\b(?:voy|vamos) a\b|\b(?:recibirá|recibirás)\b|\bserá (?:reembolsad|enviad|entregad|reemplazad)[oa]\b",
        re.IGNORECASE,
    ),
}
_NO_PROMISE: Final = re.compile(
    r"^(?:would|do|did|does|is|are|can|could|shall|may|what|which|when|how)\b.*\?|\?\W*$"
    r"|\bif you(?:['\u2019]d| would| wish| like| prefer| want| need| have)\b"
    r"|\b(?:once|after|when|as soon as) you (?:confirm|provide|send|give|let)\b"
    r"|\bplease (?:confirm|provide|verify|let me know|choose)\b|\blet me know\b|^to proceed\b"
    r"|^if you (?!(?:send|return|bring|ship|mail|cancel|pay|keep|drop)\b[^.!?]{3,160}?"
    r"\b(?:we|I)(?:['\u2019]ll| will)\b)"
    r"|\bwenn Sie (?:möchten|wollen)\b|\bsi vous (?:voulez|souhaitez)\b|\bsi (?:quiere|desea)\b",
    re.IGNORECASE,
)


def find_promises(text: str) -> list[tuple[int, int]]:
    """Return where in a support message the promises stand."""
    return [
        _shortened(text, start, end)
        for start, end in sentences(text)
        if any(pattern.search(text, start, end) for pattern in PROMISES.values())
        and not _NO_PROMISE.search(_ends(text[start:end]))
    ]


def _ends(sentence: str) -> str:
    """Return how a sentence begins and ends: enough to tell what it is, however long it is."""
    return sentence if len(sentence) <= 2 * LONGEST else f"{sentence[:LONGEST]} {sentence[-LONGEST:]}"


def _shortened(text: str, start: int, end: int) -> tuple[int, int]:
    if end - start <= LONGEST:
        return start, end
    space = text.rfind(" ", start, start + LONGEST)
    return start, space if space > start else start + LONGEST
