"""EXACT_COUNT: Claude counts before it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.conversation import exact
from shared.errors import ClaudeLater
from shared.ids import Ids
from shared.models import TokenBudget
from shared.storage.types import NewSession
from tests.contract.store import Desk
from tests.unit.turns import Office, open_office, says

WORDS = "The parcel with the blue ribbon has not come yet, although it was sent to you by the shop two weeks ago. "
SMALL = [1] * 11  # what Claude counts of the turns before the last


@pytest.fixture
async def careful(desk: Desk, executor: ThreadPoolExecutor) -> Office:
    """An office that lets Claude count."""
    return open_office(desk, executor, exact_count=True, token_budget_max=1500)


async def ask(office: Office, turns: int = 10) -> tuple[str, int]:
    """Run turns and one more, whose counts are scripted; return its outcome, and its tokens by our count."""
    request = await office.desk.accept("Hello")
    await office.advance(request)
    for number in range(turns):
        office.claude.script = [says(f"Answer {number}: {WORDS}")]
        await office.advance(await office.desk.accept(f"{number}: {WORDS}", session_id=request.session_id))
    last = await office.desk.accept("And now?", session_id=request.session_id)
    outcome = (await office.advance(last)).outcome
    record = await office.desk.own.request(last.request_id)
    assert record.receipt is not None
    return outcome, record.receipt.tokens


async def test_what_claude_counts_within_the_budget_is_sent_as_it_is(careful: Office) -> None:
    outcome, tokens = await ask(careful)
    assert outcome == "succeeded"
    assert tokens <= 1000
    assert careful.claude.counted == careful.claude.prompts


async def test_what_claude_counts_above_the_budget_is_fitted_again(careful: Office) -> None:
    careful.claude.counts = [*SMALL, 1300, 900]
    outcome, tokens = await ask(careful)
    assert outcome == "succeeded"
    refused, sent = careful.claude.counted[-2:]
    assert len(str(sent.messages)) < len(str(refused.messages))
    assert careful.claude.prompts[-1] == sent
    assert tokens <= 1000


async def test_a_count_that_stays_above_is_not_sent(careful: Office) -> None:
    """After a few tries, each of which leaves out more, the request fails, and says why."""
    request = await careful.desk.accept("Hello")
    await careful.advance(request)
    careful.claude.counts = [1100] * 10
    last = await careful.desk.accept(WORDS * 20, session_id=request.session_id)
    asked = len(careful.claude.prompts)
    assert (await careful.advance(last)).outcome == "claude-over-budget"
    assert len(careful.claude.counted) == 1 + exact.TRIES
    assert len(careful.claude.prompts) == asked
    failure = (await careful.desk.own.request(last.request_id)).failure
    assert failure is not None
    assert "raise the token budget" in failure.detail
    lengths = [len(str(prompt.messages)) for prompt in careful.claude.counted[1:]]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0] / 2


async def test_the_context_is_fitted_until_claude_agrees(careful: Office) -> None:
    careful.claude.counts = [*SMALL, 1300, 1050, 1010, 1000]
    outcome, tokens = await ask(careful)
    assert outcome == "succeeded"
    assert tokens <= 1000
    assert careful.claude.prompts[-1] == careful.claude.counted[-1]


async def test_where_claude_does_not_count_our_count_stands(careful: Office) -> None:
    careful.claude.counts = [*SMALL, ClaudeLater("overloaded", "Claude answered 529")]
    assert (await ask(careful))[0] == "succeeded"


async def test_without_the_setting_claude_is_not_asked_to_count(office: Office) -> None:
    await office.advance(await office.desk.accept("Hello"))
    assert office.claude.prompts
    assert not office.claude.counted


async def test_a_session_s_own_budget_is_the_one_that_counts(careful: Office) -> None:
    ref = careful.desk.ref(await careful.desk.accept())
    new = NewSession("cust-1", token_budget=TokenBudget(max=3000, reserve=500))
    session = await careful.desk.own.create_session(Ids().session(ref.bucket), new)
    careful.claude.counts = [2400]
    await careful.advance(await careful.desk.accept("Hello", session_id=session.id))
    assert len(careful.claude.counted) == 1
