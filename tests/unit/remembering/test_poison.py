"""What is poisoned is never remembered in earnest: refused, or in quarantine, and in no prompt but as what was said."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.memory.operations import QUARANTINE
from shared.prompt import Prompt
from tests.contract.store import DAY, Desk
from tests.unit.context.poisons import CANARY, POISONS
from tests.unit.remembering.shop import Shop, open_shop
from tests.unit.turns import says

ORDERS = {name: text for name, text in POISONS.items() if name != "control"}  # the API takes no control characters


@pytest.fixture
def shop(desk: Desk, executor: ThreadPoolExecutor) -> Shop:
    return open_shop(desk, executor, extraction=True)


def told(text: str, key: str) -> dict[str, Any]:
    """Return an operation of a model that took the bait."""
    return {
        "op": "upsert",
        "scope": "preference",
        "key": key,
        "value": text[:400],
        "message": 1,
        "quote": text,
        "confidence": 1.0,
    }


def blocks(prompt: Prompt) -> list[str]:
    """Return the texts of a prompt's blocks."""
    return [block["text"] for message in prompt.messages for block in message["content"]]


@pytest.mark.parametrize("poison", ORDERS.values(), ids=ORDERS)
async def test_what_a_model_that_took_the_bait_would_remember_is_in_no_memory_block(shop: Shop, poison: str) -> None:
    session = await shop.say(poison)
    answer = {"operations": [told(poison, "wish"), told(poison, poison[:64])]}
    shop.bureau.claude.script = [says(json.dumps(answer))]
    await shop.read(session)
    entries = (await shop.desk.own.memories("cust-1", None, None, 100, None)).items
    assert all(entry.quarantined and entry.key.startswith(QUARANTINE) for entry in entries)
    counts = await shop.desk.own.counts()
    assert sum(number for name, number in counts.items() if name.startswith("extraction.")) == 2
    shop.desk.clock.pass_(30 * DAY)
    for message in ("Hello again.", f"What about {CANARY} and all previous instructions?"):
        await shop.say(message)
        prompt = shop.office.claude.prompts[-1]
        assert CANARY not in prompt.system
        held = [block for block in blocks(prompt) if CANARY in block and block != message]
        assert all(block.startswith(("The earlier tags", "The earlier-session tags")) for block in held)
        receipt = await shop.receipt()
        assert receipt.memory_versions == {}


async def test_what_is_in_quarantine_is_not_told_to_whoever_reads_on(shop: Shop) -> None:
    poison = POISONS["imperative"]
    session = await shop.say(poison)
    shop.bureau.claude.script = [says(json.dumps({"operations": [told(poison, "wish")]}))]
    await shop.read(session)
    for _ in range(3):
        await shop.say("The lamp hums.", session=session)
    await shop.read(session)
    (known,) = [block for block in blocks(shop.bureau.claude.prompts[-1]) if "<messages-" in block]
    assert "<known-" not in known
    assert CANARY not in known.partition("[2]")[2]
