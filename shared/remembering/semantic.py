"""The model of meanings that `SEMANTIC_MODEL` names: static embeddings, read from a folder, never from the network."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import SettingsError
from shared.recall.meaning import Meaning
from shared.remembering.indexes import Indexes
from shared.remembering.recaller import Recaller
from shared.settings import Settings

if TYPE_CHECKING:
    from model2vec import StaticModel

FILES: Final = ("config.json", "model.safetensors", "tokenizer.json")
_BEGINS_A_WORD: Final = ("▁", "Ġ")  # how tokenizers write it
_GOES_ON: Final = "##"


def open_recaller(settings: Settings) -> Recaller:
    """Return what recalls turns, by words and, where a model is named, by meaning. Raises SettingsError."""
    return Recaller(Indexes(settings.recall_cache_mb * 1_048_576, load_meaning(settings.semantic_model)))


@cache
def load_meaning(folder: Path | None) -> Meaning | None:
    """Return the model in a folder; None where no folder is named: then the library is not imported either.

    The first call takes seconds, later ones return the same.

    Raises:
        SettingsError: it cannot be read, or the extra is not installed; the text says what to do.

    """
    if folder is None:
        return None
    # A name that is no folder would be looked for on the network.
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise SettingsError(
            f"SEMANTIC_MODEL: {folder} does not hold {', '.join(missing)}; "
            "name the folder of a Model2Vec model, or leave it empty to recall by words only"
        )
    try:
        library = importlib.import_module("model2vec")
    except ImportError as error:
        raise SettingsError(
            "SEMANTIC_MODEL is set, and the extra is not installed; "
            "pip install 'customer-memory[semantic]', or leave it empty to recall by words only"
        ) from error
    try:
        model: StaticModel = library.StaticModel.from_pretrained(folder, force_download=False)
        return _meaning(model)
    except Exception as error:  # whatever its readers raise
        raise SettingsError(
            f"SEMANTIC_MODEL: the model in {folder} cannot be read ({type(error).__name__}); "
            "save it again with Model2Vec, or leave it empty to recall by words only"
        ) from error


def _meaning(model: StaticModel) -> Meaning:
    lock = Lock()

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        # Encoding sets up the tokenizer, which two threads must not do at once.
        with lock:
            rows = model.encode(list(texts), normalize=False, use_multiprocessing=False)
        return np.asarray(rows, dtype=np.float32).reshape(len(texts), model.dim)

    return Meaning(encode, _whole_words(model), model.dim)


def _whole_words(model: StaticModel) -> Iterator[str]:
    """Yield the tokens that are words by themselves; vocabularies have the frequent ones first."""
    words = [_bare(token) for token in model.tokens if not token.startswith(_GOES_ON)]
    words = [word for word in words if word.isalpha()]
    yield from (word for word, ids in zip(words, model.tokenize(words), strict=True) if len(ids) == 1)


def _bare(token: str) -> str:
    return token[1:] if token.startswith(_BEGINS_A_WORD) else token
