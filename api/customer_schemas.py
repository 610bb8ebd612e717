"""What the routes of customers take and give."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas import Path
from shared.models import Identifier, Model


class CustomerPath(Path):
    """A customer in the path."""

    customer_id: Identifier


class MergeBody(Model):
    """Who turned out to be the customer."""

    source: Identifier = Field(alias="from", description="the id that stands for the customer from now on")


class Merging(Model):
    """How far a merge is: `merged` when all that was kept of `from` is the customer's."""

    status: Literal["merging", "merged"]
    customer_id: str
    source: str = Field(alias="from")
    sessions_left: int = Field(0, description="sessions that have yet to move, at least")


class ExportLine(Model):
    """A line of an export: what its type says, with that record's fields beside it."""

    model_config = ConfigDict(extra="allow")

    type: Literal["session", "message", "summary", "digest", "memory", "end"]


class Erasing(Model):
    """An erasure that goes on: nothing of the customer can be read any more, and not all is removed yet."""

    status: Literal["erasing"] = "erasing"
