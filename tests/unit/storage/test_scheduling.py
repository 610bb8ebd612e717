"""When a summary is due, as a rule without a store: at one moment and not before, and found no later."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.storage.dynamodb.scheduling import Account, falls_due, next_look
from shared.storage.limits import Limits
from tests.contract.store import HOUR, LIMITS, MINUTE

NOW = 1_000 * HOUR
moments = st.integers(NOW - 2 * HOUR, NOW + 2 * HOUR)
counts = st.integers(0, 4)

accounts = st.builds(
    Account,
    messages=counts,
    tokens=st.sampled_from([0, 2000, 2001, 9000]),
    last=moments,
    expires=moments,
    closed=st.none() | moments,
    drained=st.just(value=True),
    strategy=st.sampled_from([None, "sliding_window", "summarization", "hybrid"]),
    wake=moments,
    covered=st.sampled_from([0, 1, 2000]),
    seen=counts,
    done=counts,
    later=st.just(0) | moments,
    lease=st.just(0) | moments,
    asked=st.just(0) | moments,
)
limits = st.builds(
    lambda threshold, idle, digests, default: replace(
        LIMITS,
        summary_threshold_tokens=threshold,
        summary_idle_ms=idle,
        digests=digests,
        summaries_by_default=default,
    ),
    st.sampled_from([0, 2000]),
    st.sampled_from([0, 30 * MINUTE]),
    st.booleans(),
    st.booleans(),
)


@given(accounts, limits)
def test_it_is_due_from_the_moment_that_was_told_and_not_before(account: Account, limits: Limits) -> None:
    _, when = falls_due(account, limits, NOW)
    if when is not None:
        assert falls_due(account, limits, when)[0] is not None
        assert falls_due(account, limits, when - 1) == (None, when)


@given(account=accounts, limits=limits, drained=st.booleans())
def test_it_is_found_no_later_than_it_is_due(account: Account, limits: Limits, *, drained: bool) -> None:
    account = replace(account, drained=drained)
    reason, when = falls_due(account, limits, NOW)
    look = next_look(account, limits, NOW)
    if when is not None:
        assert look is not None
        assert look <= when
    if reason is None and look is not None:
        assert look > NOW, "it would be looked at again and again"


@given(accounts, limits)
def test_with_open_tickets_it_is_looked_at_again_whatever_is_known(account: Account, limits: Limits) -> None:
    look = next_look(replace(account, drained=False), limits, NOW)
    assert look is not None
    assert look <= max(NOW + limits.lease_ms, account.wake, account.lease)


@given(accounts, limits, moments)
def test_a_digest_comes_before_a_summary_once_a_session_is_over(account: Account, limits: Limits, closed: int) -> None:
    account = replace(account, closed=closed, messages=account.done + 1, asked=0)
    reason, _ = falls_due(account, replace(limits, digests=True), NOW)
    if reason is not None and closed <= NOW:
        assert reason == "ended"


@given(accounts, limits)
def test_what_is_asked_for_comes_first(account: Account, limits: Limits) -> None:
    reason, when = falls_due(replace(account, asked=NOW), limits, NOW)
    assert reason == "asked" if when is not None and when <= NOW else reason is None


@given(accounts)
def test_nothing_is_due_where_nothing_is_wanted(account: Account) -> None:
    off = replace(LIMITS, summary_threshold_tokens=0, summary_idle_ms=0, digests=False)
    assert falls_due(replace(account, asked=0), off, NOW) == (None, None)
