"""When a session's summary is due, on DynamoDB: the rules, and where the due index finds it.

The index is lazy. It may find a session before its summary is due, never after: whoever finds it looks at the session
itself, and moves it to the right time. So a turn need not move it each time somebody speaks, and mostly leaves it
alone.

A turn decides about that by what its claim read. What a job or a look writes meanwhile, it would not see; so those
never move a session with open tickets far: see `next_look`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from shared.storage.dynamodb.actions import Action, check, update
from shared.storage.dynamodb.base import CLOSED, HEAD, INBOX, SUMMARY, DynamoParts, State
from shared.storage.dynamodb.schema import session_key, shard_of
from shared.storage.jobs import SummaryReason
from shared.storage.limits import Limits

# What of a session's account lies with its summary, under the same name.
ACCOUNTED: Final = ("covered", "seen", "done", "later", "lease", "asked", "indexed", "read", "taken")
NOWHERE: Final = "REMOVE #due_pk, #due_at"


@dataclass(frozen=True, slots=True)
class Account:
    """What decides when a session's summary is due; moments in milliseconds, 0: none.

    `covered`: raw tokens that its summary covers. `seen`: how many messages there were when it was last looked at to
    its end; `done`: when its digest was made. `asked`: when it was asked for. `indexed`, `read`: through which message
    it is in the recall index, and was read for memory entries; `taken`: raw tokens of that. `found`: when the due
    index finds it.
    """

    messages: int
    tokens: int
    last: int
    expires: int
    closed: int | None
    drained: bool
    strategy: str | None
    wake: int = 0
    covered: int = 0
    seen: int = 0
    done: int = 0
    later: int = 0
    lease: int = 0
    asked: int = 0
    indexed: int = 0
    read: int = 0
    taken: int = 0
    found: int | None = None

    @property
    def behind(self) -> int:
        """Raw tokens that no summary covers."""
        return self.tokens - self.covered


def account_of(state: State) -> Account:
    """Return a session's account, as read."""
    head, inbox, summary = state.head, state.inbox, state.summary
    return Account(
        messages=head["messages"],
        tokens=head.get("tokens", 0),
        last=head.get("last", 0),
        expires=inbox["expires"],
        closed=inbox.get("closed", 0) if inbox["status"] == CLOSED else None,
        drained=not inbox["tickets"],
        strategy=head.get("strategy"),
        wake=inbox.get("wake", 0),
        found=summary.get("due_at"),
        **{name: summary.get(name, 0) for name in ACCOUNTED},
    )


def falls_due(account: Account, limits: Limits, now: int) -> tuple[SummaryReason | None, int | None]:
    """Return why a summary or digest is due now, if it is; and since when, or when it will be; None: never."""
    moments: list[tuple[int, SummaryReason]] = []  # in the order in which they are told, where several hold
    fresh = account.messages > account.seen
    if account.asked > 0:
        moments.append((account.asked, "asked"))
    if limits.digests and account.messages > account.done:
        ends = account.closed if account.closed is not None else account.expires + 1
        # A session with open tickets still drains.
        moments.append((ends if account.drained else max(ends, now + limits.summary_lease_ms), "ended"))
    if fresh and _summarises(account, limits) and 0 < limits.summary_threshold_tokens < account.behind:
        moments.append((account.last, "threshold"))
    if fresh and limits.summary_idle_ms > 0:
        moments.append((account.last + limits.summary_idle_ms, "idle"))
    if limits.memory_delay_ms > 0 and account.messages > min(account.indexed, account.read):
        much = 0 < limits.memory_threshold_tokens < account.tokens - account.taken
        moments.append((account.last if much else account.last + limits.memory_delay_ms, "memory"))
    if not moments:
        return None, None
    when = max(min(moment for moment, _ in moments), account.later, account.lease)
    if when > now:
        return None, when
    return next(reason for moment, reason in moments if moment <= now), when


def next_look(account: Account, limits: Limits, now: int) -> int | None:
    """Return when the index shall find a session whose account was read, and stands; None: never."""
    _, when = falls_due(account, limits, now)
    if account.drained:
        return when
    # A turn may be under way that will not see what is written now. When it has ended, there are other reasons.
    soon = max(now + limits.lease_ms, account.wake, account.lease)
    return soon if when is None else min(when, soon)


def _summarises(account: Account, limits: Limits) -> bool:
    if account.strategy is None:
        return limits.summaries_by_default
    return account.strategy != "sliding_window"


class DynamoScheduling(DynamoParts):
    """What those share that change a session, and with it when its summary is due."""

    def _rescheduled(self, session_id: str, found: int | None, wanted: int | None) -> list[Action]:
        """Return the action that lets the index find a session no later than `wanted`; none where it does."""
        if wanted is None or (found is not None and found <= wanted):
            return []
        change, values = self._found_at(session_id, wanted)
        return [update(session_key(self.tenant, session_id, SUMMARY), f"SET {change}", **values)]

    def _surely_rescheduled(self, session_id: str, found: int | None, wanted: int | None) -> list[Action]:
        """Return the same for those whose session may have no open ticket: where nothing is to be done, a check."""
        changed = self._rescheduled(session_id, found, wanted)
        if changed or wanted is None:
            return changed
        return [check(session_key(self.tenant, session_id, SUMMARY), "#due_at <= :wanted", wanted=wanted)]

    def _found_at(self, session_id: str, when: int) -> tuple[str, dict[str, Any]]:
        """Return the assignments, and their values, by which the index finds a session at `when`."""
        values = {"due_pk": f"sum/{shard_of(session_id[4:6])}", "due_at": when}
        return "#due_pk = :due_pk, #due_at = :due_at", values

    def _unchanged(self, state: State) -> list[Action]:
        """Return the checks that a session still has the tickets and messages that were read."""
        inbox = check(
            session_key(self.tenant, state.id, INBOX),
            "#status = :status AND #tickets = :tickets AND #expires = :expires",
            status=state.inbox["status"],
            tickets=state.tickets,
            expires=state.inbox["expires"],
        )
        messages = state.head["messages"]
        return [inbox, check(session_key(self.tenant, state.id, HEAD), "#messages = :messages", messages=messages)]
