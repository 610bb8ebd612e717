"""Every error the service raises on purpose.

CustomerMemoryError
├── SettingsError            the configuration cannot serve; says which variable, and the mend
├── StoreError
│   ├── StoreUnavailable     the store did not answer in time
│   ├── StoreCorrupt         what the store holds cannot be read
│   └── CannotUnseal         what was sealed cannot be opened
├── BrokerError
│   ├── BrokerAway           the broker did not answer
│   └── NoTopics             this kind of broker cannot be listened to from here; says what to do instead
├── Refusal                  a caller asked for what cannot be; each kind is one answer of the API
│   ├── UnknownSession  UnknownRequest  UnknownMessage  UnknownMemory  UnknownSummary  UnknownBatch
│   ├── UnknownDelivery  NoSecretKey  UnknownCustomer  NotReplayable
│   ├── UnknownHook  NotGenuine  Malformed
│   ├── SessionClosed  SessionExpired  SessionBusy  ConversationMoved  ConversationMismatch
│   ├── KeyReused  ContextGone  CustomerErasing  CustomerMerged  MergeRefused  MergeBusy
│   └── MemoryFull  BadCursor
└── ClaudeError
    ├── ClaudeLater          worth another try, and when
    └── ClaudeFailed         final for this request
"""

from __future__ import annotations


class CustomerMemoryError(Exception):
    """Something Customer Memory knows how to name."""


class SettingsError(CustomerMemoryError):
    """The settings cannot serve. The text holds every problem found, one a line."""


class StoreError(CustomerMemoryError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The store did not answer in time. What was asked may or may not have happened; asking again is safe."""


class StoreCorrupt(StoreError):
    """The store holds a record that cannot be read."""


class CannotUnseal(StoreError):
    """What was sealed cannot be opened: its key is not in SECRET_KEY any more. Put it back, behind the new one."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


class BrokerError(CustomerMemoryError):
    """The broker could not do what was asked."""


class BrokerAway(BrokerError):
    """The broker did not answer."""


class NoTopics(BrokerError):
    """The broker routes nothing by topic, so nobody can listen from here. The text says what to do instead."""


class Refusal(CustomerMemoryError):
    """What was asked for cannot be; nothing was changed."""

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or " ".join((type(self).__doc__ or "").split()))


class UnknownSession(Refusal):
    """No such session. It may have been deleted, or belong to another customer."""


class UnknownRequest(Refusal):
    """No such request. Results are kept for REQUEST_RETENTION_HOURS."""


class UnknownMessage(Refusal):
    """The session has no message with this seq. One that waits behind open requests has none yet."""


class UnknownMemory(Refusal):
    """No memory entry of the customer has this key."""


class SessionClosed(Refusal):
    """The session is closed. Reopen it, or leave sessionId out to begin a new one."""


class SessionExpired(Refusal):
    """The session is over: SESSION_TTL_HOURS passed since its last message. Leave sessionId out to begin a new one."""


class SessionBusy(Refusal):
    """Too many requests of this session wait for their turn. Try again when some are answered."""


class ConversationMoved(Refusal):
    """The conversation has been bound to a newer session; this one cannot be reopened."""


class ConversationMismatch(Refusal):
    """The session belongs to another conversation. Name one of sessionId and conversationId, or the two that match."""


class CustomerErasing(Refusal):
    """The customer is being erased. Try again when that is done; what is written then is a new customer's."""


class CustomerMerged(Refusal):
    """The customer was merged into another, `into`."""

    def __init__(self, into: str) -> None:
        super().__init__(f"The customer was merged into {into!r}. Name that one.")
        self.into = into


class MergeRefused(Refusal):
    """A customer cannot be merged into one who was merged into it. Both are the same by now."""


class MergeBusy(Refusal):
    """Another merge of one of these customers is under way. Try again when that is done."""


class UnknownSummary(Refusal):
    """The session has no summary yet. Ask for one with POST, or wait until it is idle or long."""


class UnknownBatch(Refusal):
    """There is no batch with this id, or it is older than 30 days."""


class UnknownDelivery(Refusal):
    """There is no delivery with this id: its request asked for no callback, has not ended, or is past its retention."""


class UnknownCustomer(Refusal):
    """Nothing is known of this customer."""


class NotReplayable(Refusal):
    """Only a failed request is replayed, and only while its message is there. Post the message again instead."""


class NoSecretKey(Refusal):
    """Nothing can be signed or sealed: the operator has not set SECRET_KEY. Set it on every process, then try again."""


class UnknownHook(Refusal):
    """There is no hook with this id on this platform."""


class NotGenuine(Refusal):
    """The delivery is not proven to be the platform's: its proof is missing, wrong, or older than five minutes."""


class Malformed(Refusal):
    """The delivery cannot be read as one of its platform."""


class KeyReused(Refusal):
    """The Idempotency-Key was used with another body. Use a new key for a new request."""


class ContextGone(Refusal):
    """The context cannot be made again: something of it was changed or deleted since. Its receipt is still there."""


class BadCursor(Refusal):
    """The cursor is not one this service gave. Begin again without it."""


class MemoryFull(Refusal):
    """The customer has as many memory entries as are kept. Delete some, or raise MEMORY_MAX_ENTRIES."""


class ClaudeError(CustomerMemoryError):
    """Claude did not answer. `cause` is a stable word for why."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


class ClaudeLater(ClaudeError):
    """Claude may answer another time. `after` is the wait it asked for, in seconds; None where it named none."""

    def __init__(self, cause: str, detail: str, after: float | None = None) -> None:
        super().__init__(cause, detail)
        self.after = after


class ClaudeFailed(ClaudeError):
    """Claude will not answer this request, however often it is asked."""
