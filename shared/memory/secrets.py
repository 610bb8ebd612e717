"""What is not remembered, whoever says it: payment cards, keys, passwords and one-time codes.

Cards are told by the Luhn check (ISO/IEC 7812-1), keys by the forms their issuers give them or by their randomness,
passwords by what announces them. Meant to miss little: what looks like a secret is left out of memory. Texts are looked
at as they are read: full width as ASCII, digits of any script as 0 to 9, any blank as a blank, any dash as a
dash, and without what nobody sees.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final

SHORTEST_CARD: Final = 12  # digits
LONGEST_CARD: Final = 19
_NUMBERS: Final = re.compile(r"\d+(?:[ ._/-]{1,3}\d+)*")
# Lengths and beginnings of what issuers give out: Visa, Mastercard and Mir, American Express, Diners, JCB, the others.
_CARD: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[689])\d{11,16}|35\d{14,17}"
    r"|(?:5[06-8]|6)\d{11,17}"
)
_ISSUED: Final = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|ant|proj)?[-_]?[A-Za-z0-9_-]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[A-Za-z0-9_-]{30,}|\bcmk_[A-Za-z0-9_-]{16,}"
    r"|\bey[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}"
)
_WORD_FOR_IT: Final = (
    r"(?:pass[-_ ]?(?:word|code|phrase|wort|wd)|pwd|kennwort|mot de passe|contraseña|senha|wachtwoord|lösenord"
    r"|adgangskode|hasło|şifre|heslo|пароль)"
)
_CODE: Final = r"(?:pin(?:[-_ ]?code)?|puk|cvv2?|cvc2?|tan|otp|prüfziffer)"
_NAMED: Final = (
    rf"(?:{_WORD_FOR_IT}|one[-_ ]time[-_ ](?:code|password)|(?:security|verification|2fa|login|sms)[-_ ]code"
    r"|api[-_ ]?key|(?:client[-_ ])?secret(?:[-_ ]key)?|(?:access|auth|api)[-_ ]?token|ssn"
    r"|social[-_ ]security(?:[-_ ]number)?)"
)
_BEGINS: Final = r"(?<![^\W_])"  # also within DB_WORD_FOR_IT
_IS: Final = r"(?:\s*(?:['\u2019]s|is|was|are|number|no\.?|lautet|ist|war|est|es|é|=|:|->|[-\u2014](?=\s)))+"
# What is said of a password, instead of the password.
_SAYS_NOTHING: Final = (
    r"(?:not|in|on|the|a|my|your|wrong|gone|lost|nicht|falsch|reset|expired|changed|blocked|locked|needed|required"
    r"|invalid|incorrect|broken|missing|being|still|no|never|safe)\b"
)
_ANNOUNCED: Final = re.compile(
    rf"{_BEGINS}(?:{_NAMED}|{_CODE})(?![^\W_]){_IS}\s*[\"'\u201c\u201e]?(?!{_SAYS_NOTHING})\S{{3,}}"
    rf"|{_BEGINS}{_CODE}(?:['\u2019]s)?\W{{0,3}}\d{{3,8}}\b"
    rf"|{_BEGINS}{_NAMED}\W{{1,3}}(?=\S*\d)\S{{3,}}"
    rf"|{_BEGINS}{_WORD_FOR_IT}\b.{{0,20}}\b(?:to|is)\s+(?=\S*\d)\S{{3,}}"
    r"|(?:密码|密碼|口令|パスワード|暗証番号|비밀번호|كلمة (?:السر|المرور)|الرقم السري|पासवर्ड|รหัสผ่าน|סיסמ[הא])"
    r"\W*(?:是|は|는|은|है|คือ|هي|هو|היא)?\W*(?=[!-~]*\d)[!-~]{3,}",
    re.IGNORECASE,
)
_RANDOM: Final = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{32,}={0,2}"
)
_WORDY: Final = re.compile(r"(?<![^-_/])(?:[a-z]+|\d{1,4})(?![^-_/])")  # a piece of an address that people can read
LEAST_BITS: Final = 3.5  # a character, from which on a long run of letters and digits is taken for a key
LEAST_RANDOM: Final = 20  # characters of it that are no words

_BLANK: Final = "Zs"
_DASH: Final = "Pd"
_UNSEEN: Final = "Cf"


def holds_secret(text: str) -> bool:
    """Return whether a text holds what must not be remembered."""
    text = _as_read(text)
    if _ISSUED.search(text) or _ANNOUNCED.search(text):
        return True
    if any(_is_card(digits) for match in _NUMBERS.finditer(text) for digits in _runs(match[0])):
        return True
    return any(_is_random(match[0]) for match in _RANDOM.finditer(text))


def _as_read(text: str) -> str:
    read = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if category in {_BLANK, _DASH}:
            read.append(" " if category == _BLANK else "-")
        elif category != _UNSEEN:
            read.append(str(unicodedata.decimal(character)) if character.isdecimal() else character)
    return " ".join("".join(read).split())


def _runs(number: str) -> Iterator[str]:
    """Yield the digits of neighbouring groups: a card may stand beside a date or a postcode."""
    groups = re.findall(r"\d+", number)
    for first in range(len(groups)):
        run = ""
        for group in groups[first:]:
            run += group
            if len(run) > LONGEST_CARD:
                break
            if len(run) >= SHORTEST_CARD:
                yield run


def _is_card(run: str) -> bool:
    if not _CARD.fullmatch(run) or len(set(run)) == 1:
        return False
    doubled = [int(digit) * 2 - 9 * (digit > "4") if place % 2 else int(digit) for place, digit in enumerate(run[::-1])]
    return sum(doubled) % 10 == 0


def _is_random(text: str) -> bool:
    made = _WORDY.sub("", text)
    counts = Counter(text)
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
    return bits >= LEAST_BITS and sum(map(str.isalnum, made)) >= LEAST_RANDOM
