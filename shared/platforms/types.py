"""What a platform is to us: something that posts deliveries, and is answered by calls.

    Posted ─▶ verify ─▶ challenge, or read ─▶ CustomerMessage | AgentMessage | Handling | Ignored
    reply, note, hand_off ─▶ Call

A *conversation* is the platform's own, as a reference in the adapter's words that says where a reply goes, such as
`2/15`. `shared.hooks` makes a session's conversation id of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeVar

from pydantic import ConfigDict, Field

from shared.models import Attachment, Metadata, Model

PlatformName = Literal["chatwoot", "zendesk", "sunshine", "intercom", "freshchat", "freshdesk", "slack", "generic"]
SecretName = Literal["signing", "shared", "token"]

SIGNING: Final = "signing"
"""What the platform proves its deliveries with: a key of its own making."""
SHARED: Final = "shared"
"""The same of our making, for what cannot sign: it comes back in a header, as a password, or in the address."""
TOKEN: Final = "token"  # noqa: S105 - a name
"""What we are let in with, when we call the platform."""


class HookSettings(Model):
    """What any hook can be told."""

    # Ids are numbers to people, and texts to us.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    coalesce_seconds: float = Field(
        4.0, ge=0, le=60, description="messages of one conversation within this time of each other are answered once"
    )


Settings = TypeVar("Settings", bound=HookSettings)


@dataclass(frozen=True, slots=True)
class OpenHook:
    """A tenant's connection to a platform, its secrets unsealed; of several of a name the current one comes first."""

    id: str
    tenant: str
    platform: PlatformName
    settings: HookSettings
    secrets: Mapping[str, Sequence[str]] = field(repr=False)

    def settings_as(self, kind: type[Settings]) -> Settings:
        """Return the settings as those of their platform.

        Raises:
            TypeError: they are another platform's.

        """
        if not isinstance(self.settings, kind):
            raise TypeError(f"{self.id} has {type(self.settings).__name__}")
        return self.settings

    def secret(self, name: SecretName) -> str | None:
        """Return the current secret of a name; None where the hook has none."""
        return next(iter(self.secrets.get(name, ())), None)


@dataclass(frozen=True, slots=True)
class Posted:
    """What came in over HTTP. `headers`: names in lower case. `url`: the public address it was posted to."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    now: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """What goes out over HTTP. `json` None: no body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class CustomerMessage:
    """A customer's public message: it starts a turn. `message_id` is the platform's, unique within the hook."""

    message_id: str
    conversation: str
    customer_id: str
    text: str = field(repr=False)
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    metadata: Metadata = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """What a person of the support team wrote to the customer: it is recorded, and the conversation is theirs.

    `customer_id` None: the platform does not say whose conversation it is.
    """

    message_id: str
    conversation: str
    customer_id: str | None
    text: str = field(repr=False)
    author: str | None = None
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Handling:
    """Whose a conversation is from now on: the `agent`'s (the AI), a `human`'s, or nobody's, as it is `over`.

    `customer_id` None: the platform does not say whose conversation it is.
    """

    conversation: str
    customer_id: str | None
    to: Literal["agent", "human", "over"]


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is nothing to us, and a few stable words for why."""

    reason: str


Event = CustomerMessage | AgentMessage | Handling | Ignored


class Incoming(Protocol):
    """What a platform posts: verify, recognise, normalise."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """Return where the delivery is genuine, and not stale.

        Raises:
            NotGenuine

        """

    def challenge(self, posted: Posted, hook: OpenHook) -> dict[str, Any] | None:
        """Return what to answer where the platform only asks whether we are there; None where it does not.

        Raises:
            Malformed

        """

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """Return what a genuine delivery says.

        Raises:
            Malformed

        """


@dataclass(frozen=True, slots=True)
class Words:
    """What is to be posted. `mark`: no other post has it. `since`: it was not posted before, by our clock."""

    text: str = field(repr=False)
    mark: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A platform's answer to a call. `headers`: names in lower case. `json` None: it said nothing that can be read."""

    status: int
    now: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What an answer means.

    taken: it is done. later: it may be tried again, not before `wait` seconds. locked: we were not let in. gone: there
    is no such conversation. refused: it is not taken, now or later. `word`: the platform's own word for why, if any.
    """

    means: Literal["taken", "later", "locked", "gone", "refused"]
    wait: float | None = None
    word: str | None = None


class AsksNothing:
    """A platform that never asks whether we are there."""

    def challenge(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.challenge`."""


class Outgoing(Protocol):
    """What a platform is asked, and what its answers mean."""

    def longest(self, hook: OpenHook) -> int:
        """Return how many characters one message may have."""

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call | None:
        """Return the call that posts a reply for the customer to see; None where the hook is told of none."""

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call | None:
        """Return the call that posts a private note; None where the platform has none."""

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call | None:
        """Return the call that hands the conversation to a person; None where there is none.

        Asked twice, it does as once. `brief`: what that person should know, where a note cannot tell it.
        """

    def look(self, hook: OpenHook, conversation: str) -> Call | None:
        """Return the call that reads the newest messages; None where the platform does not allow it."""

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """Return whether the answer to `look` holds our reply, or our note where it is `private`."""

    def handler(self, hook: OpenHook, conversation: str) -> Call | None:
        """Return the call that asks whose the conversation is now; None where that cannot be asked."""

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """Return whether the answer to `handler` says that it is the agent's."""

    def judge(self, told: Told) -> Judged:
        """Return what the answer to any of these calls means."""
