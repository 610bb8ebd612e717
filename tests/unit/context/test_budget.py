"""The budget: factors, rounding, and what is refused at start."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shared.context.assembly import assemble
from shared.context.budget import (
    MINIMUM_BEYOND_INSTRUCTIONS,
    Meter,
    check_budget,
    scaled,
    share_of,
)
from shared.context.calibration import HIGHEST, UNLEARNED, Correction
from shared.context.kinds import factor_of, kind_of
from shared.context.tokens import EstimatingCounter
from shared.errors import SettingsError
from shared.models import AgentInstructions, TokenBudget
from shared.settings import CLAUDE_MODELS, DEFAULT_INSTRUCTIONS

from .drafts import CL100K, draft, part


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


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hello, I would like to know where my order is, it was sent to you by the shop two weeks ago.", "english"),
        ("Guten Tag, ich habe die Rechnung nicht bekommen und möchte wissen, wo sie ist.", "other"),
        ("Guten Tag, wo ist das Paket? Ich habe es in der letzten Woche bestellt und nicht bekommen.", "other"),
        ("Hola, el pedido no ha llegado y me gustaria saber donde esta, por favor.", "other"),
        ('{"order": 4711, "items": [{"sku": "A-1", "qty": 2}], "paid": true, "address": {"city": "x"}}', "code"),
        ("Здравствуйте, где мой заказ? Он должен был прийти неделю назад.", "script"),
        ("請問我的訂單到哪裡了？已經過了兩個星期。", "script"),
        ("4711 0815 1234567890 998877665544 20261101", "other"),
        ("Hi", "other"),
        ("", "other"),
    ],
)
def test_the_kind_of_a_text_is_told_or_taken_for_the_dearest(text: str, kind: str) -> None:
    """English does not pay for German, and what cannot be told costs the most."""
    assert kind_of(text) == kind
    assert factor_of("claude-sonnet-4-6", kind_of(text)) <= factor_of("claude-sonnet-4-6")


def test_no_model_costs_more_than_an_unknown_one() -> None:
    """So that a new model can only leave room unused."""
    assert all(factor_of(model) <= factor_of("nobody knows it") for model in CLAUDE_MODELS)


@pytest.mark.parametrize(("raw", "factor", "cost"), [(0, 1.4, 0), (1, 1.4, 2), (5, 1.4, 7), (6, 1.4, 9), (3, 2.0, 6)])
def test_costs_are_rounded_up(raw: int, factor: float, cost: int) -> None:
    """A fraction of a token is a token."""
    assert scaled(raw, factor) == cost


def test_a_block_costs_its_text_and_an_overhead() -> None:
    """Counted now or stored earlier, the same."""
    meter = Meter(CL100K, "claude-sonnet-4-6")

    assert meter.text("hello world") == 3
    assert meter.block("hello world") == meter.counted(2, "other") == 3 + 8
    assert meter.name == "cl100k_base*1.40"


def test_a_share_is_never_too_small_for_a_clip() -> None:
    """A quarter of a small room would hold the marker and nothing else."""
    assert share_of(1000, 0.25) == 250
    assert share_of(100, 0.25) == 64


def test_the_smallest_budget_leaves_the_minimum() -> None:
    """One token less is refused."""
    least = Meter(CL100K, "claude-sonnet-4-6", HIGHEST).text(DEFAULT_INSTRUCTIONS) + MINIMUM_BEYOND_INSTRUCTIONS

    check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=least + 500, reserve=500), ["claude-sonnet-4-6"], CL100K)
    with pytest.raises(SettingsError):
        check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=least + 499, reserve=500), ["claude-sonnet-4-6"], CL100K)


def test_a_refusal_names_the_settings_the_numbers_and_the_mend() -> None:
    """Following the advice it gives makes the budget acceptable."""
    with pytest.raises(SettingsError) as refusal:
        check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=600, reserve=500), CLAUDE_MODELS, CL100K)

    text = str(refusal.value)
    for word in ("TOKEN_BUDGET_MAX", "TOKEN_BUDGET_RESERVE", "AGENT_INSTRUCTIONS", "600 - 500 = 100", "256"):
        assert word in text
    advised = re.search(r"Raise TOKEN_BUDGET_MAX to (\d+)", text)
    assert advised
    check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=int(advised[1]), reserve=500), CLAUDE_MODELS, CL100K)


def test_the_same_instructions_cost_another_model_more() -> None:
    """A budget that serves one model is refused where another may be asked."""
    instructions = "Answer briefly. " * 200
    budget = TokenBudget(max=2100, reserve=500)

    check_budget(instructions, budget, ["claude-sonnet-4-6"], CL100K)
    with pytest.raises(SettingsError, match="claude-sonnet-5-5"):
        check_budget(instructions, budget, ["claude-sonnet-4-6", "claude-sonnet-5-5"], CL100K)


@pytest.mark.parametrize("model", CLAUDE_MODELS)
@pytest.mark.parametrize("correction", [UNLEARNED, HIGHEST, Correction(0.8, 1.2)])
def test_what_is_accepted_is_never_cut(model: str, correction: Correction) -> None:
    """Whichever model is asked, and whatever is learned of counting."""
    instructions = "Answer briefly, and never promise a refund. " * 20
    counts = [Meter(CL100K, each, HIGHEST).text(instructions) for each in CLAUDE_MODELS]
    budget = TokenBudget(max=max(counts) + MINIMUM_BEYOND_INSTRUCTIONS + 500, reserve=500)
    check_budget(instructions, budget, CLAUDE_MODELS, CL100K)

    made = replace(draft(instructions=instructions, model=model), budget=budget, correction=correction)

    assert assemble(made, CL100K).system == instructions


def test_a_session_whose_budget_the_instructions_have_outgrown_has_the_deployments() -> None:
    """Instructions are never cut for a budget that one session was given."""
    instructions = "Answer briefly, and never promise a refund. " * 60
    own, deployment = TokenBudget(max=800, reserve=300), TokenBudget(max=4096, reserve=500)
    made = replace(draft(instructions=instructions), budget=own, spare_budget=deployment)

    context = assemble(made, CL100K)

    assert context.system == instructions
    assert (context.receipt.budget, context.max_tokens) == (deployment, 500)
    assert "the session's own budget" in part(context, "system").reason
    assert assemble(replace(made, budget=deployment), CL100K).messages == context.messages
    short = assemble(replace(made, instructions=AgentInstructions(instructions="Be brief.")), CL100K)
    assert short.receipt.budget == own


@pytest.mark.parametrize("model", CLAUDE_MODELS)
def test_the_defaults_serve_every_model(model: str) -> None:
    """With the estimate too, which counts higher."""
    for counter in (CL100K, EstimatingCounter()):
        check_budget(DEFAULT_INSTRUCTIONS, TokenBudget(max=4096, reserve=500), [model], counter)
