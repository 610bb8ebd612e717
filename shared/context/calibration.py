"""What Claude's own usage teaches of our counting, shared by all workers.

After each reply Claude says how many tokens the request had. The ratio to our count is kept as an exponentially
weighted mean with its mean deviation, and the correction is mean plus twice the deviation: it errs upward. It is
bounded, and lowers nothing before it has seen enough.

Contexts that are nearly all English teach of English, all others of every kind. What was learned may raise any count,
and lowers that of English only: of a mixture nobody can say which kind was counted too high.

Source: J. S. Hunter, The exponentially weighted moving average, 1986.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict

WEIGHT: Final = 0.05
MARGIN: Final = 2.0
LEAST, MOST = 0.7, 1.5
ENOUGH: Final = 20
# Corrections move in steps, so that two turns of a session seldom count by different ones.
STEP: Final = 0.02
MOSTLY: Final = 0.9  # of a context's tokens, to teach of English

Taught = Literal["english", "any"]


@dataclass(frozen=True, slots=True)
class Correction:
    """What counts are multiplied by: those of English, and those of all other kinds, which are never lowered."""

    english: float = 1.0
    others: float = 1.0

    @property
    def none(self) -> bool:
        """Whether nothing was learned."""
        return self.english == self.others == 1.0


UNLEARNED: Final = Correction()
HIGHEST: Final = Correction(MOST, MOST)


class Calibration(BaseModel):
    """What was learned of one kind. `count`: replies seen; `mean`, `deviation`: of reported over counted."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    mean: float = 1.0
    deviation: float = 0.0

    def learned(self, counted: int, reported: int) -> Self:
        """Return what is known after a request that we counted as `counted` tokens and Claude as `reported`."""
        if counted <= 0 or reported <= 0:
            return self
        ratio = min(max(reported / counted, LEAST / 2), MOST * 2)
        if self.count == 0:
            return type(self)(count=1, mean=ratio, deviation=0.0)
        weight = max(WEIGHT, 1 / (self.count + 1))
        mean = self.mean + weight * (ratio - self.mean)
        deviation = self.deviation + weight * (abs(ratio - mean) - self.deviation)
        return type(self)(count=self.count + 1, mean=mean, deviation=deviation)

    @property
    def correction(self) -> float:
        """What our count is multiplied by; never below 1 before enough was seen."""
        steps = -(-(self.mean + MARGIN * self.deviation) // STEP)
        bounded = min(max(round(steps * STEP, 2), LEAST), MOST)
        return bounded if self.count >= ENOUGH else max(1.0, bounded)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a context is, for what it teaches: how we count it without correction, and which kind it is mostly of."""

    counted: int
    of: Taught

    @classmethod
    def of_tokens(cls, english: int, others: int) -> Self:
        """Return the lesson of a context that has so many tokens of English, and of everything else."""
        counted = english + others
        return cls(counted, "english" if english >= MOSTLY * counted else "any")


def key_of(model: str, counter: str, of: Taught) -> str:
    """Return the name under which it is kept: what one counter teaches is nothing for another."""
    return f"{model} {counter} {of}"


def correction_of(kept: Mapping[str, Calibration], model: str, counter: str) -> Correction:
    """Return the correction for a model, by what is kept."""
    english = kept.get(key_of(model, counter, "english"), Calibration())
    others = max(1.0, english.correction, kept.get(key_of(model, counter, "any"), Calibration()).correction)
    return Correction(english.correction if english.count >= ENOUGH else others, others)
