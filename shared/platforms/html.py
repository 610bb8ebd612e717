"""The text of HTML, as people read it: blocks on lines of their own, lists with dashes, nothing that is not shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

HIDDEN: Final = frozenset({"head", "noscript", "script", "style", "template", "title"})
APART: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "ul", "ol"})
BLOCKS: Final = APART | frozenset(
    {"address", "article", "aside", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "form", "header", "hr"}
    | {"li", "main", "nav", "pre", "section", "tr"}
)

_BLANK = re.compile(r"[ \t\r\f\v\n]+")
_NEVER_SHOWN = re.compile(r"<[!?][^<>]*>")
_STRAY = re.compile(r"<(?=[^<>]*(?:<|\Z))")
_LOOKS = re.compile(
    r"\s*<(!--|!doctype|/?(p|div|h[1-6]|ul|ol|li|pre|blockquote|table|br|a|b|i|em|strong|span|img)\b)", re.IGNORECASE
)


def looks_like_html(text: str) -> bool:
    """Return whether a text begins as HTML does."""
    return _LOOKS.match(text) is not None


def text_of(html: str) -> str:
    """Return what HTML shows, as plain text."""
    reader = _Reader()
    reader.feed(_plain_enough(html))
    reader.close()
    return reader.text()


def _plain_enough(html: str) -> str:
    """Return HTML without what is never shown, and in which each `<` begins a tag that ends.

    Of one that does not end the parser looks for its end again and again: some kilobytes of them took seconds.
    """
    return _STRAY.sub("&lt;", _NEVER_SHOWN.sub("", _without_comments(html)))


def _without_comments(html: str) -> str:
    parts, at = list[str](), 0
    while (start := html.find("<!--", at)) >= 0:
        end = html.find("-->", start + 2)
        if end < 0:
            break
        parts.append(html[at:start])
        at = end + 3
    return "".join(parts) + html[at:]


class _Reader(HTMLParser):
    """Collects text; a broken page is read as far as it goes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._hidden = 0
        self._kept_blanks = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line where a block begins."""
        if tag in HIDDEN:
            self._hidden += 1
        self._kept_blanks += tag == "pre"
        if tag == "br":
            self._parts.append("\n")
        elif tag in BLOCKS:
            self._parts.append("\n\n" if tag in APART else "\n")
        if tag == "li":
            self._parts.append("- ")
        if tag == "img" and not self._hidden:
            self._parts.append(next((text for name, text in attrs if name == "alt" and text), ""))

    def handle_endtag(self, tag: str) -> None:
        """End a line where a block ends."""
        if tag in HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        if tag == "pre":
            self._kept_blanks = max(0, self._kept_blanks - 1)
        if tag in BLOCKS:
            self._parts.append("\n\n" if tag in APART else "\n")
        elif tag in {"td", "th"}:
            self._parts.append(" ")

    def handle_data(self, data: str) -> None:
        """Take text that is shown; white space counts once, but where it is kept."""
        if not self._hidden:
            self._parts.append(data if self._kept_blanks else _BLANK.sub(" ", data))

    def text(self) -> str:
        """Return the lines, with one empty line between paragraphs at most."""
        lines = [
            line.rstrip() if line.startswith("  ") else line.strip(" ") for line in "".join(self._parts).split("\n")
        ]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).replace("\xa0", " ").strip()
