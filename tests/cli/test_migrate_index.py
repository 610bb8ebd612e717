"""`customer-memory migrate` and `customers relist`: what is listed of a tenant is listed on the new store too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from click.testing import CliRunner

from cli.main import main
from shared.clock import from_ms
from shared.models import TokenUsage
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from shared.storage.tenant_index import Action, Ended, Notes, Spent, UsageKind
from tests.contract.store import LIMITS, Desk, StoreClock
from tests.support.moto import Moto
from tests.support.valkey import Valkey

Told = TypeVar("Told")
ENV = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def on_redis(url: str, act: Callable[[Desk], Awaitable[Told]]) -> Told:
    async def run() -> Told:
        async with RedisStore(connect(url, 5.0, 4), LIMITS) as store:
            return await act(Desk(store, StoreClock(), None))  # type: ignore[arg-type]  # nobody looks inside

    return asyncio.run(run())


async def fill(desk: Desk) -> None:
    for customer in ("anna", "ben"):
        request = await desk.accept(customer=customer)
        at = desk.clock.ms
        await desk.own.note(Notes({request.request_id: at}, active={customer: at}))
        desk.clock.pass_(1_000)
    claim = await desk.claim(request)
    await desk.answer(claim)
    day = from_ms(desk.clock.ms).date().isoformat()
    spent = Spent(request.request_id, UsageKind(day, "claude-sonnet-4-6"), TokenUsage(input=7, output=3, total=10), 99)
    ended: dict[str, tuple[int, Ended]] = {request.request_id: (at, "succeeded")}
    await desk.own.note(Notes(ended=ended, spent={spent.id: spent}))
    await desk.own.act(Action("act-1", from_ms(desk.clock.ms), "delete-session", "cli", "session ses_1"))


async def everything(desk: Desk) -> Any:
    """Return all that is listed, as both stores should tell it."""
    own = desk.own
    requests = {each.id: each.status for each in (await own.listed_requests(None, 50, None)).items}
    return (
        (await own.customers("", 50, None)).items,
        requests,
        await own.usage(date(1970, 1, 1)),
        (await own.actions(50, None)).items,
        await own.pseudonym("anna"),
    )


def test_lists_move_with_their_tenant_and_moving_again_changes_nothing(valkey: Valkey, moto: Moto) -> None:
    url = valkey.url(11)
    valkey.client(11).flushdb()
    on_redis(url, fill)
    before = on_redis(url, everything)
    assert [len(each) for each in before[:4]] == [2, 2, 1, 1]
    table = moto.table().table
    aim = f"dynamodb://{table}?region=eu-central-1&endpoint={moto.endpoint}"
    for _ in range(2):
        result = CliRunner().invoke(main, ["migrate", "--from", url, "--to", aim, "--final"], env=ENV)
        assert result.exit_code == 0, result.output
        assert "Lists: 2 customers copied" in result.output.splitlines()

    async def look() -> Any:
        async with DynamoStore(Client(replace(moto.table(), table=table), 5.0, 4), LIMITS) as store:
            return await everything(Desk(store, StoreClock(), None))  # type: ignore[arg-type]  # as above

    assert asyncio.run(look()) == before


def test_customers_of_before_are_listed_by_their_sessions(valkey: Valkey) -> None:
    url = valkey.url(12)
    valkey.client(12).flushdb()

    async def talk(desk: Desk) -> None:
        for customer in ("anna", "ben"):
            await desk.turn("Hello", customer=customer)

    async def listed(desk: Desk) -> list[str]:
        return sorted(known.id for known in (await desk.own.customers("", 50, None)).items)

    on_redis(url, talk)
    assert on_redis(url, listed) == []
    for _ in range(2):
        result = CliRunner().invoke(main, ["customers", "relist"], env={"REDIS_URL": url})
        assert result.exit_code == 0, result.output
        assert result.output == "2 sessions were looked at\n"
    assert on_redis(url, listed) == ["anna", "ben"]
