"""How SQS and SNS are reached: region, credentials, endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config

from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Access:
    """Where AWS is, and who asks. Without a key, AWS's own chain finds one: a role, a profile, the environment."""

    region: str | None
    endpoint: str | None
    key: str | None = field(repr=False)
    secret: str | None = field(repr=False)
    token: str | None = field(repr=False)
    seconds: float

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client of a service, whose answers take no longer than `seconds` each."""
        session = boto3.Session(
            region_name=self.region,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            aws_session_token=self.token,
        )
        own = Config(
            connect_timeout=self.seconds,
            read_timeout=self.seconds,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        return session.client(service, endpoint_url=self.endpoint, config=own.merge(config) if config else own)


def access_of(settings: Settings, seconds: float) -> Access:
    """Return the access that the settings name: what BROKER_URL says goes before AWS's own settings.

    `sqs://KEY:SECRET@HOST:PORT`, each part of which may be left out; a host is an emulator's, spoken to without TLS.
    """
    url = urlsplit(settings.broker_address)
    endpoint = f"http://{url.hostname}" + (f":{url.port}" if url.port else "") if url.hostname else None
    secrets = (settings.aws_access_key_id, settings.aws_secret_access_key, settings.aws_session_token)
    key, secret, token = (each.get_secret_value() if each else None for each in secrets)
    if url.username:
        key, secret, token = unquote(url.username), unquote(url.password or ""), None
    return Access(settings.aws_region, endpoint or settings.aws_endpoint_url, key, secret, token, seconds)
