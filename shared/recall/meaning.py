"""What turns are about, as vectors: found without sharing a word, where a model of meanings is given.

The index holds terms and no text, so a turn's vector is the sum of its terms' vectors, as a static embedding's is of
its words': nothing more is stored, and nothing more is read. A term is a stem; it stands for the model's words that
have it, the more frequent ones counting more. What names one thing (an order number) has no meaning: words find it.
Vectors have length 1, or 0 where nothing is known of a turn, as of an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.recall.chunk import Chunk
from shared.recall.query import HEAD, PREVIOUS, TAIL
from shared.recall.words import is_identifier, terms

MOST_WORDS: Final = 8  # of the model that a term stands for, the most frequent ones
KEPT: Final = 50_000  # terms whose vectors are kept

Vectors = NDArray[np.float16]
"""A row a turn."""
Direction = NDArray[np.float32]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts → a row each: their vectors, of any length."""


class Meaning:
    """A model of meanings, as recall uses it. One of each process; threads may share it if they may share `encode`."""

    def __init__(self, encode: Encode, words: Iterable[str], dimensions: int) -> None:
        """Take a model's `words`, the more frequent ones first."""
        self._encode, self.dimensions = encode, dimensions
        self._words: dict[str, list[tuple[str, float]]] = {}
        self._kept: dict[str, Vectors] = {}
        for rank, word in enumerate(dict.fromkeys(words), start=1):
            found = terms(word)
            if len(found) == 1 and len(known := self._words.setdefault(found[0], [])) < MOST_WORDS:
                known.append((word, 1 / rank))

    def of_chunk(self, chunk: Chunk) -> Vectors:
        """Return the vectors of a chunk's turns, in its order."""
        telling = [term for term in chunk.postings if not is_identifier(term)]
        counts = np.zeros((len(chunk.seqs), len(telling)), dtype=np.float32)
        for number, term in enumerate(telling):
            places = chunk.postings[term]
            counts[places[::2], number] = places[1::2]
        return _unit(counts @ self._rows(telling)).astype(np.float16)

    def of_message(self, text: str, previous: str = "") -> Direction:
        """Return the direction a message points in, leaning a little on the one before it."""
        return _unit(self._of_text(text) + PREVIOUS * self._of_text(previous))

    def _of_text(self, text: str) -> Direction:
        found = [term for term in terms(_ends(text)) if not is_identifier(term)]
        return _unit(self._rows(found).sum(axis=0))

    def _rows(self, wanted: Sequence[str]) -> NDArray[np.float32]:
        known = self._known(wanted)
        rows = np.zeros((len(wanted), self.dimensions), dtype=np.float32)
        for number, term in enumerate(wanted):
            rows[number] = known[term]
        return rows

    def _known(self, wanted: Iterable[str]) -> Mapping[str, Vectors]:
        """Return the vectors of terms; ask the model for those that were not asked for lately."""
        known = {term: self._kept.get(term) for term in wanted}
        found = {term: row for term, row in known.items() if row is not None}
        fresh = [term for term, row in known.items() if row is None]
        if fresh:
            made = self._made(fresh)
            found |= made
            if len(self._kept) + len(made) > KEPT:
                self._kept = {}
            self._kept |= made
        return found

    def _made(self, fresh: Sequence[str]) -> dict[str, Vectors]:
        spelled = [self._words.get(term) or [(term, 1.0)] for term in fresh]
        rows = np.asarray(self._encode([word for words in spelled for word, _ in words]), dtype=np.float32)
        rows = np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
        made, at = {}, 0
        for term, words in zip(fresh, spelled, strict=True):
            shares = np.array([share for _, share in words], dtype=np.float32)
            made[term] = (shares @ rows[at : at + len(words)] / shares.sum()).clip(-6e4, 6e4).astype(np.float16)
            at += len(words)
        return made


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows, or one row, of length 1; those of no length as they are."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit


def _ends(text: str) -> str:
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"
