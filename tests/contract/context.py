"""What a store keeps for the context: the pin of a session, and what was learned of a model's tokens."""

from __future__ import annotations

from dataclasses import replace

from shared.context.assembly import assemble
from shared.context.calibration import UNLEARNED
from shared.context.tokens import load_counter
from shared.conversation.drafting import Known, make_draft
from shared.conversation.preview import Preview
from shared.ids import SessionRef
from shared.models import AgentInstructions
from shared.remembering.indexes import Indexes
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.jobs import SummaryOutcome
from shared.storage.types import Claim, KeptSummary
from tests.contract.store import LIMITS, Desk

INSTRUCTIONS = AgentInstructions(instructions="You are a support agent.")
WORDS = "The parcel with the blue ribbon has not come yet, although it was sent two weeks ago. " * 3


class ContextContract:
    """Pin and calibration."""

    async def test_a_pin_is_kept_from_turn_to_turn_until_another_is_written(self, desk: Desk) -> None:
        first = await desk.accept("one")
        claim = await desk.claim(first)
        assert claim.pin is None
        await desk.own.commit(claim, replace(desk.answered(claim, "1"), pin='{"start":1}'))
        second = await desk.claim(await desk.accept("two", session_id=first.session_id))
        assert second.pin == '{"start":1}'
        await desk.own.commit(second, desk.answered(second, "2"))
        third = await desk.claim(await desk.accept("three", session_id=first.session_id))
        assert third.pin == '{"start":1}'

    async def test_a_claim_brings_the_summary_that_the_pin_builds_on(self, desk: Desk) -> None:
        """As long as that version is kept; and once only, where it is the current one."""
        first = await desk.accept("one")
        claim = await desk.claim(first)
        versions = LIMITS.summary_versions
        await self._summarise(desk, claim.ref, 1)
        await desk.own.commit(claim, replace(desk.answered(claim, "1"), pin="{}", pinned_summary=1))
        for number in range(2, versions + 2):
            claim = await desk.claim(await desk.accept("next", session_id=first.session_id))
            current, pinned = claim.summary, claim.pinned_summary
            assert current is not None
            assert (current.value, current.version) == (f"summary {number - 1}", number - 1)
            assert pinned == (None if number == 2 else KeptSummary("summary 1", 1, 1))
            await desk.own.commit(claim, desk.answered(claim, "Yes."))
            await self._summarise(desk, claim.ref, number)
        gone = await desk.claim(await desk.accept("last", session_id=first.session_id))
        assert gone.pinned_summary is None
        await desk.own.commit(gone, replace(desk.answered(gone, "3"), pin="{}"))
        assert (await desk.claim(await desk.accept("end", session_id=first.session_id))).pinned_summary is None

    async def _summarise(self, desk: Desk, ref: SessionRef, number: int) -> None:
        job = await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True)
        assert job is not None
        await desk.own.end_summary(job, SummaryOutcome(summary=f"summary {number}", through=number, tokens=0))

    async def test_a_stale_claim_pins_nothing(self, desk: Desk) -> None:
        request = await desk.accept("one")
        slow = await desk.claim(request)
        desk.clock.pass_(31_000)
        await desk.look(request)
        quick = await desk.claim(request, quarantine=True)
        await desk.own.commit(slow, replace(desk.answered(slow, "slow"), pin="slow"))
        await desk.own.commit(quick, replace(desk.answered(quick, "quick"), pin="quick"))
        assert (await desk.claim(await desk.accept("two", session_id=request.session_id))).pin == "quick"

    async def test_one_huge_message_hides_none_of_those_before_it(self, desk: Desk) -> None:
        """In context it is cut to a quarter of the room, so it fills no more of what a turn reads."""
        settings, counter = Settings(context_messages=40), load_counter()
        read = settings.token_budget_max - settings.token_budget_reserve
        count = counter.count(WORDS)
        session_id = str((await desk.turn("Hello")).session_id)
        for number in range(30):
            said = desk.message(WORDS, role="user" if number % 2 else "assistant", tokens=count, text_kind="english")
            await desk.own.record(session_id, said, backdated=False)
        huge = desk.message(WORDS * 80, tokens=80 * count, text_kind="english")
        await desk.own.record(session_id, huge, backdated=False)
        again = await desk.accept("Sorry. Where is it?", session_id=session_id)

        claim = await desk.own.claim(desk.ref(again), "nonce", read, quarantine=False)

        assert isinstance(claim, Claim)
        assert len(claim.history) == 33
        assert claim.history_complete
        context = assemble(make_draft(Known.of(claim), INSTRUCTIONS, settings, "claude-sonnet-4-6", UNLEARNED), counter)
        window = next(part for part in context.receipt.parts if part.name == "window")
        assert huge.id in window.included
        assert window.tokens > read / 3
        preview = Preview(desk.store, desk.own, settings, counter, Recaller(Indexes(10**7)))
        upcoming = await preview.upcoming(session_id, "And now?")
        assert upcoming.history == claim.history

    async def test_what_was_learned_is_kept_by_whoever_was_first(self, desk: Desk) -> None:
        assert await desk.store.calibration() == {}
        assert await desk.store.calibrate("claude-sonnet-4-6", "a", 0)
        assert not await desk.store.calibrate("claude-sonnet-4-6", "b", 0)
        assert await desk.store.calibrate("claude-sonnet-4-6", "c", 1)
        await desk.store.calibrate("claude-haiku-5-5", "d", 0)
        kept = await desk.store.calibration()
        assert {model: (each.value, each.version) for model, each in kept.items()} == {
            "claude-sonnet-4-6": ("c", 2),
            "claude-haiku-5-5": ("d", 1),
        }

    async def test_what_is_counted_is_told_to_its_tenant(self, desk: Desk) -> None:
        assert await desk.own.counts() == {}
        for name in ("summary.digest", "summary.first-try", "summary.digest"):
            await desk.own.count(name)
        assert await desk.own.counts() == {"summary.digest": 2, "summary.first-try": 1}
        assert await desk.of("globex").own.counts() == {}

    async def test_learning_again_after_a_lost_answer_has_been_learned(self, desk: Desk) -> None:
        desk.inside.lose_the_next_answer("calibrate")
        assert await desk.store.calibrate("claude-sonnet-4-6", "a", 0)
