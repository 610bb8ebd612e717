"""What Claude's usage teaches of our counting."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.context.assembly import assemble
from shared.context.budget import Meter
from shared.context.calibration import ENOUGH, LEAST, MOST, Calibration, Correction, correction_of

from .drafts import CL100K, conversation, draft

counts = st.integers(1, 100_000)


def taught(ratio: float, times: int) -> Calibration:
    """Return what is known after as many replies of one ratio."""
    known = Calibration()
    for _ in range(times):
        known = known.learned(1000, round(1000 * ratio))
    return known


def test_nothing_is_lowered_before_enough_was_seen() -> None:
    assert taught(0.8, ENOUGH - 1).correction == 1.0
    assert 0.8 <= taught(0.8, ENOUGH).correction <= 0.84


def test_what_was_counted_too_low_is_raised_at_once() -> None:
    assert taught(1.2, 1).correction >= 1.2


def test_one_odd_reply_moves_little() -> None:
    known = taught(0.8, 200)
    assert known.learned(1000, 1400).correction - known.correction < 0.12


@given(st.lists(st.tuples(counts, counts), max_size=60))
def test_a_correction_is_bounded_whatever_was_reported(replies: list[tuple[int, int]]) -> None:
    known = Calibration()
    for counted, reported in replies:
        known = known.learned(counted, reported)
    assert LEAST <= known.correction <= MOST
    assert Calibration.model_validate_json(known.model_dump_json()) == known


@given(st.floats(0.75, 1.4), st.floats(0, 0.1), st.integers(0, 2**32))
def test_it_errs_upward(ratio: float, spread: float, seed: int) -> None:
    known = Calibration()
    for number in range(100):
        wave = ((seed + number * 7919) % 200 - 100) / 100
        known = known.learned(10_000, round(10_000 * (ratio + spread * wave)))
    assert known.correction >= min(known.mean, MOST)


def test_a_report_of_nothing_teaches_nothing() -> None:
    assert Calibration().learned(0, 10) == Calibration()
    assert Calibration().learned(10, 0) == Calibration()


def kept(english: Calibration | None = None, others: Calibration | None = None) -> dict[str, Calibration]:
    """Return what is kept of one model and counter."""
    given = {"english": english, "any": others}
    return {f"claude-sonnet-5-5 cl100k_base {of}": known for of, known in given.items() if known}


def test_english_lowers_the_count_of_nothing_but_english() -> None:
    correction = correction_of(kept(english=taught(0.76, 40)), "claude-sonnet-5-5", "cl100k_base")
    assert 0.76 <= correction.english <= 0.8
    assert correction.others == 1.0
    meter = Meter(CL100K, "claude-sonnet-5-5", correction)
    bare = Meter(CL100K, "claude-sonnet-5-5")
    english = "Where is the parcel that was sent to me by the shop two weeks ago?"
    assert meter.text(english) < bare.text(english)
    for text in (
        "Die Rechnung fehlt noch, obwohl die Ware hier ist.",
        english.upper(),
        "getOrderById(orderId)",
        "Где?",
    ):
        assert meter.text(text) == bare.text(text)


def test_what_is_not_english_lowers_nothing() -> None:
    assert correction_of(kept(others=taught(0.7, 40)), "claude-sonnet-5-5", "cl100k_base") == Correction()


def test_what_was_counted_too_low_raises_every_kind() -> None:
    raised = correction_of(kept(others=taught(1.2, 1)), "claude-sonnet-5-5", "cl100k_base")
    assert raised == Correction(1.2, 1.2)
    of_english = correction_of(kept(english=taught(1.24, 30)), "claude-sonnet-5-5", "cl100k_base")
    assert of_english == Correction(1.24, 1.24)
    apart = correction_of(kept(taught(0.8, 40), taught(1.1, 5)), "claude-sonnet-5-5", "cl100k_base")
    assert apart.english < 1.0 < apart.others


def test_another_counter_has_learned_nothing_yet() -> None:
    known = kept(english=taught(0.76, 40), others=taught(1.3, 40))
    assert correction_of(known, "claude-sonnet-5-5", "utf8_bytes_estimate") == Correction()
    assert correction_of(known, "claude-sonnet-4-6", "cl100k_base") == Correction()


def test_a_context_teaches_of_english_when_it_is_nearly_all_english() -> None:
    words = "The parcel with the blue ribbon has not come yet, although it was sent to you two weeks ago. "
    german = "Die Rechnung fehlt noch, obwohl die Ware seit zwei Wochen hier ist. " * 6
    english = assemble(draft(words, history=conversation(words, words, words, words)), CL100K)
    assert english.lesson.of == "english"
    assert english.lesson.counted == english.tokens
    mixed = assemble(draft(words, history=conversation(words, words, german, words)), CL100K)
    assert mixed.lesson.of == "any"
    corrected = assemble(replace(draft(words), correction=Correction(0.8, 1.1)), CL100K)
    assert corrected.lesson == assemble(draft(words), CL100K).lesson
    assert corrected.tokens < corrected.lesson.counted


def test_the_receipt_says_which_corrections_were_learned() -> None:
    receipt = assemble(replace(draft(), correction=Correction(0.86, 1.06)), CL100K).receipt
    assert (receipt.correction, receipt.english_correction) == (1.06, 0.86)
    assert receipt.counter == "cl100k_base*1.40*1.06, English*0.86"
