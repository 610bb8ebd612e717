"""Where the store and the broker are: their settings, and what these owe each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import SettingsError

DEFAULT_REDIS_PORT = 6379

REDIS_SCHEMES = ("redis", "rediss")
BROKER_SCHEMES = (*REDIS_SCHEMES, "amqp", "amqps", "sqs")
SQS_QUEUES = ("chat", "quarantine", "maintenance", "summaries", "callbacks")


class Connections(BaseSettings):
    """Store and broker, and AWS where either is there."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, env_ignore_empty=True
    )

    store: Literal["auto", "redis", "dynamodb"] = Field(
        "auto", description="`redis`, `dynamodb`, or `auto`: what REDIS_URL names, else what AWS_REGION names"
    )
    redis_url: SecretStr | None = Field(None, description="Redis/Valkey; absent: the embedded server of `up`")
    broker_url: SecretStr | None = Field(
        None, description="broker, `redis://`, `amqp://` (RabbitMQ) or `sqs://`; absent: REDIS_URL with database 1"
    )
    sqs_queue_prefix: str = Field(
        "customer-memory-",
        pattern=r"^[A-Za-z0-9_-]{0,60}$",
        description="`sqs://` only: what the names of the queues it makes begin with",
    )
    sqs_queue_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="`sqs://` only: queues made beforehand, one for each worker role: `chat=URL,quarantine=URL,…`"
    )
    events_topic_arn: str | None = Field(
        None, description="`sqs://` only: the SNS topic that events go to; absent: they go nowhere"
    )
    aws_region: str | None = Field(None, description="AWS region of the table, the queues and the topic")
    aws_access_key_id: SecretStr | None = Field(None, description="AWS key; absent: AWS's own chain of credentials")
    aws_secret_access_key: SecretStr | None = Field(None, description="the secret of the AWS key")
    aws_session_token: SecretStr | None = Field(None, description="the token of a temporary AWS key")
    aws_endpoint_url: str | None = Field(None, description="another address of AWS, such as an emulator")
    dynamodb_table_name: str = Field(
        "sessions", pattern=r"^[A-Za-z0-9_.-]{3,255}$", description="the table, when the store is DynamoDB"
    )
    data_dir: Path = Field(Path(".data"), description="where the embedded server keeps its data")

    @field_validator("sqs_queue_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: Any) -> Any:
        return split(value)

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = urlsplit(value.get_secret_value()).scheme if value else None
        if scheme is not None and scheme not in BROKER_SCHEMES:
            message = f"{scheme or 'no'}:// is no broker known here; use one of {', '.join(BROKER_SCHEMES)}"
            raise ValueError(message)
        return value

    @property
    def store_kind(self) -> Literal["redis", "dynamodb"]:
        """Which store is meant. Redis is primary; AWS credentials alone choose nothing."""
        if self.store == "auto":
            return "dynamodb" if self.redis_url is None and self.aws_region is not None else "redis"
        return self.store

    @property
    def store_url(self) -> str:
        """The address of Redis, where that is the store.

        Raises:
            SettingsError: no store is named; the text says how to name one.

        """
        if self.redis_url is None:
            message = (
                "REDIS_URL is not set. Set it, or AWS_REGION for DynamoDB, or start everything with "
                "`customer-memory up`, which embeds a store."
            )
            raise SettingsError(message)
        return self.redis_url.get_secret_value()

    @property
    def broker_address(self) -> str:
        """The broker's address: BROKER_URL, else the store's server with database 1.

        Raises:
            SettingsError: there is neither; the text says what to set.

        """
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        if self.store_kind == "dynamodb":
            message = "BROKER_URL is not set, and DynamoDB is no broker. Set it to sqs://, amqp://… or redis://…"
            raise SettingsError(message)
        parts = urlsplit(self.store_url)
        return urlunsplit(parts._replace(path="/1" if _database(parts.path) != "1" else "/2"))

    @property
    def on_sqs(self) -> bool:
        """Whether the broker is SQS."""
        return self.broker_url is not None and urlsplit(self.broker_url.get_secret_value()).scheme == "sqs"

    def connection_problems(self) -> list[str]:
        """Return what keeps the store or the broker from being used, each with its mend."""
        return _store_problems(self) + _broker_problems(self)


def split(value: Any) -> Any:
    """Return the parts of a text that commas separate; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _store_problems(settings: Connections) -> list[str]:
    """Return what keeps this store from being used, with the mend."""
    problems = []
    if settings.store == "dynamodb" and settings.aws_region is None:
        problems.append("STORE=dynamodb needs AWS_REGION; set it to the region of the table")
    if (settings.aws_access_key_id is None) != (settings.aws_secret_access_key is None):
        problems.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together; set both, or neither")
    if settings.aws_session_token is not None and settings.aws_access_key_id is None:
        problems.append("AWS_SESSION_TOKEN belongs to a key; set AWS_ACCESS_KEY_ID too, or unset it")
    return problems


def _broker_problems(settings: Connections) -> list[str]:
    """Return what this broker cannot do, with the way that works."""
    if settings.on_sqs:
        return _sqs_problems(settings)
    problems = [
        f"{name} is for BROKER_URL=sqs:// only; leave it out"
        for name in ("SQS_QUEUE_URLS", "EVENTS_TOPIC_ARN")
        if getattr(settings, name.lower())
    ]
    if settings.redis_url and settings.broker_url and _same_database(settings.redis_url, settings.broker_url):
        problems.append("BROKER_URL names the store's own database; give the broker another one, such as /1")
    return problems


def _sqs_problems(settings: Connections) -> list[str]:
    problems = []
    if settings.aws_region is None:
        problems.append("BROKER_URL=sqs:// needs AWS_REGION; set it to the region of the queues")
    if settings.sqs_queue_urls:
        named = [binding.partition("=") for binding in settings.sqs_queue_urls]
        if sorted(name for name, _, _ in named) != sorted(SQS_QUEUES) or not all(url for _, _, url in named):
            problems.append(f"SQS_QUEUE_URLS must name each of {', '.join(SQS_QUEUES)} once, as name=URL")
    return problems


def _database(path: str) -> str:
    return path.strip("/") or "0"


def _same_database(store: SecretStr, broker: SecretStr) -> bool:
    first, second = urlsplit(store.get_secret_value()), urlsplit(broker.get_secret_value())
    return second.scheme in REDIS_SCHEMES and all(
        one == other
        for one, other in (
            (first.hostname, second.hostname),
            (first.port or DEFAULT_REDIS_PORT, second.port or DEFAULT_REDIS_PORT),
            (_database(first.path), _database(second.path)),
        )
    )
