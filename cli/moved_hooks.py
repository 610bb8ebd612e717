"""Moving hooks: as they are kept, their secrets still sealed."""

from __future__ import annotations

from shared.storage.contract import Store


async def move_hooks(source: Store, target: Store, tenants: tuple[str, ...]) -> int:
    """Let the target hold the source's hooks; return how many it holds of them.

    Where conversations are kept that came through them is learned anew, with the next message of each.
    """
    moved = 0
    for kept in await source.all_hooks():
        if tenants and kept.tenant not in tenants:
            continue
        there = await target.find_hook(kept.id)
        same = there is not None and there.value == kept.value
        version = there.version if there is not None else 0
        moved += same or await target.tenant(kept.tenant).put_hook(kept.id, kept.value, version)
    return moved
