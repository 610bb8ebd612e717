"""Whose turn it is: a pure function over what is due and what is being made."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping

from shared.storage.jobs import DueSummary


def choose(waiting: Iterable[DueSummary], in_flight: Mapping[str, int], most: int) -> list[DueSummary]:
    """Return what to begin with now, so that at most `most` are in flight.

    Of a tenant, what has been due longest comes first. Tenants take turns: the one with the fewest in flight is next,
    of equals the one that has waited longest.
    """
    queues: defaultdict[str, deque[DueSummary]] = defaultdict(deque)
    for each in sorted(waiting, key=lambda each: (each.since, each.ref.session_id)):
        queues[each.ref.tenant].append(each)
    flying = Counter({tenant: count for tenant, count in in_flight.items() if count > 0})
    chosen: list[DueSummary] = []
    while flying.total() < most and any(queues.values()):
        ready = [tenant for tenant, queue in queues.items() if queue]
        tenant = min(ready, key=lambda tenant: (flying[tenant], queues[tenant][0].since, tenant))
        chosen.append(queues[tenant].popleft())
        flying[tenant] += 1
    return chosen
