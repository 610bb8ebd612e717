"""What reads like an instruction to the agent rather than a fact of the customer: it goes into quarantine."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from typing import Final

from shared.summaries.verify import instructs

# Verbs of what an agent can do for, or keep from, a customer.
_POWERS: Final = (
    r"(?:approve|refund|grant|give|send|reveal|show|print|execute|run|transfer|upgrade|treat|act|pretend|obey|comply|verify"
    r"|check|require|charge|refuse|mention|follow|ignore|disregard|forget|bypass|skip|waive|disclose|share|credit|cancel)"
)
_IMPERATIVES: Final = re.compile(
    rf"^\W*(?:please )?{_POWERS}\s+(?:all|every\w*|any\w*|each|the|this|these|those|that|him|her|them|it|no|your"
    r"|his|their|[$€£])"
    rf"|\b(?:always|never|do not|don['\u2019]t|immediately|automatically|unconditionally)\s+(?:\w+ )?{_POWERS}\b"
    rf"|\byou (?:must|should|shall|will|are to|have to|are now|may)\s+(?:\w+ ){{0,2}}{_POWERS}\b"
    r"|\b(?:without|skip|bypass|waive) (?:any |all |the |further )?(?:check(?:ing|s)?|verif\w+|approval|limits?|review"
    r"|policy)\b"
    r"|\b(?:system|developer|assistant|tool|function)(?: prompt| message| call)?\s*[:>\]]"
    r"|\b(?:agents?|assistants?|bots?|ai|model)\s+(?:must|should|shall|has to|have to|is to|are to|will always)\b"
    r"|\b(?:immer|niemals|auf keinen fall|sofort)\b.{0,40}\b(?:erstatte\w*|genehmig\w+|gewähre\w*|ignorier\w+)\b"
    r"|!\[[^\]]*\]\(|<\s*/?\s*(?:system|assistant|user|tool|script|memory|summary|earlier|conversation)\b|\{\{|\}\}",
    re.IGNORECASE,
)
_ENCODED: Final = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,}={0,2}(?![A-Za-z0-9+/=])")
_UNSEEN: Final = frozenset({"Cf", "Co", "Cn"})


def suspicious(text: str) -> bool:
    """Return whether a text reads like an instruction, also where letters hide it or an encoding does."""
    if any(unicodedata.category(character) in _UNSEEN and character not in "\u200d\ufe0f" for character in text):
        return True
    plain = unicodedata.normalize("NFKC", text)
    return any(instructs(each) or _IMPERATIVES.search(each) for each in (plain, *_decoded(plain)))


def _decoded(text: str) -> list[str]:
    """Return what stands encoded in a text, where it is text."""
    found = []
    for match in _ENCODED.finditer(text):
        try:
            found.append(base64.b64decode(match[0] + "=" * (-len(match[0]) % 4), validate=True).decode())
        except (binascii.Error, ValueError):
            continue
    return found
