"""What facts look like, as tables: addresses, days and times, amounts, telephone and other numbers.

English first; days, months, currencies and labels also in German, French and Spanish. Numbers written out as words,
and days told from today ("tomorrow"), are left to the summariser.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Kind = Literal["promise", "identifier", "email", "amount", "phone", "url", "date", "time"]

_MONTHS: Final = (
    r"(?:jan(?:uary|uar|vier)?|enero|feb(?:ruary|ruar|rero)?|février|fevrier|mar(?:ch|s|zo)?|märz|maerz|"
    r"apr(?:il)?|avril|abril|may|mai|mayo|june?|juni|juin|junio|july?|juli|juillet|julio|"
    r"aug(?:ust)?|août|aout|agosto|sept?(?:ember|embre|iembre)?|oct(?:ober|obre|ubre)?|okt(?:ober)?|"
    r"nov(?:ember|embre|iembre)?|dec(?:ember)?|décembre|dez(?:ember)?|dic(?:iembre)?)\b\.?"
)
_WEEKDAYS: Final = (
    r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
    r"montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|"
    r"lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|"
    r"lunes|martes|miércoles|jueves|viernes|sábado|domingo)"
)
_DAY: Final = r"(?:3[01]|[12]\d|0?[1-9])"
_ORDINAL: Final = rf"{_DAY}(?:st|nd|rd|th|er|\.)?"
_YEAR: Final = r"(?:19|20)\d\d"
_CLOCK: Final = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?"
_HALF: Final = r"\s?(?:[ap]\.m\.|[ap]m\b)"

_NUMBER: Final = (
    r"(?<![\d,.])\d{1,3}(?: \d{3}){1,4}(?:[.,]\d{1,2})?(?![\d ]\d)"
    r"|\d{1,3}(?:[.,'\u2019\u00a0\u202f]\d{3}){1,6}(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
)
_SYMBOLS: Final = r"(?:(?:US|CA|AU|NZ|HK|C|A|R|S)?\$|[€£¥₹₽₩₺₴₫₪฿])"
_CODES: Final = r"(?:EUR|USD|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|BRL|MXN|CNY|ZAR|SGD|HKD)"
_MONEY: Final = (
    r"(?:dollars?|bucks|cents?|euros?|pounds?|quid|pence|rupees?|yen|franken|rappen|francs?|centimes?|"
    r"libras?|dólares?|dolares?|pesos?|céntimos?)"
)

# A label, a few words that may stand between, and the number it announces, in group 1.
_LABELS: Final = (
    r"(?:order|ticket|case|invoice|booking|reservation|account|tracking|shipment|confirmation|reference|ref|serial|"
    r"policy|contract|customer|member|claim|request|flight|voucher|coupon|promo|licen[sc]e|ending(?: in| with)?|"
    r"bestell\w*|auftrag\w*|rechnung\w*|kunden\w*|vertrag\w*|sendung\w*|vorgang\w*|"
    r"commande|facture|dossier|compte|colis|réservation|client|pedido|factura|cuenta|envío|reserva|cliente)"
)
_BETWEEN: Final = (
    r"(?:[ \t]*(?:number|numbers|no\.?|nr\.?|num\.?|id|code|numéro|numero|número|n°|nº|is|ist|lautet|est|es|[:=])){0,4}"
    r"[ \t]*"
)

# In this order: what an earlier row has taken is not looked at again.
PATTERNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("url", re.compile(r"\b(?:https?://|www\.)[^\s<>\"'`|\\^{}]+", re.IGNORECASE)),
    ("email", re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.IGNORECASE)),
    ("url", re.compile(r"(?<![\w@.-])(?:[a-z0-9-]+\.)+[a-z]{2,10}/[^\s<>\"'`|\\^{}]*", re.IGNORECASE)),
    (
        "date",
        re.compile(
            rf"\b\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK}(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"
            rf"|\b{_DAY}(?:([./-])(?:1[0-2]|0?[1-9])\1|\.\s(?:1[0-2]|0?[1-9])\.\s?)(?:{_YEAR}|\d\d)\b"
            rf"|\b(?:1[0-2]|0?[1-9])([/-]){_DAY}\2(?:{_YEAR}|\d\d)\b"
            rf"|\b{_DAY}\.(?:1[0-2]|0?[1-9])\.(?!\d)"
            rf"|\b{_ORDINAL}\s(?:of\s|de\s)?{_MONTHS}(?:,?\s(?:del?\s)?{_YEAR})?"
            rf"|\b{_MONTHS}\s(?:the\s)?{_DAY}(?:st|nd|rd|th)?\b(?!:)(?:,?\s{_YEAR}\b)?"
            rf"|\b{_MONTHS}\s{_YEAR}\b"
            rf"|\b{_DAY}(?:st|nd|rd|th)\sof\s(?:this|the|next)\smonth\b"
            rf"|\b(?:on|by|until|till|from|before|after|since)\sthe\s{_DAY}(?:st|nd|rd|th)\b"
            rf"|\b(?:(?:next|this|last|coming)\s)?{_WEEKDAYS}\b(?:,?\s(?:the\s|den\s|le\s|el\s)?{_DAY}(?:st|nd|rd"
            rf"|th)\b)?",
            re.IGNORECASE,
        ),
    ),
    (
        "time",
        re.compile(
            rf"\b{_CLOCK}(?:{_HALF}|\s?Uhr\b)?|\b\d{{1,2}}(?:\.[0-5]\d)?(?:{_HALF}|\s?Uhr\b|\so'?clock\b"
            rf"|\so\u2019clock\b)"
            r"|\b(?:[01]?\d|2[0-3])\s?h\s?[0-5]\d\b|\b(?:half|quarter)\s(?:past|to)\s(?:1[0-2]|[1-9])\b",
            re.IGNORECASE,
        ),
    ),
    (
        "amount",
        re.compile(
            rf"(?<![\w$])[-\u2212+]?{_SYMBOLS}\s?[-\u2212]?(?:{_NUMBER})(?:\s?(?:k|million"
            rf"|billion)\b)?(?:\s?{_CODES}\b)?"
            rf"|\b{_CODES}\s?(?:{_NUMBER})"
            rf"|(?<![\w.,])[-\u2212+]?(?:{_NUMBER})\s?(?i:euros?|dollars?|pounds?|francs?|franken)\s\d\d(?!\d)"
            rf"|(?<![\w.,])\d+[.,][-\u2013\u2014]{{1,2}}\s?(?:{_SYMBOLS}|{_CODES}\b)"
            rf"|(?<![\w.,])[-\u2212+]?(?:{_NUMBER})\s?(?:{_SYMBOLS}|{_CODES}\b|(?i:{_MONEY})\b|%|(?i:percent"
            rf"|prozent)\b)",
        ),
    ),
    # An IBAN (ISO 13616), and the thirteen characters of a parcel by post (UPU S10), in groups.
    ("identifier", re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){3,7}(?: [A-Z0-9]{1,3})?(?![A-Za-z0-9])")),
    ("identifier", re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} \d{3} ?\d{3} ?\d{2,3} ?\d? ?[A-Z]{2}(?![A-Za-z0-9])")),
    (
        "phone",
        re.compile(
            r"(?<![\w.#/-])(?:\+\d{1,3}[ ./-]?)?(?:\(\d{1,5}\)[ ./-]?)\d{2,5}(?:[ ./-]\d{2,5}){1,4}(?![\w-])"
            r"|(?<![\w.#/-])\+\d{1,3}(?:[ ./-]?\d{2,5}){2,5}(?![\w-])"
            r"|(?<![\w.#/-])\d{3}[ .-]\d{3}[ .-]\d{4}(?![\w-])"
            r"|(?<![\w.#/-])0\d{2,5}[ /-]\d{3,8}(?:[ -]\d{2,5})*(?![\w-])"
            r"|(?<![\w.#/-])[2-9]\d{2}-\d{4}(?![\w-])",
        ),
    ),
    (
        "identifier",
        re.compile(
            rf"\b(?:{_LABELS})\b{_BETWEEN}(#?(?=[A-Z\d/_.-]*\d)[A-Z\d]+(?:[-_/.][A-Z\d]+)*)(?![\w%])",
            re.IGNORECASE,
        ),
    ),
    ("identifier", re.compile(rf"\b(?i:{_LABELS})\b(?i:{_BETWEEN})([A-Z]{{5,10}})\b")),
    ("identifier", re.compile(r"(?<![A-Za-z0-9&])#[A-Za-z0-9]+(?:[-_/][A-Za-z0-9]+)*")),
    ("identifier", re.compile(r"(?<![A-Za-z0-9_./-])(?=[A-Za-z_./-]*\d)[A-Za-z0-9]+(?:[-_/.][A-Za-z0-9]+)*")),
    ("identifier", re.compile(r"(?<![\d.,])\d{4}(?:[ -]\d{4}){1,4}(?!\d)")),
)

# Single tokens with a digit in them that name nothing: years, ordinals, numbers with a unit, small or decimal numbers.
_UNITS: Final = (
    r"(?:st|nd|rd|th|gb|mb|tb|kb|ml|cl|l|kg|g|mg|lbs?|oz|cm|mm|km|m|ft|in|inch|inches|w|kw|kwh|v|mah|ah|a|ghz|mhz|hz|"
    r"p|px|mp|k|x|h|hr|hrs|s|sec|min|mins|d|am|pm|er|e|ème|bit|bits|fps|mbps|gbps|c|f|yo|s)"
)
NOTHING: Final = re.compile(
    rf"[\d.,]+{_UNITS}"
    r"|\d{1,4}|\d{1,3}(?:[.,]\d{3})*(?:\.\d+)?|\d+\.\d+|\d+/\d+|\d{1,3}-\d{1,3}"
    r"|\d+(?:-[a-z]+)+|[a-z]+-\d{1,2}|(?:19|20)\d\d[-/](?:19|20)?\d\d|(?:mp|h|usb|wifi|windows|ios)[-.]?\d{1,2}"
    r"|[a-z]\d|\d[a-z]|(?:and|or)/\d+|[a-z]+\.\d{1,2}",
    re.IGNORECASE,
)
