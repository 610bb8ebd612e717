"""The same when customers are merged: what was theirs is one person's, all of it, and nobody else's ever.

Merges are cut off anywhere and left half done, while all goes on; an erasure reaches every id of a person.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from shared.errors import CustomerMerged, Refusal, UnknownSession
from shared.ids import bucket_of
from tests.contract.store import MINUTE, Cut
from tests.integration.test_nothing_of_others import CUSTOMERS, Owner, Owners, Person, owners
from tests.support.valkey import Valkey

others = st.integers(1, len(CUSTOMERS) - 1)


class MergedOwners(Owners):
    """All that happens to several customers of several tenants, some of whom turn out to be others."""

    @rule(number=owners, other=others)
    def merge(self, number: int, other: int) -> None:
        """Merge a customer into another of the tenant."""
        self._merge(number, other, None)

    @rule(number=owners, other=others, commands=st.integers(0, 60))
    def die_merging(self, number: int, other: int, commands: int) -> None:
        """Merge, die after so many commands, and leave it half done."""
        self._merge(number, other, commands)

    def _merge(self, number: int, other: int, commands: int | None) -> None:
        source = self.owners[number]
        first = number - number % len(CUSTOMERS)
        into = self.owners[first + (number + other) % len(CUSTOMERS)]
        own, inside = source.shop.desk.own, source.shop.desk.inside
        inside.cut_after(commands)
        try:
            while self.run(own.merge_customer(source.customer, into.customer)):
                pass
            self.held["merged"] += 1
        except Cut:
            self.held["cut off"] += 1
        except Refusal:  # they are the same already, or it is whom nothing is known of
            self.held["refused"] += 1
        finally:
            inside.cut_after(None)
            source.shop.desk.clock.pass_(MINUTE)  # and with it the lease of whoever died
        called = [self.run(cast("Any", own)._now_called(each.customer)) for each in (source, into)]
        if called[0] == called[1]:
            self._joined(source, into)

    def _joined(self, source: Owner, into: Owner) -> None:
        old, person = source.person, into.person
        if old is not person:
            person.numbers |= old.numbers
            person.sessions += old.sessions
            for owner in self.owners:
                if owner.person is old:
                    owner.person = person

    @rule(number=owners)
    def sweep(self, number: int) -> None:
        """Let what was cut off go on."""
        desk = self.owners[number].shop.desk
        self.run(desk.store.sweep(bucket_of(desk.tenant, self.owners[number].customer), 10))

    @rule(number=owners)
    def list_all(self, number: int) -> None:
        """Look at the sessions that are a person's, under whichever id they are asked for."""
        owner = self.owners[number]
        own = owner.shop.desk.own
        shown = {session.id for session in self.run(own.sessions(owner.customer, 50, None)).items}
        assert shown <= set(owner.sessions)
        for session in owner.sessions:
            self.check(owner, self.run(own.messages(session, 200, 0)), "messages")

    @precondition(lambda self: any(len(owner.person.numbers) > 1 for owner in self.owners))
    @rule(number=owners)
    def erase(self, number: int) -> None:
        """Erase a person: nothing of any of their ids is left."""
        owner = self.owners[number]
        own, customer = owner.shop.desk.own, owner.customer
        called = self.run(cast("Any", own)._now_called(customer))
        if called != customer:
            with pytest.raises(CustomerMerged):
                self.run(own.erase_customer(customer))
        while self.run(own.erase_customer(called)):
            pass
        contents = self.run(self._contents())
        for number_ in owner.person.numbers:
            assert f"canary{number_}x" not in contents
        for session in owner.sessions:
            with pytest.raises(UnknownSession):
                self.run(own.session(session))
        person = owner.person
        for each in self.owners:
            if each.person is person:
                each.person = Person({each.number})
                assert self.run(own.sessions(each.customer, 5, None)).items == ()
        self.held["erased"] += 1

    async def _contents(self) -> str:
        for kept in await self.redis.keys("*:op:*"):  # answers for retries
            await self.redis.delete(kept)
        return await self.owners[0].shop.desk.inside.contents()


def test_no_prompt_holds_anything_of_another_however_customers_are_merged(valkey: Valkey) -> None:
    held: Counter[str] = Counter()
    machine = type("MergedHere", (MergedOwners,), {"server": valkey, "held": held})
    few = settings(
        max_examples=40,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=[*HealthCheck],
    )
    run_state_machine_as_test(machine, settings=few)
    places = ("turn", "reading", "preview", "turns", "entries", "digests", "trespass", "messages")
    assert all(held[each] for each in (*places, "merged", "cut off", "refused", "erased")), held
