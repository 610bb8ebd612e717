"""What the routes of customers take and give."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from api.schemas import Path
from shared.models import Identifier, Model


class CustomerPath(Path):
    """A customer in the path."""

    customer_id: Identifier


class ExportLine(Model):
    """A line of an export: what its type says, with that record's fields beside it."""

    model_config = ConfigDict(extra="allow")

    type: Literal["session", "message", "summary", "digest", "memory", "end"]


class Erasing(Model):
    """An erasure that goes on: nothing of the customer can be read any more, and not all is removed yet."""

    status: Literal["erasing"] = "erasing"
