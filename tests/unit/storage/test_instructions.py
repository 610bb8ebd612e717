"""The tenant's instructions come with the claim: they cost a turn no request of their own, and are never old."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.models import NONE_SET
from shared.settings import DEFAULT_INSTRUCTIONS
from tests.contract.store import Desk
from tests.unit.turns import open_office


async def test_a_change_reaches_the_very_next_turn(desk: Desk) -> None:
    with ThreadPoolExecutor(1) as executor:
        office = open_office(desk, executor)
        for text in (None, "Speak like a pirate.", "Speak like a judge."):
            if text is not None:
                await desk.own.put_instructions(text)
            assert (await office.advance(await desk.accept())).outcome == "succeeded"
            assert (text or DEFAULT_INSTRUCTIONS) in office.claude.prompts[-1].system


async def test_a_claim_tells_the_instructions_and_that_there_are_none(desk: Desk) -> None:
    request = await desk.accept()
    assert (await desk.claim(request)).instructions == NONE_SET
    written = await desk.own.put_instructions("Be brief.")
    desk.clock.pass_(60_000)
    again = await desk.claim(await desk.accept(customer="cust-2"))
    assert again.instructions == written
