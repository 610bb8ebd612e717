"""The rules that every request to DynamoDB is held to in tests: an item that grows too large by updates is noticed."""

from __future__ import annotations

import pytest

from shared.storage.dynamodb.actions import Action, put, update
from tests.contract.strict import Sizes

KEY = {"pk": "a", "sk": "b"}
LARGE = "x" * 250_000


def _done(sizes: Sizes, *actions: Action) -> None:
    sizes.take("transact_write_items", {"TransactItems": actions})


def test_an_item_may_not_grow_beyond_400_kb_by_updates() -> None:
    sizes = Sizes()
    _done(sizes, put({**KEY, "one": LARGE}))
    _done(sizes, update(KEY, "SET #one = :one, #list = :list ADD #count :step", one=LARGE, list=["x"], step=1))
    with pytest.raises(AssertionError, match="bytes in"):
        _done(sizes, update(KEY, "SET #two = :two REMOVE #list", two=LARGE))


def test_a_list_that_is_appended_to_grows_and_what_is_removed_counts_no_more() -> None:
    sizes = Sizes()
    _done(sizes, put({**KEY, "one": LARGE}))
    _done(sizes, update(KEY, "SET #list = :list REMOVE #one", list=[LARGE]))
    with pytest.raises(AssertionError, match="bytes in"):
        _done(sizes, update(KEY, "SET #list = list_append(#list, :more)", more=[LARGE]))
