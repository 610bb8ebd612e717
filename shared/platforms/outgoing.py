"""What the outgoing sides of platforms share: habits that most have, and what they find in answers."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from shared.platforms.types import TOKEN, Call, Judged, OpenHook, Told, Words

CLOCKS_APART: Final = timedelta(minutes=5)
"""So far a platform's clock may be behind ours."""
LONGEST_WAIT: Final = 86_400.0

LATER: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
LOCKED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<(?:br|/p|/div|/li)\b[^<>]{0,200}>", re.IGNORECASE)


class Plain:
    """A platform that takes nothing but replies; what others can do more, they say."""

    most: int = 50_000

    def longest(self, hook: OpenHook) -> int:
        """See `Outgoing.longest`."""
        del hook
        return self.most

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call | None:
        """See `Outgoing.note`."""
        del hook, conversation, words
        return None

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call | None:
        """See `Outgoing.hand_off`."""
        del hook, conversation, brief
        return None

    def look(self, hook: OpenHook, conversation: str) -> Call | None:
        """See `Outgoing.look`."""
        del hook, conversation
        return None

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        del hook, answer, words, private
        return False

    def handler(self, hook: OpenHook, conversation: str) -> Call | None:
        """See `Outgoing.handler`."""
        del hook, conversation
        return None

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`."""
        del hook, answer
        return True

    def judge(self, told: Told) -> Judged:
        """See `Outgoing.judge`."""
        return judged(told)


def judged(told: Told) -> Judged:
    """Return what an answer means where its status says so."""
    status = told.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Judged("taken")
    word = word_of(told.json)
    if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Judged("later", wait_of(told), word)
    if status in LOCKED:
        return Judged("locked", None, word)
    return Judged("gone" if status in GONE else "refused", None, word)


def wait_of(told: Told) -> float | None:
    """Return the seconds after which to ask again: by Retry-After, else by the rate limit where nothing is left."""
    if told.retry_after is not None:
        return told.retry_after
    if told.status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    for name in ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"):
        text = told.headers.get(name, "")
        if text.isascii() and text.isdigit():
            number = float(text[:12])
            # Some tell seconds, some the moment in Unix time.
            left = number - told.now.timestamp() if number > LONGEST_WAIT * 365 else number
            return max(1.0, min(left, LONGEST_WAIT))
    return None


def word_of(answer: Any) -> str | None:
    """Return an answer's own word for what is wrong; nothing else of it is told to anybody."""
    if not isinstance(answer, Mapping):
        return None
    errors = answer.get("errors")
    listed = [each for each in errors[:3] if isinstance(each, Mapping)] if isinstance(errors, list) else []
    for source in (answer, *listed):
        for name in ("error", "code", "type", "title"):
            word = source.get(name)
            if isinstance(word, str) and _WORD.fullmatch(word):
                return word
    return None


def token_of(hook: OpenHook) -> str:
    """Return what we are let in with."""
    return hook.secret(TOKEN) or ""


def bearer(hook: OpenHook) -> dict[str, str]:
    """Return the header of a bearer token."""
    return {"authorization": f"Bearer {token_of(hook)}"}


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of basic authentication."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def part(text: str | int) -> str:
    """Return a part of a path, with nothing in it that could lead elsewhere."""
    found = quote(str(text), safe="")
    return found.replace(".", "%2E") if set(found) == {"."} else found


def as_html(text: str) -> str:
    """Return plain text as HTML that shows it."""
    return html.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>")


def as_text(text: Any) -> str:
    """Return HTML, or plain text, as words with single blanks between: two that say the same are the same."""
    if not isinstance(text, str):
        return ""
    return " ".join(html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).split())


def says(body: Any, words: Words) -> bool:
    """Return whether a message's text is ours, however the platform dresses it."""
    return isinstance(body, str) and bool(body) and words_of(words.text) in {words_of(body), as_text(body)}


def words_of(text: str) -> str:
    """Return a text with single blanks between its words."""
    return " ".join(text.split())


def moment(value: Any) -> datetime | None:
    """Return the moment that a platform tells, in seconds or milliseconds of Unix time or as ISO 8601."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value / 1000 if 1e11 < value < 1e14 else value  # noqa: PLR2004 - in seconds 1e11 is the year 5138
        return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 1e11 else None  # noqa: PLR2004 - see above
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def late_enough(value: Any, words: Words) -> bool:
    """Return whether a message is not older than the words; one that tells no moment may be any."""
    at = moment(value)
    return at is None or at >= words.since - CLOCKS_APART


def items(answer: Any, *path: str) -> Iterable[Mapping[str, Any]]:
    """Return the objects of a list within an answer; none where it is not there."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return [each for each in answer if isinstance(each, Mapping)] if isinstance(answer, list) else []


def inside(answer: Any, *path: str) -> Any:
    """Return what stands at a path of an answer; None where nothing does."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return answer


def same_id(one: Any, other: Any) -> bool:
    """Return whether two ids are the same, as numbers or as text."""
    return one not in (None, "", 0) and other not in (None, "", 0) and str(one) == str(other)
