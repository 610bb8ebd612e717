"""Contexts as callers ask for them and are told them."""

from __future__ import annotations

from pydantic import Field

from api.schemas import Asked
from shared.context.sources import Context
from shared.models import Model, Receipt, Role


class ContextMessage(Model):
    """One message of a context: who speaks, and the texts of its blocks."""

    role: Role
    texts: list[str]


class ContextView(Model):
    """A context as Claude is sent it, with its account."""

    receipt: Receipt
    tools: list[str] = Field(default_factory=list, description="names of the tools the agent may call")
    system: str
    messages: list[ContextMessage]

    @classmethod
    def of(cls, context: Context) -> ContextView:
        """Return what callers see of a context."""
        messages = [
            ContextMessage(role=each["role"], texts=[block["text"] for block in each["content"]])
            for each in context.messages
        ]
        tools = [str(tool["name"]) for tool in context.tools]
        return cls(receipt=context.receipt, tools=tools, system=context.system, messages=messages)


class ContextQuery(Asked):
    """For which message a context is made."""

    message: str = Field("", max_length=10_000, description="what the customer would write; absent: nothing yet")
