"""`customer-memory hooks`: connections made, shown, given secrets, tried and moved, by command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.hooks.hooks import Hooks
from shared.platforms.types import OpenHook
from shared.sealing import Sealer
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from tests.contract.store import LIMITS
from tests.support.deliveries import GENERIC, chatwoot, encoded
from tests.support.moto import Moto
from tests.support.signers import chatwoot as sign
from tests.support.stack import Stack
from tests.support.valkey import Valkey

KEY, NEW = "k" * 32, "n" * 32
PUBLIC = "https://memory.example.com"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    server = Valkey(tmp_path_factory.mktemp("hooks-valkey"))
    stack = Stack(tmp_path_factory.mktemp("hooks"), server, None, SECRET_KEY=KEY, PUBLIC_URL=PUBLIC)
    try:
        stack.start_web()
        yield stack
    finally:
        stack.close()
        server.stop()


def run(stack: Stack, *words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["hooks", *words, "--url", stack.url], input=given)


def added(stack: Stack, *words: str) -> str:
    result = run(stack, "add", *words)
    assert result.exit_code == 0, result.output
    return result.stdout.split()[1]


def test_adding_one_prints_the_address_to_paste_and_what_is_still_to_be_given(stack: Stack) -> None:
    result = run(stack, "add", "chatwoot", "--set", "accountId=2", "--name", "Front desk")
    assert result.exit_code == 0, result.output
    hook = result.stdout.split()[1]
    assert f"address  {PUBLIC}/webhooks/chatwoot/{hook}?token=" in result.stdout
    assert f"customer-memory hooks rotate {hook} signing" in result.stderr
    assert f"customer-memory hooks rotate {hook} token" in result.stderr
    assert "docs/how-to/connect-chatwoot.md" in result.stderr
    secret = result.stdout.strip().splitlines()[-1]
    again = run(stack, "show", hook)
    assert secret not in again.output
    assert "?token=" not in again.output


def test_secrets_are_read_from_standard_input_and_never_shown(stack: Stack) -> None:
    hook = added(stack, "intercom", "--set", "appId=abc", "--set", "adminId=31")
    result = run(stack, "rotate", hook, "signing", given="s3cret-of-the-app\n")
    assert result.exit_code == 0, result.output
    assert "s3cret" not in result.output
    assert "secret   signing, given" in result.stdout
    assert run(stack, "rotate", hook, "signing", given="").exit_code == 2
    refused = run(stack, "rotate", hook, "signing", "--make")
    assert refused.exit_code == 1
    assert "made by the platform" in refused.stderr


def test_they_are_listed_changed_and_removed(stack: Stack) -> None:
    hook = added(stack, "slack", "--set", "appId=A1", "--set", "teamId=T1", "--set", 'agents=["U1"]')
    assert f"{hook}  slack      takes part  slack" in run(stack, "list").stdout
    changed = run(stack, "set", hook, "--set", "customer=channel", "--name", "Shared", "--disable")
    assert changed.exit_code == 0, changed.output
    assert 'setting  customer="channel"' in changed.stdout
    assert 'setting  agents=["U1"]' in changed.stdout
    assert f"{hook}  slack      rests       Shared" in run(stack, "list").stdout
    found = json.loads(run(stack, "list", "--json").stdout)
    assert [each["disabled"] for each in found if each["id"] == hook] == [True]
    kept = run(stack, "remove", hook, given="n\n")
    assert kept.exit_code == 1
    assert run(stack, "remove", hook, "--yes").exit_code == 0
    assert "There is no hook" in run(stack, "show", hook).stderr


def test_a_mapping_comes_from_a_file_and_what_is_wrong_with_it_is_said(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    file.write_text(json.dumps(GENERIC))
    hook = added(stack, "generic", "--settings", str(file))
    assert 'setting  name="desk"' in run(stack, "show", hook).stdout
    file.write_text(json.dumps({**GENERIC, "customer": {**GENERIC["customer"], "when": "a ="}}))
    wrong = run(stack, "add", "generic", "--settings", str(file))
    assert wrong.exit_code == 1
    assert "JMESPath" in wrong.stderr
    file.write_text("{")
    assert "is not JSON" in run(stack, "add", "generic", "--settings", str(file)).stderr
    assert "NAME=VALUE" in run(stack, "add", "slack", "--set", "appId").stderr


def test_what_is_missing_is_said_once(stack: Stack) -> None:
    result = run(stack, "add", "chatwoot")
    assert result.exit_code == 1
    assert result.output.count("/settings/accountId: is required") == 1


def test_a_recorded_delivery_is_tried(stack: Stack, tmp_path: Path) -> None:
    hook = added(stack, "chatwoot", "--set", "accountId=2")
    run(stack, "rotate", hook, "signing", given="s3cret")
    body, at = encoded(chatwoot("Where is it?")), datetime(2026, 7, 20, 11, 15, 29, tzinfo=UTC)
    file = tmp_path / "delivery.json"
    file.write_bytes(body)
    headers = [word for name, value in sign("s3cret", body, at).items() for word in ("--header", f"{name}: {value}")]
    result = run(stack, "test", hook, str(file), *headers, "--at", "2026-07-20T11:15:29Z")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("genuine\n")
    assert '"text": "Where is it?"' in result.stdout
    assert run(stack, "test", hook, str(file)).exit_code == 1


def test_help_teaches_what_each_platform_wants() -> None:
    for words, taught in (
        ((), "rotate"),
        (("add",), "accountId"),
        (("rotate",), "signing"),
        (("test",), "Nothing comes"),
    ):
        result = CliRunner().invoke(main, ["hooks", *words, "--help"])
        assert result.exit_code == 0
        assert taught in result.output


async def _made(url: str, key: str) -> str:
    async with RedisStore(connect(url, 5.0, 4), LIMITS) as store:
        hook, _ = await Hooks(store, Sealer([key])).add(
            "acme", "chatwoot", "desk", {"accountId": 2}, {"signing": "s3cret", "token": "t0ken"}
        )
        return hook.id


async def _opened(store: Any, hook: str, key: str) -> OpenHook:
    async with store:
        return await Hooks(store, Sealer([key])).opened("acme", hook)


def test_after_secrets_were_sealed_anew_the_old_key_can_go(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey.client(11).flushdb()
    hook = asyncio.run(_made(valkey.url(11), KEY))
    monkeypatch.setenv("REDIS_URL", valkey.url(11))
    monkeypatch.setenv("SECRET_KEY", f"{NEW},{KEY}")
    result = CliRunner().invoke(main, ["hooks", "reseal"])
    assert result.output == f"{hook}: 2 sealed anew\n"
    opened = asyncio.run(_opened(RedisStore(connect(valkey.url(11), 5.0, 4), LIMITS), hook, NEW))
    assert opened.secrets == {"signing": ["s3cret"], "token": ["t0ken"]}


def test_hooks_move_with_their_tenants_secrets_and_all(valkey: Valkey, moto: Moto) -> None:
    valkey.client(10).flushdb()
    hook = asyncio.run(_made(valkey.url(10), KEY))
    table = moto.table().table
    aim = f"dynamodb://{table}?region=eu-central-1&endpoint={moto.endpoint}"
    env = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for _ in range(2):  # the second time there is nothing left to do
        result = CliRunner().invoke(main, ["migrate", "--from", valkey.url(10), "--to", aim, "--final"], env=env)
        assert result.exit_code == 0, result.output
        assert "Hooks: 1 copied" in result.output.splitlines()
    there = DynamoStore(Client(replace(moto.table(), table=table), 5.0, 4), LIMITS)
    assert asyncio.run(_opened(there, hook, KEY)).secret("token") == "t0ken"


@pytest.mark.parametrize("command", ["hooks", "hooks add", "hooks test"])
def test_help_keeps_its_examples_on_lines_of_their_own(command: str) -> None:
    told = CliRunner().invoke(main, [*command.split(), "--help"]).output
    assert "\\b" not in told
