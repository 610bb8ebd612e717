"""The bodies of `POST /v1/messages` and its `count_tokens` as pydantic models; meaning is checked in `checks.py`."""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from simulator.errors import ApiError

Ttl = Literal["5m", "1h"]


class Wire(BaseModel):
    """Strict types, unknown fields refused: the API answers 400 to both."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CacheControl(Wire):
    """A prompt-cache breakpoint, behind the block that carries it."""

    type: Literal["ephemeral"]
    ttl: Ttl = "5m"


# A rule is left to the validator where it can be: it is compiled, and a request may hold thousands of blocks.
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class TextBlock(Wire):
    """Words; the only block that is read for an answer."""

    type: Literal["text"]
    text: Text
    citations: list[JsonValue] | None = None
    cache_control: CacheControl | None = None


class ToolUseBlock(Wire):
    """A tool call of an earlier assistant turn."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, JsonValue]
    cache_control: CacheControl | None = None


class ToolResultBlock(Wire):
    """What a tool gave back."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[JsonValue] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Wire):
    """Thinking of an earlier assistant turn, counted and otherwise left alone."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(Wire):
    """Thinking that only the API can read."""

    type: Literal["redacted_thinking"]
    data: str


class MediaBlock(Wire):
    """Accepted and counted, never looked at."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    type: Literal["image", "document", "search_result"]
    source: JsonValue
    cache_control: CacheControl | None = None


ContentBlock = Annotated[
    TextBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock | MediaBlock,
    Field(discriminator="type"),
]


Content = Annotated[Text | Annotated[list[ContentBlock], Field(min_length=1)], Field(union_mode="left_to_right")]
SystemText = Annotated[str, Field(pattern=r"^$|\S")]
System = Annotated[SystemText | list[TextBlock], Field(union_mode="left_to_right")]


class Message(Wire):
    """One turn. A string is shorthand for one text block."""

    role: Literal["user", "assistant"]
    content: Content

    def blocks(self) -> list[ContentBlock]:
        """Return the content's blocks; none for a string."""
        return [] if isinstance(self.content, str) else self.content


class CountRequest(Wire):
    """What is counted: the fields of a request that make its prompt, and some that change nothing."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1, max_length=100_000)
    system: System = ""
    cache_control: CacheControl | None = None
    tools: list[dict[str, JsonValue]] = Field(default_factory=list)
    tool_choice: dict[str, JsonValue] | None = None
    thinking: dict[str, JsonValue] | None = None
    output_config: dict[str, JsonValue] | None = None
    speed: Literal["standard", "fast"] | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None


class MessagesRequest(CountRequest):
    """Every field of the 2026-10-21 version of the API; those at the end are accepted and change nothing."""

    max_tokens: int = Field(ge=0)
    stream: bool = False
    stop_sequences: list[str] = Field(default_factory=list)
    metadata: dict[str, JsonValue] | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"
    container: JsonValue = None
    diagnostics: JsonValue = None
    inference_geo: str | None = None


Request = TypeVar("Request", bound=CountRequest)

# The API's own words for some errors: (pydantic's type, the field) → message; {0}, {1} are the first parts of the path.
_EMPTY = "{0}.{1}: all messages must have non-empty content except for the optional final assistant message"
_BLANK = "{0}: text content blocks must contain non-whitespace text"
WORDING: dict[tuple[str, str], str] = {
    ("too_short", "messages"): "{0}: at least one message is required",
    ("too_short", "content"): _EMPTY,
    ("string_too_short", "content"): _EMPTY,
    ("string_too_short", "text"): "{0}: text content blocks must be non-empty",
    ("string_pattern_mismatch", "text"): _BLANK,
    ("string_pattern_mismatch", "content"): _BLANK,
    ("string_pattern_mismatch", "system"): _BLANK,
}
# Where a string or a list is allowed, both complain; the complaint of the kind that was not sent says nothing.
OTHER_KIND = frozenset({"string_type", "list_type"})


def parse(body: bytes) -> MessagesRequest:
    """Read a request; 400 `invalid_request_error` naming the first field that is wrong."""
    return _parsed(MessagesRequest, body)


def parse_count(body: bytes) -> MessagesRequest:
    """Read a request to count, as the request that it would be; 400 as `parse`."""
    counted = _parsed(CountRequest, body)
    return MessagesRequest.model_construct(**dict(counted), max_tokens=1)


def _parsed(shape: type[Request], body: bytes) -> Request:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise ApiError(400, _problem(error)) from error


def _problem(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    first = next((each for each in found if each["type"] not in OTHER_KIND), found[0])
    if first["type"] == "json_invalid":
        return f"The request body is not valid JSON: {first['msg']}"
    path = [str(part) for part in first["loc"] if not str(part).startswith(("list[", "constrained-str"))]
    wording = WORDING.get((first["type"], path[-1] if path else ""))
    return wording.format(*path) if wording else f"{'.'.join(path)}: {first['msg']}"
