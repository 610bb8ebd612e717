"""How a generic hook calls its platform: an address, headers and JSON, with places for what is to be said.

`{conversation}`, `{text}`, `{html}` (the text as HTML) and `{mark}` are put in as they are, within the strings of the
body; in an address they are percent-encoded. `{token}` and `{basic}` (the token in base64, for `Basic {basic}`) are put
into headers only: what stands in addresses is written into logs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from shared.models import Model
from shared.platforms.generic.paths import Path
from shared.platforms.generic.proof import HeaderName
from shared.platforms.outgoing import part
from shared.platforms.types import Call

SAID: Final = frozenset({"conversation", "text", "html", "mark"})
SECRETS: Final = frozenset({"token", "basic"})
DEEPEST: Final = 10
MOST_STRINGS: Final = 100

_PLACE = re.compile(r"\{([a-z_]+)\}")
_STATIC = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/|$)")


def _url(text: str) -> str:
    if not _STATIC.match(text):
        raise ValueError("begins with https:// and a host in which no {place} stands")
    return _places(text, {"conversation", "mark"}, "an address")


def _header(text: str) -> str:
    if not text.isprintable():
        raise ValueError("is one line of printable text")
    return _places(text, {*SECRETS, "mark"}, "a header")


def _places(text: str, known: set[str], where: str) -> str:
    unknown = sorted(set(_PLACE.findall(text)) - known)
    if unknown:
        raise ValueError(f"names what {where} cannot hold: {', '.join(unknown)}; of {', '.join(sorted(known))}")
    return text


def _body(value: Any) -> Any:
    strings = list(_strings(value, 0))
    if len(strings) > MOST_STRINGS:
        raise ValueError(f"holds more than {MOST_STRINGS} texts")
    for text in strings:
        _places(text, set(SAID), "a body")
    return value


def _strings(value: Any, depth: int) -> list[str]:
    if depth > DEEPEST:
        raise ValueError(f"is nested deeper than {DEEPEST}")
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _strings(each, depth + 1)]


Url = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_url)]
HeaderText = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_header)]
Body = Annotated[Any, AfterValidator(_body)]


class CallTemplate(Model):
    """A call, with places in it."""

    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    url: Url
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict, max_length=20)
    body: Body = Field(None, description="JSON; none: nothing is sent")

    def filled(self, token: str, said: Mapping[str, str]) -> Call:
        """Return the call, with what is said in its places."""
        secrets = {"token": token, "basic": base64.b64encode(token.encode()).decode()}
        headers = {name: _fill(text, {**said, **secrets}) for name, text in self.headers.items()}
        url = _fill(self.url, {name: part(text) for name, text in said.items()})
        return Call(self.method, url, headers, _filled(self.body, said))


class LookTemplate(CallTemplate):
    """How the newest messages are read, and where in the answer their texts, or marks, are."""

    method: Literal["GET", "POST", "PUT", "PATCH"] = "GET"
    said: Path = Field(description="finds a list of the texts of our replies, or of their marks")
    notes: Path | None = Field(None, description="the same of our private notes")


class HandlerTemplate(CallTemplate):
    """How to ask whose a conversation is, and what says in the answer that it is the agent's."""

    method: Literal["GET", "POST", "PUT", "PATCH"] = "GET"
    agent: Path = Field(description="holds where it is the agent's")


def _fill(text: str, said: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: said.get(found[1], found[0]), text)


def _filled(value: Any, said: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _fill(value, said)
    if isinstance(value, Mapping):
        return {name: _filled(each, said) for name, each in value.items()}
    return [_filled(each, said) for each in value] if isinstance(value, list) else value
