"""Every setting, with its environment variable, default, unit and meaning.

Read from the environment and from `.env` in the working directory, the environment first. `.env.example` and
`docs/reference/settings.md` are checked against this module by tests. All problems are found at once and told together.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.connections import Connections, split
from shared.errors import SettingsError

CLAUDE_MODELS = (
    "claude-sonnet-4-6",
    "claude-sonnet-5-5",
    "claude-sonnet-5",
    "claude-haiku-5-5",
    "claude-haiku-4-5",
    "claude-opus-5-5",
    "claude-opus-4-6",
    "claude-fable-5-1",
)

# 4 bytes of UTF-8 each, twice in one transaction of at most 4 MB: as a request, and as the message it becomes.
DYNAMODB_MESSAGE_CHARS = 500_000

KEY_CHARS = 32
MOST_KEYS = 2

DEFAULT_INSTRUCTIONS = (
    "You are a customer support agent. Be warm, brief and exact. Use what you are told about this customer: do not "
    "ask again for what they already said, and speak of earlier conversations when it helps. Never invent an order, "
    "an amount, a date or a promise; when you do not know, say so and say what happens next."
)

DEFAULT_HANDOFF_REPLY = "I am handing this conversation to a colleague, who will answer you here."


class Settings(Connections):
    """The configuration of one process. Field names in capitals are the environment variables."""

    # Claude
    anthropic_api_key: SecretStr | None = Field(None, description="Claude key; absent: the bundled simulator answers")
    anthropic_base_url: str | None = Field(None, description="another address of the Claude API, such as a proxy")
    simulator_url: str = Field("http://127.0.0.1:8089", description="where the simulator listens; used without a key")
    chat_model: str = Field("claude-sonnet-4-6", description="the model that answers")
    fallback_model: str | None = Field(None, description="the model that answers when the first cannot")
    allowed_models: Annotated[tuple[str, ...], NoDecode] = Field(
        CLAUDE_MODELS, description="what `model` of a request may name, separated by commas"
    )
    claude_timeout_seconds: float = Field(120, gt=0, le=840, description="longest one call to Claude may take")

    # Web
    host: str = Field("127.0.0.1", description="address to listen on; beyond loopback only with an API key made")
    port: int = Field(8080, ge=1, le=65535, description="port to listen on")
    web_processes: int = Field(1, ge=1, le=64, description="web server processes")
    web_threads: int = Field(16, ge=1, le=256, description="Flask threads of a web process; held requests use none")
    max_message_chars: int = Field(100_000, ge=1, le=1_000_000, description="longest message, in characters")
    max_metadata_bytes: int = Field(
        4096, ge=2, le=65_536, description="largest metadata, and what is said of attachments, in bytes of JSON"
    )
    max_memory_value_bytes: int = Field(4096, ge=2, le=65_536, description="largest memory value, in bytes of JSON")
    memory_max_entries: int = Field(500, ge=1, le=10_000, description="most memory entries of one customer")
    max_open_requests: int = Field(100, ge=1, le=10_000, description="most requests of one session that may wait")
    coalesce_seconds: float = Field(
        0, ge=0, le=60, description="so long a chat request waits for the next one, to answer both at once; 0: not"
    )
    chat_default_wait_seconds: int = Field(0, ge=0, le=60, description="as if every chat request said `Prefer: wait`")
    max_wait_seconds: int = Field(60, ge=1, le=600, description="longest wait of one request, `Prefer` or `?wait`")

    # Context
    token_budget_max: int = Field(4096, ge=512, le=1_000_000, description="most tokens in the assembled context")
    token_budget_reserve: int = Field(500, ge=1, le=128_000, description="of these, kept free for the reply")
    compression_strategy: Literal["sliding_window", "summarization", "hybrid"] = Field(
        "sliding_window", description="how history is fitted: newest turns; summary and later turns; or both"
    )
    cache_ttl: Literal["5m", "1h", "off"] = Field(
        "5m", description="how long Claude's prompt cache keeps a context's beginning; `off`: no cache breakpoints"
    )
    exact_count: bool = Field(
        False, description="let Claude count each context before it is sent; one call more, ahead of the reply"
    )
    agent_instructions: str = Field(DEFAULT_INSTRUCTIONS, description="instructions of tenants that set none")
    handoff_reply: str = Field(
        DEFAULT_HANDOFF_REPLY,
        min_length=1,
        description="what the customer reads when the agent hands off without a word",
    )
    context_messages: int = Field(200, ge=2, le=2000, description="most recent messages a turn reads")
    context_memory_entries: int = Field(50, ge=0, le=500, description="most memory entries a turn reads")

    # Memory
    recall_share: float = Field(
        0.4, ge=0, le=0.9, description="of the context, for earlier turns that matter for the message; 0: no recall"
    )
    recall_index_kb: int = Field(1024, ge=16, le=65_536, description="of a customer's index searched, newest first")
    recall_cache_mb: int = Field(64, ge=1, le=65_536, description="of packed indexes a process keeps; takes ten times")
    semantic_model: Path | None = Field(
        None, description="folder of a Model2Vec model, for recall by meaning beside words; needs the extra `semantic`"
    )
    memory_delay_seconds: float = Field(
        60, ge=1, le=86_400, description="a session silent so long is indexed, and read for memory entries"
    )
    memory_threshold_tokens: int = Field(
        1500, ge=0, le=1_000_000, description="so many unread raw tokens make that due at once; 0: never"
    )
    extraction: bool = Field(True, description="let a model read sessions for memory entries; a tenant may say no")
    extraction_model: str | None = Field(None, description="the model that does; SUMMARY_MODEL when absent")
    extraction_cold_hours: float = Field(
        0,
        ge=0,
        le=8760,
        description="what was last said so long ago, unread, is left to a batch, half price, within a day; 0: never",
    )

    # Summaries
    summary_model: str = Field("claude-haiku-5-5", description="the model that summarises; the cheapest that fits")
    summary_max_tokens: int = Field(300, ge=50, le=4000, description="longest summary, in raw tokens")
    summary_threshold_tokens: int = Field(
        2000,
        ge=0,
        le=1_000_000,
        description="a session whose strategy uses summaries is due with so many raw tokens in none; 0: never",
    )
    summary_idle_minutes: float = Field(30, ge=0, description="a session that is silent so long is due; 0: never")
    session_digests: bool = Field(True, description="record what a session was about when it is over, for later ones")
    context_digests: int = Field(10, ge=0, le=50, description="most digests of earlier sessions a turn reads")
    summary_concurrency: int = Field(8, ge=1, le=200, description="summaries one worker process makes at a time")
    summaries_in_flight: int = Field(16, ge=1, le=2000, description="most summaries being made in the deployment")
    summary_lease_seconds: float = Field(300, ge=3, le=3600, description="how long a killed summary job is waited for")

    # Time
    session_ttl_hours: float = Field(24, gt=0, description="a session is over this long after its last message")
    request_deadline_minutes: float = Field(15, gt=0, le=55, description="a waiting request fails after this")
    request_retention_hours: float = Field(72, ge=24, description="how long results can be read by request id")
    memory_retention_days: float = Field(365, ge=0, description="memory after the last activity; 0: for ever")

    # Delivery
    lease_seconds: float = Field(30, ge=1, le=600, description="how long a killed worker holds its session")
    reconcile_seconds: float = Field(5, ge=0.2, le=10, description="how often overdue work is published again")
    poison_limit: int = Field(3, ge=1, le=100, description="deaths in quarantine that condemn a request")
    worker_concurrency: int = Field(200, ge=1, le=2000, description="turns one worker process runs at a time")
    events_include_content: bool = Field(False, description="events carry the reply, not only its ids")
    event_queues: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="subscriber queues kept bound: `name=routing.pattern`, separated by commas"
    )

    # Callbacks
    secret_key: SecretStr | None = Field(
        None, description="seals stored secrets, 32 characters or more; `new,old` while it rotates; `up` makes one"
    )
    callback_allow_http: bool = Field(False, description="callbacks may go to `http://` addresses too")
    callback_allowed_cidrs: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="networks that callbacks may reach though they are not public, such as `10.1.0.0/16`"
    )
    callback_timeout_seconds: float = Field(15, gt=0, le=60, description="longest one attempt at a callback may take")
    callback_concurrency: int = Field(32, ge=1, le=500, description="callbacks one worker process posts at a time")
    callbacks_per_endpoint: int = Field(8, ge=1, le=500, description="of these, to one address of a tenant")
    delivery_retention_hours: float = Field(
        168, ge=100, description="how long deliveries, and their requests, are kept after they last changed"
    )

    # Hooks
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] | None = Field(
        None,
        description="how helpdesks reach the service, such as `https://memory.example.com`; hooks' addresses begin so",
    )

    # Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe line written")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else json")

    @field_validator("allowed_models", "event_queues", "callback_allowed_cidrs", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split(value)

    @field_validator("event_queues")
    @classmethod
    def _named_queues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for binding in value:
            name, equals, pattern = binding.partition("=")
            if not (name and equals and pattern):
                message = f"write each queue as name=routing.pattern, such as crm=acme.chat.#; not {binding!r}"
                raise ValueError(message)
        return value

    @field_validator("callback_allowed_cidrs")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                message = f"write each network as address/length, such as 10.1.0.0/16; not {text!r}"
                raise ValueError(message) from error
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_keys(cls, value: SecretStr | None) -> SecretStr | None:
        keys = split(value.get_secret_value()) if value else ()
        if value and not (1 <= len(keys) <= MOST_KEYS and all(len(key) >= KEY_CHARS for key in keys)):
            raise ValueError(
                f"must be {KEY_CHARS} characters or more, or two such keys as new,old: openssl rand -hex 32"
            )
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Settings:
        problems = []
        if self.token_budget_reserve >= self.token_budget_max:
            problems.append("TOKEN_BUDGET_RESERVE must be smaller than TOKEN_BUDGET_MAX; lower it")
        for name, model in (
            ("CHAT_MODEL", self.chat_model),
            ("FALLBACK_MODEL", self.fallback_model),
            ("SUMMARY_MODEL", self.summary_model),
            ("EXTRACTION_MODEL", self.extraction_model),
        ):
            if model is not None and model not in self.allowed_models:
                problems.append(f"{name} names {model}, which ALLOWED_MODELS does not hold; add it there")
        if self.coalesce_seconds >= self.request_deadline_minutes * 30:
            problems.append("COALESCE_SECONDS must be less than half of REQUEST_DEADLINE_MINUTES; lower it")
        if self.chat_default_wait_seconds > self.max_wait_seconds:
            problems.append("CHAT_DEFAULT_WAIT_SECONDS must not be above MAX_WAIT_SECONDS; lower it")
        problems += self.connection_problems()
        if self.store_kind == "dynamodb" and self.max_message_chars > DYNAMODB_MESSAGE_CHARS:
            problems.append(
                f"MAX_MESSAGE_CHARS must not be above {DYNAMODB_MESSAGE_CHARS} on DynamoDB, "
                "whose transactions hold 4 MB"
            )
        if self.event_queues and self.on_sqs:
            problems.append(
                "EVENT_QUEUES cannot be had on SQS, which routes nothing; make an SNS topic: EVENTS_TOPIC_ARN"
            )
        if 0 < self.memory_retention_days * 24 < self.session_ttl_hours:
            problems.append("MEMORY_RETENTION_DAYS must not end before SESSION_TTL_HOURS; raise it")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def outside_url(self) -> str:
        """The address that hooks' addresses begin with, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def simulated(self) -> bool:
        """Whether replies come from the simulator, because no Claude key is set."""
        return self.anthropic_api_key is None

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys that open what is sealed; the first one seals."""
        return tuple(split(self.secret_key.get_secret_value())) if self.secret_key else ()

    @property
    def model_that_extracts(self) -> str:
        """The model that reads sessions for memory entries."""
        return self.extraction_model or self.summary_model

    @property
    def remembers(self) -> bool:
        """Whether sessions are read for memory: indexed for recall, or for entries."""
        return self.recall_share > 0 or self.extraction


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: with every problem found, one a line, each naming its variable.

    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(item) for item in error.errors())) from error


def _problem(item: Any) -> str:
    text = str(item["msg"]).removeprefix("Value error, ")
    variable = str(item["loc"][0]).upper() if item["loc"] else ""
    return f"{variable}: {text}" if variable else text
