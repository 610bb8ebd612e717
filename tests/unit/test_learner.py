"""The learner: what Claude's usage taught is kept with the store, and no lesson is lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from redis.exceptions import ConnectionError as RedisConnectionError

from shared.context.calibration import Calibration, Correction, Lesson, key_of
from shared.conversation.learning import Learner
from shared.models import TokenUsage
from shared.prompt import Reply
from shared.storage.redis.store import RedisStore
from shared.storage.types import Calibrated
from tests.contract.store import Desk
from tests.unit.turns import Office, open_office

MODEL, COUNTER = "claude-sonnet-4-6", "cl100k_base"
KEY = key_of(MODEL, COUNTER, "any")
LESSON = Lesson(1000, "any")


async def kept(desk: Desk, key: str = KEY) -> Calibration:
    """Return what the store keeps."""
    found = (await desk.store.calibration()).get(key)
    return Calibration.model_validate_json(found.value) if found else Calibration()


async def test_the_first_correction_is_what_is_kept(desk: Desk) -> None:
    known = Calibration(count=50, mean=1.2, deviation=0.0)
    await desk.store.calibrate(KEY, known.model_dump_json(), 0)
    assert await Learner(desk.store, COUNTER).correction(MODEL) == Correction(1.2, 1.2)


async def test_lessons_are_shared_once(desk: Desk) -> None:
    learner = Learner(desk.store, COUNTER)
    for _ in range(3):
        learner.observe(MODEL, LESSON, 1200)
    await learner.share()
    await learner.share()
    assert (await kept(desk)).count == 3
    assert await learner.correction(MODEL) == Correction(1.2, 1.2)


async def test_english_is_kept_apart(desk: Desk) -> None:
    learner = Learner(desk.store, COUNTER)
    learner.observe(MODEL, Lesson(1000, "english"), 860)
    learner.observe(MODEL, LESSON, 1000)
    await learner.share()
    assert (await kept(desk)).mean == 1.0
    assert (await kept(desk, key_of(MODEL, COUNTER, "english"))).mean == 0.86


async def test_a_lesson_whose_race_was_lost_is_told_another_time(desk: Desk) -> None:
    learner, other = Learner(desk.store, COUNTER), Learner(desk.store, COUNTER)
    learner.observe(MODEL, LESSON, 1200)
    other.observe(MODEL, LESSON, 1100)

    class Slow:
        """The store, which another learner is quicker to write to."""

        calibrate = desk.store.calibrate

        async def calibration(self) -> dict[str, Calibrated]:
            found = await desk.store.calibration()
            await other.share()
            return found

    cast("Any", learner)._store = Slow()
    await learner.share()
    assert (await kept(desk)).count == 1
    await learner.share()
    assert (await kept(desk)).count == 2


async def test_a_lesson_survives_a_store_that_is_away(desk: Desk) -> None:
    client = cast("RedisStore", desk.store)._client
    client._patience = 0.05
    real = client._script("calibrate")

    async def away(**_: Any) -> Any:
        raise RedisConnectionError("away")

    learner = Learner(desk.store, COUNTER)
    learner.observe(MODEL, LESSON, 1200)
    client._scripts["calibrate"] = cast("Any", away)
    await learner.share()
    client._scripts["calibrate"] = real
    await learner.close()
    assert (await kept(desk)).count == 1


async def test_what_cannot_be_read_is_learned_anew(desk: Desk) -> None:
    await desk.store.calibrate(KEY, '{"from": ["another version"], "mean": "?"}', 0)
    learner = Learner(desk.store, COUNTER)
    learner.observe(MODEL, LESSON, 1200)
    assert await learner.correction(MODEL) in {Correction(), Correction(1.2, 1.2)}
    await learner.close()
    assert (await kept(desk)).count == 1


async def test_a_turn_teaches(desk: Desk, executor: ThreadPoolExecutor) -> None:
    office = open_office(desk, executor, anthropic_api_key="sk-test")
    assert await taught_by(office, reported=10_000) == 1


async def test_the_simulator_teaches_nothing(office: Office) -> None:
    assert await taught_by(office, reported=10_000) == 0


async def taught_by(office: Office, reported: int) -> int:
    """Run a turn; return how many lessons are kept of it."""

    def act(prompt: Any, on_text: Any) -> Reply:
        on_text("OK")
        return Reply("OK", TokenUsage(input=reported, output=1, total=reported + 1), prompt.model, "end_turn", False)

    office.claude.script = [act]
    assert (await office.advance(await office.desk.accept("Hello"))).outcome == "succeeded"
    learner: Learner = cast("Any", office.runner)._parts.learner
    await learner.share()
    return sum(
        Calibration.model_validate_json(each.value).count for each in (await office.desk.store.calibration()).values()
    )
