"""The control API's JSON, shared by the server and `simulator.client`: the only place where it is described."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.alias_generators import to_camel

FaultKind = Literal["status", "slow", "hang", "cut", "stream_error", "stop", "empty", "reply", "summary"]
FaultStatus = Literal[400, 401, 403, 404, 408, 413, 429, 500, 503, 504, 529]
ForcedStop = Literal["refusal", "max_tokens", "model_context_window_exceeded", "pause_turn"]
Misdeed = Literal["empty", "none", "refusal", "too_long", "drop", "alter", "instructions", "slow"]
Outcome = Literal["open", "answered", "refused", "broken", "client left", "server stopped"]

# What a kind of fault cannot do without.
NEEDS: dict[FaultKind, str] = {
    "status": "status",
    "slow": "delay_ms",
    "stop": "stop_reason",
    "reply": "text",
    "summary": "how",
}


class Schema(BaseModel):
    """camelCase on the wire, snake_case in Python, nothing unknown accepted."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )


class Fault(Schema):
    """One order to misbehave. `times`: requests it hits, -1 for ever. `match`: part of the last user text it waits for.

    `delay_ms` comes before whatever else the fault does. `after_chars` counts characters of the reply's text.
    A fault of kind `summary` waits for a request for a summary; `how` says what is done to it.
    """

    kind: FaultKind
    times: int = Field(default=1, ge=-1)
    match: str | None = None
    delay_ms: float = Field(default=0, ge=0)
    status: FaultStatus | None = None
    retry_after: float | str | None = None
    error_code: str | None = None
    after_chars: int | None = Field(default=None, ge=0)
    stop_reason: ForcedStop | None = None
    text: str | None = None
    how: Misdeed | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = NEEDS.get(self.kind)
        if needed is not None and not getattr(self, needed):
            problem = f"a fault of kind {self.kind!r} needs {to_camel(needed)}"
            raise ValueError(problem)
        if self.times == 0:
            problem = "times is how many requests the fault hits: 1 or more, or -1 for ever"
            raise ValueError(problem)
        return self


class FaultList(Schema):
    """Body of `POST /_simulator/faults`, and its answer: what is in force, `times` being what is left of each."""

    faults: list[Fault]


class Settings(Schema):
    """Pace: milliseconds before the first byte, output tokens a second (0: no limit), seconds a new batch takes."""

    latency_ms: float = Field(default=0, ge=0)
    tokens_per_second: float = Field(default=0, ge=0)
    batch_seconds: float = Field(default=0, ge=0)


class RequestRecord(Schema):
    """One request to `/v1/messages`, valid or not. `at`: seconds since the epoch. `body`: null when it was not JSON.

    `outcome`: open (being answered), answered (a whole reply), refused (an error status), broken (by a fault, midway),
    client left, server stopped.
    """

    number: int
    request_id: str
    at: float
    duration_ms: float | None
    headers: dict[str, str]
    body: JsonValue
    status: int | None
    stop_reason: str | None
    outcome: Outcome


class RequestList(Schema):
    """Answer of `GET /_simulator/requests?since=N`: those numbered above N, oldest first."""

    requests: list[RequestRecord]


class Stats(Schema):
    """`requests` since the start; `open` now; `max_open`, the most at once since the start or the last DELETE."""

    requests: int
    open: int
    max_open: int


class BatchRecord(Schema):
    """One batch that was handed in. `at`: seconds since the epoch; `answered`: how many of its requests have been."""

    id: str
    at: float
    status: Literal["in_progress", "canceling", "ended"]
    custom_ids: list[str]
    answered: int


class BatchList(Schema):
    """Answer of `GET /_simulator/batches`, oldest first."""

    batches: list[BatchRecord]
