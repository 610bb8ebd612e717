"""What a generic hook is told: how deliveries are proven, and where in them our fields are.

Every place is a JMESPath expression, asked of one event.
"""

from __future__ import annotations

from pydantic import Field

from shared.models import Model
from shared.platforms.generic.calls import CallTemplate, HandlerTemplate, LookTemplate
from shared.platforms.generic.paths import Path
from shared.platforms.generic.proof import HeaderName, Proof
from shared.platforms.types import HookSettings


class Rule(Model):
    """Which events are messages of a kind, and where their fields are."""

    when: Path = Field(description="holds for events that are such a message")
    id: Path = Field(description="the message's id; what comes twice is taken once")
    conversation: Path = Field(description="the conversation's id, as a reply names it")
    text: Path
    html: bool = Field(False, description="the text is HTML")
    attachments: Path | None = Field(None, description="a list of addresses, or of objects: name, url, type, size")


class CustomerRule(Rule):
    """Which events are a customer's public message."""

    customer: Path = Field(description="the customer's id")
    vouched: bool = Field(
        False, description="the platform vouches for this id, and it is the one you know the customer by"
    )
    metadata: dict[str, Path] = Field(default_factory=dict, max_length=20, description="further things, by name")


class AgentRule(Rule):
    """Which events are a public message of a person of the support team."""

    customer: Path | None = Field(None, description="the customer's id, where the event tells it")
    author: Path | None = Field(None, description="the person's name")


class HandlingRule(Model):
    """Which events say whose a conversation is from now on."""

    conversation: Path
    customer: Path | None = None
    human: Path | None = Field(None, description="holds where a person has it now")
    agent: Path | None = Field(None, description="holds where it is the agent's again")
    over: Path | None = Field(None, description="holds where it is over")


class Challenge(Model):
    """What the platform asks before it posts, and how it wants that answered."""

    header: HeaderName | None = Field(None, description="the header that carries what to send back")
    path: Path | None = Field(None, description="where in the body it is, where it is in no header")
    answer: str = Field("challenge", max_length=50, description="the field of our answer that carries it")


class GenericSettings(HookSettings):
    """A platform of which this service knows nothing."""

    name: str = Field("generic", pattern=r"^[a-z0-9-]{1,40}$", description="the platform, as customer ids begin with")
    account: str = Field("", max_length=100, description="the account there, as customer ids go on with")
    proof: Proof
    challenge: Challenge | None = None
    events: Path = Field("@", description="the event in a delivery, or the list of them")
    customer: CustomerRule
    human: AgentRule | None = None
    handling: HandlingRule | None = None
    reply: CallTemplate | None = Field(None, description="how a reply is posted; none: nothing is")
    note: CallTemplate | None = Field(None, description="how a private note is posted")
    hand_off: CallTemplate | None = Field(None, description="how a conversation is handed to a person")
    look: LookTemplate | None = Field(None, description="how the newest messages are read")
    handler: HandlerTemplate | None = Field(None, description="how to ask whose a conversation is")
    longest: int = Field(10_000, ge=100, le=1_000_000, description="of one message that is posted, in characters")
