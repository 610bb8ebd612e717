"""The budget: factors, rounding, and what is refused at start."""

from __future__ import annotations

import re

import pytest

from shared.context.budget import (
    MINIMUM_BEYOND_INSTRUCTIONS,
    UNKNOWN_MODEL,
    Meter,
    check_budget,
    factor_of,
    scaled,
    share_of,
)
from shared.context.tokens import EstimatingCounter
from shared.errors import SettingsError
from shared.models import TokenBudget
from shared.settings import CLAUDE_MODELS, DEFAULT_INSTRUCTIONS

from .drafts import CL100K


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("claude-sonnet-4-6", 1.4),
        ("claude-sonnet-4-5-20250929", 1.4),
        ("claude-opus-4-6", 1.4),
        ("claude-opus-4-1-20250805", 1.4),
        ("claude-haiku-4-5-20251001", 1.4),
        ("claude-3-5-haiku-20241022", 1.4),
        ("claude-opus-4-7", 2.0),
        ("claude-opus-4-8", 2.0),
        ("claude-sonnet-5", 2.0),
        ("claude-sonnet-5-5", 2.0),
        ("claude-haiku-5-5", 2.0),
        ("claude-fable-5-1", 2.0),
        ("claude-sonnet-4-60", 2.0),
        ("", 2.0),
    ],
)
def test_each_model_has_the_factor_of_its_tokenizer(model: str, factor: float) -> None:
    """A model nobody knows has the higher one."""
    assert factor_of(model) == factor


def test_no_model_costs_more_than_an_unknown_one() -> None:
    """So that a new model can only leave room unused."""
    assert all(factor_of(model) <= UNKNOWN_MODEL for model in CLAUDE_MODELS)


@pytest.mark.parametrize(("raw", "factor", "cost"), [(0, 1.4, 0), (1, 1.4, 2), (5, 1.4, 7), (6, 1.4, 9), (3, 2.0, 6)])
def test_costs_are_rounded_up(raw: int, factor: float, cost: int) -> None:
    """A fraction of a token is a token."""
    assert scaled(raw, factor) == cost


def test_a_block_costs_its_text_and_an_overhead() -> None:
    """Counted now or stored earlier, the same."""
    meter = Meter(CL100K, 1.4)

    assert meter.text("hello world") == 3
    assert meter.block("hello world") == meter.counted(2) == 3 + 8
    assert meter.name == "cl100k_base*1.40"


def test_a_share_is_never_too_small_for_a_clip() -> None:
    """A quarter of a small room would hold the marker and nothing else."""
    assert share_of(1000, 0.25) == 250
    assert share_of(100, 0.25) == 64


def test_the_smallest_budget_leaves_the_minimum() -> None:
    """One token less is refused."""
    least = Meter(CL100K, 1.4).text(DEFAULT_INSTRUCTIONS) + MINIMUM_BEYOND_INSTRUCTIONS

    check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=least + 500, reserve=500), "claude-sonnet-4-6", CL100K)
    with pytest.raises(SettingsError):
        check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=least + 499, reserve=500), "claude-sonnet-4-6", CL100K)


def test_a_refusal_names_the_settings_the_numbers_and_the_mend() -> None:
    """Following the advice it gives makes the budget acceptable."""
    with pytest.raises(SettingsError) as refusal:
        check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=600, reserve=500), "claude-sonnet-4-6", CL100K)

    text = str(refusal.value)
    for word in ("TOKEN_BUDGET_MAX", "TOKEN_BUDGET_RESERVE", "AGENT_INSTRUCTIONS", "600 - 500 = 100", "256"):
        assert word in text
    advised = re.search(r"Raise TOKEN_BUDGET_MAX to (\d+)", text)
    assert advised
    check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=int(advised[1]), reserve=500), "claude-sonnet-4-6", CL100K)


def test_the_same_instructions_cost_another_model_more() -> None:
    """A budget that serves one model is refused for another."""
    instructions = "Answer briefly. " * 200
    budget = TokenBudget(max=1800, reserve=500)

    check_budget(instructions, budget, "claude-sonnet-4-6", CL100K)
    with pytest.raises(SettingsError, match="claude-sonnet-5-5"):
        check_budget(instructions, budget, "claude-sonnet-5-5", CL100K)


@pytest.mark.parametrize("model", CLAUDE_MODELS)
def test_the_defaults_serve_every_model(model: str) -> None:
    """With the estimate too, which counts higher."""
    for counter in (CL100K, EstimatingCounter()):
        check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=4096, reserve=500), model, counter)
