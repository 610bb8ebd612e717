"""What `doctor` looks at where the store is DynamoDB."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.checks import Finding, Skipped
from cli.dynamodb import TTL_ON
from shared.settings import Settings
from shared.storage import address_of
from shared.storage.dynamodb.actions import pack
from shared.storage.dynamodb.connection import connect
from shared.storage.dynamodb.schema import TTL_ATTRIBUTE, problems

ANSWER_SECONDS: Final = 5.0
SLOW_MS: Final = 40.0
PROBE_SECONDS: Final = 10
MISSING: Final = {"ResourceNotFoundException", "TableNotFoundException"}
TABLE: Final = "what it is like was not looked at, which needs dynamodb:DescribeTable"
TIME_TO_LIVE: Final = "time to live was not looked at, which needs dynamodb:DescribeTimeToLive"
CREATE: Final = "customer-memory dynamodb create-table"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of the table: what is wrong with it, what may not be looked at, and how fast it answers."""

    wrong: Sequence[str]
    denied: Sequence[str]
    latency: float = 0.0


async def check_table(settings: Settings) -> Finding:
    """Whether the table answers, is as it must be, and may be written."""
    name = settings.dynamodb_table_name
    try:
        async with _client(settings) as client:
            looked = await _look(client, name)
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            return Finding("fail", f"there is no table {name} in {settings.aws_region}", f"make it: {CREATE}")
        return Finding("fail", f"DynamoDB refused: {error}", "give the service the permissions in deploy/aws")
    except (BotoCoreError, OSError, TimeoutError) as error:
        return Finding("fail", f"DynamoDB cannot be asked: {error}", "mend AWS_REGION, AWS_ENDPOINT_URL or credentials")
    return _told(settings, looked)


def _told(settings: Settings, looked: Looked) -> Finding:
    name, unseen = settings.dynamodb_table_name, TABLE in looked.denied
    if looked.wrong:
        return Finding("fail", f"table {name}: " + "; ".join(looked.wrong), f"make another, or mend it: {CREATE}")
    text = f"DynamoDB table {name} in {settings.aws_region}, {'' if unseen else 'writable, '}answers in "
    text += f"{looked.latency:.1f} ms" + "".join(f"; {each}" for each in looked.denied)
    if unseen:
        return Finding("warn", text, "ask the doctor with the operator's permissions in deploy/aws")
    if looked.latency > SLOW_MS:
        return Finding("warn", text, f"above {SLOW_MS:g} ms each turn waits for it: run in the table's region")
    return Finding("ok", text)


async def check_durability(settings: Settings) -> Finding:
    """Whether a table lost by mistake can be had back."""
    kept = "what is acknowledged is in three places"
    try:
        async with _client(settings) as client:
            answer = await client.describe_continuous_backups(TableName=settings.dynamodb_table_name)
    except (ClientError, BotoCoreError, OSError, TimeoutError) as error:
        raise Skipped(_why(error)) from error
    recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        return Finding("warn", f"{kept}; point-in-time recovery is off", f"turn it on: {CREATE}")
    return Finding("ok", f"{kept}; point-in-time recovery is on")


async def check_capacity(settings: Settings) -> Finding:
    """Whether the table grows with the load."""
    try:
        async with _client(settings) as client:
            table = (await client.describe_table(TableName=settings.dynamodb_table_name))["Table"]
    except (ClientError, BotoCoreError, OSError, TimeoutError) as error:
        raise Skipped(_why(error)) from error
    if table.get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
        mend = "switch it to on-demand, or scale table and indexes together"
        return Finding("warn", "capacity is provisioned: above it turns wait", mend)
    return Finding("ok", "on-demand capacity; nothing is ever evicted")


async def check_replication(_settings: Settings) -> Finding:
    """What a failover of the store may lose."""
    return Finding("ok", "DynamoDB's own: nothing acknowledged is lost when one of its machines fails")


async def _look(client: Any, name: str) -> Looked:
    """Look at the table, and write into it only when it is certainly the service's own."""
    described = await _unless_denied(client.describe_table(TableName=name))
    ttl = await _unless_denied(client.describe_time_to_live(TableName=name))
    denied = [words for words, answer in ((TABLE, described), (TIME_TO_LIVE, ttl)) if answer is None]
    wrong = problems(described["Table"], ttl["TimeToLiveDescription"] if ttl else TTL_ON) if described else []
    if wrong:
        return Looked(wrong, denied)
    return Looked((), denied, await _probe(client, name, write=described is not None))


async def _unless_denied(answer: Awaitable[Any]) -> Any:
    """Return an answer; None where that may not be asked."""
    try:
        return await answer
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return None


async def _probe(client: Any, name: str, *, write: bool) -> float:
    """Read an item a few times, written before and removed afterwards; return the fastest read in milliseconds."""
    key = pack({"pk": "doctor", "sk": secrets.token_hex(8)})
    expiry = pack({TTL_ATTRIBUTE: round(time.time()) + PROBE_SECONDS})
    if write:
        await client.put_item(TableName=name, Item=key | expiry)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        await client.get_item(TableName=name, Key=key, ConsistentRead=True)
        times.append(time.perf_counter() - began)
    if write:
        await client.delete_item(TableName=name, Key=key)
    return min(times) * 1000


def _why(error: Exception) -> str:
    """Return why the table could not be looked at."""
    missing = isinstance(error, ClientError) and error.response["Error"]["Code"] in MISSING
    return "there is no table" if missing else str(error)


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[Any]:
    async with connect(address_of(settings), 2, ANSWER_SECONDS) as client:
        yield client
