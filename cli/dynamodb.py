"""`customer-memory dynamodb`: the table, made and looked at."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import CustomerMemoryError
from shared.settings import Settings, load_settings
from shared.storage import address_of
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.connection import connect
from shared.storage.dynamodb.schema import TTL_ATTRIBUTE, problems, table_definition

LOOK_SECONDS: Final = 2.0
LOOKS: Final = 150
ANSWER_SECONDS: Final = 10.0
# How DescribeTimeToLive describes what the table must have.
TTL_ON: Final = {"TimeToLiveStatus": "ENABLED", "AttributeName": TTL_ATTRIBUTE}
_NOT_SUPPORTED = {"UnknownOperationException", "ValidationException", "AccessDeniedException"}


@click.group
def dynamodb() -> None:
    """Make the DynamoDB table that is the store.

    Region, credentials and the table's name come from the settings (AWS_REGION, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, DYNAMODB_TABLE_NAME) and from the AWS default chain. `customer-memory doctor` looks at the
    table afterwards.
    """


@dynamodb.command("create-table")
@click.option("--table", metavar="NAME", help="Its name; default: DYNAMODB_TABLE_NAME.")
@click.option("--region", metavar="REGION", help="Where; default: AWS_REGION.")
@click.option("--endpoint-url", metavar="URL", help="Another address, such as an emulator's.")
@click.option("--print", "only_print", is_flag=True, help="Print the definition as JSON, and make nothing.")
def create_table(table: str | None, region: str | None, endpoint_url: str | None, *, only_print: bool) -> None:
    """Make the table: on-demand capacity, time to live, point-in-time recovery.

    Asked again it changes nothing that is right, and says what is not. A table of that name with other keys or indexes
    is left as it is. It needs permissions that the service itself does not: CreateTable, DescribeTimeToLive,
    UpdateTimeToLive, DescribeContinuousBackups, UpdateContinuousBackups.

    \b
      customer-memory dynamodb create-table --table sessions --region eu-central-1
    """  # noqa: D301 - the backspace keeps the line as it is
    settings = load_settings()
    if only_print:
        click.echo(json.dumps(table_definition(table or settings.dynamodb_table_name), indent=2))
        return
    address = _address(settings, table, region, endpoint_url)
    try:
        made, found = asyncio.run(_make(address))
    except ClientError as error:
        message = f"DynamoDB refused: {error}"
        raise CustomerMemoryError(message) from error
    except (BotoCoreError, OSError) as error:
        message = f"DynamoDB cannot be asked: {error}\nMend AWS_REGION, AWS_ENDPOINT_URL or the credentials."
        raise CustomerMemoryError(message) from error
    if found:
        lines = [f"{address.table} will not do: {problem}" for problem in found]
        message = "\n".join([*lines, "Choose another name (--table, DYNAMODB_TABLE_NAME), or mend what is named."])
        raise CustomerMemoryError(message)
    click.echo(f"{address.table} in {address.region} " + ("is ready." if made else "was there, and is right."))


def _address(settings: Settings, table: str | None, region: str | None, endpoint_url: str | None) -> Address:
    region = region or settings.aws_region
    if region is None:
        message = "Which region? Give --region, or set AWS_REGION."
        raise CustomerMemoryError(message)
    address = address_of(settings.model_copy(update={"aws_region": region}))
    return replace(address, table=table or address.table, endpoint_url=endpoint_url or address.endpoint_url)


async def _make(address: Address) -> tuple[bool, list[str]]:
    """Make what is missing; return whether that was the table, and what is wrong with what was there."""
    async with _client(address) as client:
        made = await _create(client, address)
        described = await _until_active(client, address.table)
        wrong = problems(described, TTL_ON)
        if wrong:
            # It may be another application's: time to live would delete from it.
            return made, wrong
        ttl = await _time_to_live(client, address.table)
        await _point_in_time_recovery(client, address.table)
        return made, problems(described, ttl)


async def _create(client: Any, address: Address) -> bool:
    """Make the table, unless there is one of its name; return whether it was made."""
    if await _describe(client, address.table) is not None:
        return False
    click.echo(f"Making {address.table} in {address.region} …")
    try:
        await client.create_table(**table_definition(address.table))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        return False  # Somebody else made it meanwhile.
    return True


async def _until_active(client: Any, table: str) -> dict[str, Any]:
    """Wait until table and indexes are there; an index of a new table is made together with it."""
    described: dict[str, Any] = {}
    for _ in range(LOOKS):
        described = await _describe(client, table) or {}
        indexes = described.get("GlobalSecondaryIndexes") or ()
        if {described.get("TableStatus"), *(index.get("IndexStatus", "ACTIVE") for index in indexes)} == {"ACTIVE"}:
            return described
        click.echo(f"  {table} is {described.get('TableStatus', 'not there yet')}")
        await asyncio.sleep(LOOK_SECONDS)
    return described


async def _time_to_live(client: Any, table: str) -> dict[str, Any]:
    """Let expired items be removed; return how that is set."""
    ttl: dict[str, Any] = (await client.describe_time_to_live(TableName=table))["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") == "DISABLED":
        wanted = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
        await client.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)
        return TTL_ON
    return ttl


async def _point_in_time_recovery(client: Any, table: str) -> None:
    """Turn it on, where it is off: turned on again, it would forget how many days were chosen."""
    try:
        answer = await client.describe_continuous_backups(TableName=table)
        recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            await _turn_recovery_on(client, table)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_SUPPORTED:
            raise
        click.echo(f"Point-in-time recovery could not be turned on here ({error.response['Error']['Code']}).")


async def _turn_recovery_on(client: Any, table: str) -> None:
    """Ask until a new table is ready for it, which is some time after the table is ACTIVE."""
    wanted = {"PointInTimeRecoveryEnabled": True}
    for left in reversed(range(LOOKS)):
        try:
            await client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wanted)
        except client.exceptions.ContinuousBackupsUnavailableException:
            if not left:
                raise
            click.echo(f"  {table} is not ready for point-in-time recovery yet")
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return


async def _describe(client: Any, table: str) -> dict[str, Any] | None:
    try:
        described: dict[str, Any] = (await client.describe_table(TableName=table))["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    return described


@asynccontextmanager
async def _client(address: Address) -> AsyncIterator[Any]:
    async with connect(address, 4, ANSWER_SECONDS) as client:
        yield client
