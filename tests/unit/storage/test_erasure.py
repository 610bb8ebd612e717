"""Erasing a customer on DynamoDB: cut off anywhere, asking again or the sweep finishes it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from shared.storage.dynamodb import erasure, removal
from tests.contract.erasure import ANNA, CANARY, erase, left_of, remembered, talked
from tests.contract.store import MINUTE, Desk
from tests.unit.storage.desks import Killable, Killed, sweep


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few messages be many pages, and two sessions more than one step."""
    monkeypatch.setattr(removal, "PAGE", 3)
    monkeypatch.setattr(erasure, "PAGE", 3)
    monkeypatch.setattr(erasure, "MOST", 1)


@pytest.mark.parametrize("by_sweep", [True, False], ids=["by-the-sweep", "by-asking-again"])
async def test_an_erasure_cut_off_anywhere_is_finished(desk: Desk, client: Killable, *, by_sweep: bool) -> None:
    await talked(desk)
    await talked(desk, conversation="conv-1")
    await desk.accept(CANARY, ANNA)
    await remembered(desk)
    before = await client.everything()
    cuts, step = 0, 2 if by_sweep else 5
    while True:
        client.writes_left = cuts
        with suppress(Killed):
            await erase(desk)
        finished, client.writes_left = client.writes_left > 0, None
        desk.clock.pass_(MINUTE)
        if cuts > 0 and by_sweep:
            await sweep(desk, ANNA)
        else:
            await erase(desk)
        assert await left_of(desk) == [], cuts
        if finished:
            break
        await client.restore(before)
        cuts += step
    assert cuts > 12
