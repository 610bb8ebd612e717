"""What moving did, and what a comparison of two stores found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from shared.storage.portable import Contents, Unit

NAMED: Final = 5


@dataclass
class Passed:
    """What a pass did. `busy`: sessions that a worker held while they were copied."""

    copied: int = 0
    removed: int = 0
    same: int = 0
    busy: int = 0

    @property
    def changed(self) -> int:
        """Units that were not yet as they should be."""
        return self.copied + self.removed


@dataclass
class Held:
    """What one store holds of a tenant. `digest`: the sum of the digests of all its units, whatever their order."""

    sessions: int = 0
    messages: int = 0
    requests: int = 0
    entries: int = 0
    digest: int = 0

    def add(self, unit: Unit, found: Contents) -> None:
        """Count a unit in."""
        self.sessions += unit.kind == "session"
        self.messages += found.messages
        self.requests += found.requests
        self.entries += found.entries
        self.digest = (self.digest + int(found.digest[:16], 16)) % 2**64


@dataclass
class Comparison:
    """What both stores hold, by tenant: first the source, then the target."""

    tenants: dict[str, tuple[Held, Held]] = field(default_factory=dict)
    differing: int = 0
    named: list[str] = field(default_factory=list)

    def of(self, tenant: str) -> tuple[Held, Held]:
        """Return the counts of a tenant."""
        return self.tenants.setdefault(tenant, (Held(), Held()))

    def differs(self, unit: Unit, how: str) -> None:
        """Note a difference; the first few are told by name."""
        self.differing += 1
        if len(self.named) < NAMED:
            self.named.append(f"{unit}: {how}")


def difference(source: Contents | None, target: Contents | None) -> str:
    """Return how what two stores hold of a unit differs."""
    if source is None or target is None:
        return "is not in the source" if source is None else "is not in the target"
    counts = Counter(messages=source.messages - target.messages, requests=source.requests - target.requests)
    more = [
        f"{abs(count)} {name} {'more' if count < 0 else 'fewer'} in the target"
        for name, count in counts.items()
        if count
    ]
    return ", ".join(more) or "has other contents in the target"
