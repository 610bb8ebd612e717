"""Every setting, with its environment variable, default, unit and meaning.

Read from the environment and from `.env` in the working directory, the environment first. `.env.example` and
`docs/reference/settings.md` are checked against this module by tests. All problems are found at once and told together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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

DEFAULT_REDIS_PORT = 6379

DEFAULT_INSTRUCTIONS = (
    "You are a customer support agent. Be warm, brief and exact. Use what you are told about this customer: do not "
    "ask again for what they already said, and speak of earlier conversations when it helps. Never invent an order, "
    "an amount, a date or a promise; when you do not know, say so and say what happens next."
)


class Settings(BaseSettings):
    """The configuration of one process. Field names in capitals are the environment variables."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, env_ignore_empty=True
    )

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

    # Store and broker
    store: Literal["auto", "redis"] = Field("auto", description="`auto` or `redis`: both mean Redis/Valkey")
    redis_url: SecretStr | None = Field(None, description="Redis/Valkey; absent: the embedded server of `up`")
    broker_url: SecretStr | None = Field(None, description="broker; absent: REDIS_URL with database 1")
    data_dir: Path = Field(Path(".data"), description="where the embedded server keeps its data")

    # Web
    host: str = Field("127.0.0.1", description="address to listen on; beyond loopback only with an API key made")
    port: int = Field(8080, ge=1, le=65535, description="port to listen on")
    web_processes: int = Field(1, ge=1, le=64, description="web server processes")
    web_threads: int = Field(16, ge=1, le=256, description="Flask threads of a web process; held requests use none")
    max_message_chars: int = Field(100_000, ge=1, le=1_000_000, description="longest message, in characters")
    max_metadata_bytes: int = Field(4096, ge=2, le=65_536, description="largest metadata, in bytes of JSON")
    max_memory_value_bytes: int = Field(4096, ge=2, le=65_536, description="largest memory value, in bytes of JSON")
    memory_max_entries: int = Field(500, ge=1, le=10_000, description="most memory entries of one customer")
    max_open_requests: int = Field(100, ge=1, le=10_000, description="most requests of one session that may wait")
    chat_default_wait_seconds: int = Field(0, ge=0, le=60, description="as if every chat request said `Prefer: wait`")
    max_wait_seconds: int = Field(60, ge=1, le=600, description="longest wait of one request, `Prefer` or `?wait`")

    # Context
    token_budget_max: int = Field(4096, ge=512, le=1_000_000, description="most tokens in the assembled context")
    token_budget_reserve: int = Field(500, ge=1, le=128_000, description="of these, kept free for the reply")
    compression_strategy: Literal["sliding_window"] = Field("sliding_window", description="how history is fitted")
    agent_instructions: str = Field(DEFAULT_INSTRUCTIONS, description="instructions of tenants that set none")
    context_messages: int = Field(200, ge=2, le=2000, description="most recent messages a turn reads")
    context_memory_entries: int = Field(50, ge=0, le=500, description="most memory entries a turn reads")

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

    # Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe line written")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else json")

    @field_validator("allowed_models", "event_queues", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("store", mode="before")
    @classmethod
    def _known_store(cls, value: Any) -> Any:
        if value == "dynamodb":
            message = "this version stores in Redis/Valkey only; set STORE=redis and REDIS_URL"
            raise ValueError(message)
        return value

    @field_validator("compression_strategy", mode="before")
    @classmethod
    def _known_strategy(cls, value: Any) -> Any:
        if value in {"summarization", "hybrid"}:
            message = "this version has sliding_window only; set COMPRESSION_STRATEGY=sliding_window"
            raise ValueError(message)
        return value

    @field_validator("event_queues")
    @classmethod
    def _named_queues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for binding in value:
            name, equals, pattern = binding.partition("=")
            if not (name and equals and pattern):
                message = f"write each queue as name=routing.pattern, such as crm=acme.chat.#; not {binding!r}"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Settings:
        problems = []
        if self.token_budget_reserve >= self.token_budget_max:
            problems.append("TOKEN_BUDGET_RESERVE must be smaller than TOKEN_BUDGET_MAX; lower it")
        for name, model in (("CHAT_MODEL", self.chat_model), ("FALLBACK_MODEL", self.fallback_model)):
            if model is not None and model not in self.allowed_models:
                problems.append(f"{name} names {model}, which ALLOWED_MODELS does not hold; add it there")
        if self.chat_default_wait_seconds > self.max_wait_seconds:
            problems.append("CHAT_DEFAULT_WAIT_SECONDS must not be above MAX_WAIT_SECONDS; lower it")
        if self.redis_url and self.broker_url and _same_database(self.redis_url, self.broker_url):
            problems.append("BROKER_URL names the store's own database; give the broker another one, such as /1")
        if 0 < self.memory_retention_days * 24 < self.session_ttl_hours:
            problems.append("MEMORY_RETENTION_DAYS must not end before SESSION_TTL_HOURS; raise it")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def simulated(self) -> bool:
        """Whether replies come from the simulator, because no Claude key is set."""
        return self.anthropic_api_key is None

    @property
    def store_url(self) -> str:
        """The store's address.

        Raises:
            SettingsError: no store is named; the text says how to name one.

        """
        if self.redis_url is None:
            message = "REDIS_URL is not set. Set it, or start everything with `customer-memory up`, which embeds one."
            raise SettingsError(message)
        return self.redis_url.get_secret_value()

    @property
    def broker_address(self) -> str:
        """The broker's address: BROKER_URL, else the store's server with database 1."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        parts = urlsplit(self.store_url)
        return urlunsplit(parts._replace(path="/1" if _database(parts.path) != "1" else "/2"))


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


def _database(path: str) -> str:
    return path.strip("/") or "0"


def _same_database(store: SecretStr, broker: SecretStr) -> bool:
    first, second = urlsplit(store.get_secret_value()), urlsplit(broker.get_secret_value())
    return all(
        one == other
        for one, other in (
            (first.hostname, second.hostname),
            (first.port or DEFAULT_REDIS_PORT, second.port or DEFAULT_REDIS_PORT),
            (_database(first.path), _database(second.path)),
        )
    )
