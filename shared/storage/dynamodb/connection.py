"""A connection to DynamoDB: aioboto3, with its own retries off: asking again is the client's business."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, cast

import aioboto3
from botocore.config import Config

from shared.storage.dynamodb.address import Address


def session(address: Address) -> aioboto3.Session:
    """Return the AWS session of whoever asks; kept, since making one reads megabytes of descriptions."""
    return _session(address.access_key_id, address.secret_access_key, address.session_token, address.region)


@cache
def _session(key_id: str | None, secret: str | None, token: str | None, region: str) -> aioboto3.Session:
    return aioboto3.Session(
        aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token, region_name=region
    )


def connect(address: Address, connections: int, slice_seconds: float) -> AbstractAsyncContextManager[Any]:
    """Return a low-level client, to be entered; one try may take `slice_seconds`."""
    config = Config(
        connect_timeout=slice_seconds,
        read_timeout=slice_seconds,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1},
        tcp_keepalive=True,
        user_agent_appid="customer-memory",
    )
    client = session(address).client("dynamodb", endpoint_url=address.endpoint_url, config=config)
    return cast("AbstractAsyncContextManager[Any]", client)
