"""Many writers of one memory entry at once, jobs and callers: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from shared.errors import UnknownMemory
from tests.contract.entries import entries, extracted, facts
from tests.contract.recall_index import memory_claim
from tests.contract.store import MINUTE, Desk, StoreClock
from tests.contract.summaries import spoken

JOBS = 4
WRITERS = 6


async def jobs(desk: Desk, key: str = "language") -> list[Awaitable[str]]:
    """Return extractions of one key that are ready to run, each by the job of a session of its own, said just now."""
    refs = [await spoken(desk, 5) for _ in range(JOBS)]
    claims = [await memory_claim(desk, ref) for ref in refs]
    return [
        extracted(desk, claim, key, f"extracted {number}", facts(desk, ref), "preference")
        for number, (ref, claim) in enumerate(zip(refs, claims, strict=True))
    ]


async def race(desk: Desk) -> None:
    """Let callers and jobs write one key at once: each write that was acknowledged is the value, or in its history."""
    extractions = await jobs(desk)
    writes = [desk.own.put_memory("cust-1", "language", f"written {n}", "note") for n in range(WRITERS)]
    words, written = await asyncio.gather(asyncio.gather(*extractions), asyncio.gather(*writes))
    assert set(words) <= {"created", "replaced", "older"}
    taken = [f"extracted {number}" for number, word in enumerate(words) if word != "older"]
    found = await entries(desk)
    assert list(found) == ["language"]
    entry = found["language"]
    values = [entry.value, *(version.value for version in entry.history)]
    assert sorted(values) == sorted([*taken, *(f"written {n}" for n in range(WRITERS))])
    assert entry.version == len(values)
    assert [version.version for version in entry.history] == list(range(len(values) - 1, 0, -1))
    assert sorted(entry.version for entry, _ in written) == sorted({entry.version for entry, _ in written})
    assert [*words, *("created" for _, new in written if new)].count("created") == 1


def _ticking(clock: StoreClock) -> int:
    clock.ms += 1
    return clock.ms


class EntryRaceContract:
    """The rules, for any store."""

    async def test_no_write_of_one_key_is_lost_or_doubled(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(StoreClock, "__call__", _ticking)
        await race(desk)

    async def test_nor_is_one_of_the_same_millisecond(self, desk: Desk) -> None:
        await race(desk)

    async def test_what_is_extracted_after_it_was_written_does_not_undo_it(self, desk: Desk) -> None:
        extractions = await jobs(desk)
        desk.clock.pass_(MINUTE)
        await desk.own.put_memory("cust-1", "language", "English", "preference")
        assert set(await asyncio.gather(*extractions)) == {"older"}
        entry = (await entries(desk))["language"]
        assert (entry.value, entry.version, entry.history) == ("English", 1, [])

    async def test_the_same_extracted_at_once_is_written_once(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        same = [extracted(desk, claim, "language", "German", facts(desk, ref), "note") for _ in range(JOBS)]
        words = await asyncio.gather(*same)
        assert sorted(words) == ["created", *["same"] * (JOBS - 1)]
        assert (await entries(desk))["language"].version == 1

    async def test_writes_of_many_keys_at_once_are_all_there(self, desk: Desk) -> None:
        first, second = await jobs(desk, "one"), await jobs(desk, "other")
        writes = [desk.own.put_memory("cust-1", f"key {n}", n, "note") for n in range(WRITERS)]
        await asyncio.gather(*first, *second, *writes)
        assert set(await entries(desk)) == {"one", "other", *(f"key {n}" for n in range(WRITERS))}

    async def test_a_deletion_among_writes_ends_in_one_of_their_orders(self, desk: Desk) -> None:
        await desk.own.put_memory("cust-1", "language", "before", "note")
        writes = [desk.own.put_memory("cust-1", "language", f"written {n}", "note") for n in range(WRITERS)]
        gone = desk.own.delete_memory("cust-1", "language")
        told = await asyncio.gather(gone, *writes, return_exceptions=True)
        assert not [each for each in told if isinstance(each, Exception) and not isinstance(each, UnknownMemory)]
        found = await entries(desk)
        if "language" in found:
            entry = found["language"]
            values = [entry.value, *(version.value for version in entry.history)]
            assert len(values) == len(set(values))
