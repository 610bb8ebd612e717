"""What reads like an instruction to the agent rather than a fact of the customer: it goes into quarantine.

A text is looked at in every form in which a model may read it: as it stands, without accents, with letters of other
scripts as those they look like, with spaced letters put together, with entities and encodings undone.
"""
# ruff: noqa: RUF001 - letters that look like others

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from shared.summaries.verify import instructs

# Verbs of what an agent can do for, or keep from, a customer.
_POWERS: Final = (
    r"(?:approve|refund|grant|give|send|reveal|show|print|execute|run|transfer|upgrade|treat|act|pretend|obey|comply|verify"
    r"|check|require|charge|refuse|mention|follow|ignore|disregard|forget|bypass|skip|waive|disclose|share|credit|cancel)"
)
_IMPERATIVES: Final = re.compile(
    rf"(?:^|[.;!?\n])\W*(?:please )?{_POWERS}\s+(?:all|every\w*|any\w*|each|the|this|these|those|that|him|her|them|it"
    r"|no|your|his|their|full|[$€£])"
    rf"|\b(?:always|never|do not|don['\u2019]t|immediately|automatically|unconditionally|from now on,?)\s+(?:\w+ )?"
    rf"{_POWERS}\b"
    r"|\b(?:never|do not|don['\u2019]t)\s+(?:ask|demand|insist)\b.{0,30}\b(?:verif\w+|proof|identi\w+|id|approval)\b"
    rf"|\byou (?:must|should|shall|will|are to|have to|are now|may)\s+(?:\w+ ){{0,2}}{_POWERS}\b"
    r"|\b(?:without|skip|bypass|waive) (?:any |all |the |further )?(?:check(?:ing|s)?|verif\w+|approval|limits?|review"
    r"|policy|questions?)\b"
    r"|\b(?:pretend|act as)\s+(?:you\b|if\b|an?\b|the\b)"
    r"|\b(?:agents?|assistants?|bots?|ai|model)\s+(?:must|should|shall|has to|have to|is to|are to|will always)\b"
    r"|\b(?:immer|niemals|auf keinen fall|sofort|siempre|toujours|sempre|всегда)\b.{0,40}"
    r"\b(?:erstatte\w*|genehmig\w+|gewahre\w*|gewähre\w*|ignorier\w+|apr(?:ob|ueb|uev)\w+|approuv\w+|approv\w+|aprov\w+"
    r"|rembours\w+|reembols\w+|rimbors\w+|одобр\w+|возвращ\w+)\b"
    r"|\b(?:erstatte|genehmige|apr(?:obar|ueba)|approuve[rz]?|rembourse[rz]?|approva|aprova)\s+(?:\w+\s+)?"
    r"(?:immer|siempre|toujours|sempre)\b"
    r"|(?:忽略|无视|無視|忽視).{0,15}(?:指令|指示|规则|規則|提示)|(?:指示|命令|ルール|規則).{0,6}無視"
    r"|지시.{0,10}무시|무시.{0,10}지시|\b(?:игнорир\w+|забудь\w*)\b.{0,40}\b(?:инструкц\w+|правил\w*)"
    r"|(?:تجاهل|انس).{0,30}(?:التعليمات|الأوامر|القواعد)",
    re.IGNORECASE,
)
# What plays a prompt: its roles, its tags, the markers of chat templates, what would be fetched when it is shown.
_MARKUP: Final = re.compile(
    r"(?:^|[.!?;\n<\[|(])\s*(?:system|developer|assistant|human|agent|user)(?: prompt| message)?\s*[:>\]]"
    r"|\b(?:tool|function)[ _](?:call|result)s?\s*[:>\]]|\bsystem (?:prompt|message)\s*[:>\]]"
    r"|!\[[^\]]*\]\(|\{\{|\}\}|<\||\|>|\[/?INST\]|<</?SYS>>"
    r"|^\s*#+\s*(?:system|instructions?|assistant|human|user|prompt)\b"
    r"|<\s*/?\s*(?:system|assistant|human|user|tool|function|invoke|script|prompt|instructions?|memory|summary|earlier"
    r"|conversation|known|messages)(?=[\W_]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/=_-])")
_HEX: Final = re.compile(r"\b(?:[0-9A-Fa-f]{2}){12,}\b")
_SPACED: Final = re.compile(r"(?<=\b\w)[ .-](?=\w\b)")
# Joiners belong into scripts and emoji that have them; between letters of Latin, Greek or Cyrillic they only hide.
_JOINED: Final = re.compile("(?<=[^\x00-\u052f])[\u200c\u200d](?=[^\x00-\u052f])")
_UNSEEN: Final = frozenset({"Cf", "Co", "Cn"})
_ALSO_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]")
_LOOKALIKES: Final = str.maketrans(
    "авеԁһіјкӏмопԛрстухѕѵԝАВЕНІЈКМОРЅТУХоαβεηικνορτυχϲАΒΕΗΙΚΜΝΟΡΤΥΧ01345@$",
    "abedhijklmonqpctyxsvwABEHIJKMOPSTYXoabenikvoptuxcABEHIKMNOPTYXoieasas",
)


def suspicious(text: str) -> bool:
    """Return whether a text reads like an instruction, also where letters hide it or an encoding does."""
    if any(unicodedata.category(character) in _UNSEEN for character in _JOINED.sub("", text)):
        return True
    if _ALSO_UNSEEN.search(text):
        return True
    return any(instructs(each) or _IMPERATIVES.search(each) or _MARKUP.search(each) for each in _forms(text))


def _forms(text: str) -> Iterator[str]:
    """Yield the forms in which a text may be read."""
    plain = html.unescape(unicodedata.normalize("NFKC", text))
    bare = "".join(each for each in unicodedata.normalize("NFD", plain) if not unicodedata.combining(each))
    for form in (plain, *_decoded(plain)):
        yield form
        yield _SPACED.sub("", form)
    yield bare
    yield bare.translate(_LOOKALIKES)


def _decoded(text: str) -> Iterator[str]:
    """Yield what stands encoded in a text, where it is text."""
    for match in _BASE64.finditer(text):
        try:
            plain = match[0].rstrip("=").translate(str.maketrans("-_", "+/"))
            yield base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
        except (binascii.Error, ValueError):
            continue
    for match in _HEX.finditer(text):
        try:
            yield bytes.fromhex(match[0]).decode()
        except ValueError:
            continue
