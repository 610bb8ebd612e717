"""Learning from Claude's usage how many tokens our counting misses, together with every other worker.

A reply waits for it once in a process, and not for long: until what is kept was read. From then on the correction is
read from memory, and what was learned is shared in the background, at most every half minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import structlog
from pydantic import ValidationError

from shared.context.calibration import UNLEARNED, Calibration, Correction, Lesson, correction_of, key_of
from shared.errors import StoreError
from shared.storage.contract import Store
from shared.storage.types import Calibrated

SHARE_SECONDS: Final = 30.0
FIRST_SECONDS: Final = 2.0
MOST_KEPT: Final = 500

log = structlog.get_logger()


class Observation(NamedTuple):
    """One reply's lesson, not yet shared: what it is kept under, and what was counted by us and by Claude."""

    key: str
    counted: int
    reported: int


class Learner:
    """What this process knows of each model, and what it has seen since it last told.

    `counter` is the name of the one that counts here: what another counted says nothing of it.
    """

    def __init__(self, store: Store, counter: str) -> None:
        self._store = store
        self._counter = counter
        self._known: dict[str, Calibration] | None = None
        self._seen: list[Observation] = []
        self._next = 0.0
        self._sharing: asyncio.Task[None] | None = None

    async def correction(self, model: str) -> Correction:
        """Return what our counts for the model are multiplied by."""
        self._share_if_due()
        if self._known is None and self._sharing is not None:
            await asyncio.wait([self._sharing], timeout=FIRST_SECONDS)
        return correction_of(self._known, model, self._counter) if self._known else UNLEARNED

    def observe(self, model: str, lesson: Lesson, reported: int) -> None:
        """Take what Claude reported of a request; the oldest that could not be told make room."""
        self._seen.append(Observation(key_of(model, self._counter, lesson.of), lesson.counted, reported))
        del self._seen[:-MOST_KEPT]

    async def share(self) -> None:
        """Add what was seen to what is kept, and read what others learned.

        A lesson is seen until it is kept: after a lost race, or while the store is away, it is told another time.
        """
        try:
            kept = await self._store.calibration()
            known = readable_calibrations(kept)
            for key in {lesson.key for lesson in self._seen}:
                lessons = [lesson for lesson in self._seen if lesson.key == key]
                learned = known.get(key, Calibration())
                for lesson in lessons:
                    learned = learned.learned(lesson.counted, lesson.reported)
                version = kept[key].version if key in kept else 0
                if await self._store.calibrate(key, learned.model_dump_json(), version):
                    known[key] = learned
                    told = set(map(id, lessons))
                    self._seen = [lesson for lesson in self._seen if id(lesson) not in told]
            self._known = known
        except StoreError as error:
            log.warning("calibration.not_shared", error=str(error))

    async def close(self) -> None:
        """Tell what was seen last."""
        if self._sharing is not None:
            self._sharing.cancel()
            await asyncio.wait([self._sharing])
        if self._seen:
            await self.share()

    def _share_if_due(self) -> None:
        running = self._sharing is not None and not self._sharing.done()
        if running or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SHARE_SECONDS
        self._sharing = asyncio.get_running_loop().create_task(self.share())


def readable_calibrations(kept: Mapping[str, Calibrated]) -> dict[str, Calibration]:
    """Return what is kept, by name; what cannot be read is learned anew."""
    found = {}
    for name, each in kept.items():
        try:
            found[name] = Calibration.model_validate_json(each.value)
        except ValidationError as error:
            log.warning("calibration.unreadable", name=name, error=type(error).__name__)
    return found
