"""What is not remembered, whoever says it: payment cards, keys, passwords and one-time codes.

Cards are told by the Luhn check (ISO/IEC 7812-1), keys by the forms their issuers give them or by their randomness,
passwords by what announces them. Meant to miss little: what looks like a secret is left out of memory.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

_CARD: Final = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])")
_ISSUED: Final = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|ant|proj)?[-_]?[A-Za-z0-9_-]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{30,}|\bcmk_[A-Za-z0-9_-]{16,}"
    r"|\bey[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bBearer\s+[A-Za-z0-9._~+/-]{16,}"
)
_ANNOUNCED: Final = re.compile(
    r"\b(?:pass(?:word|code|phrase|wort)?|pwd|kennwort|mot de passe|contraseña|senha|wachtwoord|пароль"
    r"|pin(?:[ -]?code)?|cvv2?|cvc2?|security code|prüfziffer|tan|otp"
    r"|one[- ]time (?:code|password)|(?:verification|2fa|login|sms) code"
    r"|api[- ]?key|secret(?:[- ]key)?|access[- ]?token|ssn|social security(?: number)?)\b"
    r"\s*(?:is|was|are|number|no\.?|lautet|ist|war|est|es|é|=|:|->)+\s*[\"'“„]?(?!(?:not|in|on|the|a|my|your|wrong|"
    r"gone|lost|nicht|falsch)\b)\S{3,}"
    r"|\b(?:cvv2?|cvc2?|pin|tan|otp)\b\W{0,3}\d{3,8}\b",
    re.IGNORECASE,
)
_RANDOM: Final = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{32,}={0,2}"
)
LEAST_BITS: Final = 3.5  # a character, from which on a long run of letters and digits is taken for a key


def holds_secret(text: str) -> bool:
    """Return whether a text holds what must not be remembered."""
    if _ISSUED.search(text) or _ANNOUNCED.search(text):
        return True
    if any(_is_card(match[0]) for match in _CARD.finditer(text)):
        return True
    return any(_bits(match[0]) >= LEAST_BITS for match in _RANDOM.finditer(text))


def _is_card(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()]
    if len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(reversed(digits))]  # noqa: PLR2004 - Luhn
    return sum(doubled) % 10 == 0 and digits[0] in {2, 3, 4, 5, 6}


def _bits(text: str) -> float:
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
