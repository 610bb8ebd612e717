"""`customer-memory migrate`: callbacks go on where they were, on the new store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from click.testing import CliRunner

from cli.main import main
from shared.callbacks.account import Accounts
from shared.callbacks.delivery import Delivery
from shared.callbacks.desk import CallbackDesk
from shared.sealing import Sealer
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from tests.contract.store import LIMITS, Desk, StoreClock
from tests.support.moto import Moto
from tests.support.valkey import Valkey

SEALER = Sealer(["k" * 32])


async def _fill(url: str) -> tuple[str, str]:
    """Run a turn that is called back; return its request, and the tenant's secret."""
    async with RedisStore(connect(url, 5.0, 4), LIMITS) as store:
        desk = Desk(store, StoreClock(), None)  # type: ignore[arg-type]  # nobody looks inside
        _, secret = await Accounts(store, SEALER).new_secret("acme", timedelta())
        request = await desk.accept(callback="https://hook.example/")
        done = await desk.answer(await desk.claim(request))
        await CallbackDesk(store).begin(done.rows[0])
        return request.request_id, secret


async def _look(moto: Moto, table: str, request: str) -> tuple[Delivery | None, list[str]]:
    async with DynamoStore(Client(replace(moto.table(), table=table), 5.0, 4), LIMITS) as store:
        kept = await store.tenant("acme").delivery(request)
        accounts = Accounts(store, SEALER)
        keys = accounts.keys("acme", await accounts.read("acme"), await store.now())
        due = [ref.request_id for ref in await store.due_deliveries(request[4:6], 10)]
        assert due == [request]
        return Delivery.read(kept) if kept else None, keys


def test_deliveries_and_secrets_move_and_go_on(valkey: Valkey, moto: Moto) -> None:
    valkey.client(10).flushdb()
    request, secret = asyncio.run(_fill(valkey.url(10)))
    table = moto.table().table
    aim = f"dynamodb://{table}?region=eu-central-1&endpoint={moto.endpoint}"
    env = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    command = ["migrate", "--from", valkey.url(10), "--to", aim, "--final"]
    for _ in range(2):  # the second time there is nothing left to do
        result = CliRunner().invoke(main, command, env=env)
        assert result.exit_code == 0, result.output
        assert "Callbacks: 1 deliveries copied" in result.output.splitlines()
    delivery, keys = asyncio.run(_look(moto, table, request))
    assert delivery is not None
    assert (delivery.status, delivery.url, keys) == ("pending", "https://hook.example/", [secret])
