"""Files of conversations: one JSON object a line, checked as a whole before anything is done with them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from shared.errors import CustomerMemoryError

SHOWN_PROBLEMS = 20


class BadFile(CustomerMemoryError):
    """The file has lines that cannot be sent. Each problem names its line and field."""


def _aware(moment: datetime) -> datetime:
    """A time without an offset is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Row(BaseModel):
    """One message of a file. Fields it does not know are passed over: exports carry many."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    customer_id: str = Field(min_length=1, max_length=256)
    message: str = Field(min_length=1)
    conversation_id: str | None = Field(None, min_length=1, max_length=256)
    at: Annotated[datetime, AfterValidator(_aware)] | None = None
    role: Literal["user", "assistant"] = "user"
    author: str | None = None
    line: int = 0

    @property
    def conversation(self) -> tuple[str, str | None]:
        """What tells its conversation: the customer, and the conversation's own id where it has one."""
        return self.customer_id, self.conversation_id


def read_rows(path: Path) -> list[Row]:
    """Return every message of the file, in order. Empty lines are passed over.

    Raises:
        BadFile: some lines will not do; the text names the line and field of each, up to SHOWN_PROBLEMS.

    """
    rows, problems = [], []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                rows.append(Row.model_validate_json(line).model_copy(update={"line": number}))
            except ValidationError as error:
                problems += [f"line {number}: {_where(item['loc'])}{item['msg']}" for item in error.errors()]
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        raise BadFile("\n".join(problems[:SHOWN_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])))
    if not rows:
        message = f"{path} holds no messages."
        raise BadFile(message)
    return rows


def conversations(rows: Iterable[Row], limit: int | None = None) -> list[list[Row]]:
    """Return the messages by conversation, in the order in which the conversations begin; at most `limit` of them."""
    grouped: dict[tuple[str, str | None], list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.conversation, []).append(row)
    return list(grouped.values())[:limit]


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) + ": " if location else ""
