"""What a store to move from holds, beside what the store to move to holds of the same."""

from __future__ import annotations

from typing import Final

from shared.storage.portable import LOADING, Contents, Kept, Kind, MovedOn, Portable, Unit, Vanished, contents

# Units that keep what they were when both stores were last the same. The others end by themselves.
LASTING: Final[frozenset[Kind]] = frozenset({"session", "memory", "instructions"})


async def contents_of(store: Portable, kept: Kept | None, since: int) -> Contents | None:
    """Return what a copy holds; None where there is none, or not any more."""
    if kept is None or kept.dump is None or not is_there(kept):
        return None
    try:
        return await contents(store, kept.dump, since)
    except Vanished:
        return None


def is_there(kept: Kept | None) -> bool:
    """Return whether there is anything, be it in parts; a customer's memory may be known to be empty."""
    return kept is not None and (kept.dump is None or bool(kept.dump.fields) or kept.copied == LOADING)


def stamp(kept: Kept | None) -> str | None:
    """Return what tells a copy from any other."""
    return kept.whole if kept is not None else None


def same(kept: Kept, there: Kept | None) -> bool:
    """Return whether there is nothing left to copy."""
    if there is None or there.dump is None or kept.dump is None:
        return False
    if kept.dump.unit.kind == "reservation" and (there.dump.ends or 0) > (kept.dump.ends or 0):
        return True  # a later use of the same key
    return there.whole == kept.dump.stamp


def refuse_changed(kept: Kept, there: Kept | None, unit: Unit) -> None:
    """Raise MovedOn unless the target's copy may be written over: it is untouched, or just what was moved from."""
    if there is None or there.untouched or unit.kind not in LASTING:
        return
    if there.whole is not None and there.whole in {stamp(kept), kept.copied}:
        return
    raise MovedOn(
        f"{unit} has changed in the target since it was the same here: the service runs there. It was not overwritten; "
        "move into an empty store, or into the one that was moved from."
    )
