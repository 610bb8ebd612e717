"""A small model of meanings, as Model2Vec saves one: words of a topic lie close, words of different ones do not."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

TOPICS: Final = (
    ("parcel", "package", "packages", "shipment", "paket", "посылка"),
    ("refund", "money", "reimbursement", "erstattung"),
    ("bicycle", "bike", "fahrrad"),
    ("rain", "raining", "garden", "weather", "water"),
    ("sister", "married", "wedding", "family"),
    ("train", "trains", "railway"),
    ("dog", "neighbours", "postman"),
)
NOTHING: Final = "void"
"""A word whose vector is 0."""
BROKEN: Final = "broken"
"""A word whose vector is no number."""


def save_model(folder: Path) -> Path:
    """Save the model, and return the folder."""
    words = [word for topic in TOPICS for word in topic]
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words, NOTHING, BROKEN])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    rows = np.random.default_rng(7).normal(0, 0.05, (len(vocabulary), 16)).astype(np.float32)
    for number, topic in enumerate(TOPICS):
        for word in topic:
            rows[vocabulary[word], number] += 1
    rows[vocabulary[NOTHING]] = 0
    rows[vocabulary[BROKEN]] = np.nan
    StaticModel(rows, tokenizer).save_pretrained(folder)
    return folder
