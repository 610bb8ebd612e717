"""Which store is meant: every row of the table in `docs/how-to/run-on-aws.md`, and what is said of the others."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import SettingsError
from shared.settings import load_settings
from shared.storage import address_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "run-on-aws.md"

STORES = ("auto", "redis", "dynamodb")
REDIS, REGION = {"redis_url": "redis://h"}, {"aws_region": "eu-central-1"}
CREDENTIALS = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}

# What a cell of the page's table allows, and how it names what is then chosen.
CELLS = {"": {False}, "set": {True}, "set or not": {True, False}, "set, or embedded": {True, False}}
CHOSEN = {
    "Redis": "redis",
    "the embedded server of `customer-memory up`": "redis",
    "DynamoDB": "dynamodb",
    "refused": None,
}


def _told() -> dict[tuple[str, bool, bool], str | None]:
    """Return what the page says: the store for each combination of STORE, REDIS_URL, AWS_REGION."""
    table = PAGE.read_text().partition("Which store it is:")[2].partition("\n\n")[2].partition("\n\n")[0]
    told: dict[tuple[str, bool, bool], str | None] = {}
    for line in table.splitlines()[2:]:
        store, redis, region, chosen = (cell.strip() for cell in line.strip("|").split("|"))
        for combination in itertools.product((store.strip("`"),), CELLS[redis], CELLS[region]):
            assert combination not in told, f"two rows for {combination}"
            told[combination] = CHOSEN[chosen]
    return told


def _chosen(given: dict[str, Any]) -> str | None:
    try:
        return load_settings(**given).store_kind
    except SettingsError:
        return None


def test_the_page_has_a_row_for_every_combination() -> None:
    assert set(_told()) == set(itertools.product(STORES, (True, False), (True, False)))


@pytest.mark.parametrize("credentials", [{}, CREDENTIALS], ids=["", "credentials"])
@pytest.mark.parametrize("region", [True, False], ids=["region", ""])
@pytest.mark.parametrize("redis", [True, False], ids=["redis", ""])
@pytest.mark.parametrize("store", STORES)
def test_the_store_is_the_one_the_page_names_whatever_credentials_there_are(
    store: str, *, redis: bool, region: bool, credentials: dict[str, Any]
) -> None:
    given = {"store": store, **(REDIS if redis else {}), **(REGION if region else {}), **credentials}
    assert _chosen(given) == _told()[store, redis, region]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"store": "dynamodb"}, "STORE=dynamodb needs AWS_REGION; set it"),
        ({"store": "dynamodb", **REDIS}, "STORE=dynamodb needs AWS_REGION; set it"),
        ({"store": "firestore"}, "STORE: "),
        ({"aws_access_key_id": "x", **REGION}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together"),
        ({"aws_secret_access_key": "y", **REGION}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together"),
        ({"aws_session_token": "z", **REGION}, "AWS_SESSION_TOKEN belongs to a key"),
        ({"dynamodb_table_name": "no spaces", **REGION}, "DYNAMODB_TABLE_NAME: "),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    assert said in str(caught.value)


def test_a_named_redis_that_is_not_there_is_not_replaced_by_dynamodb() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL is not set"):
        _ = load_settings(store="redis", **REGION).store_url


@pytest.mark.parametrize("broker", ["sqs://", "amqp://rabbit", "redis://h/1"])
def test_any_broker_goes_with_dynamodb(broker: str) -> None:
    assert load_settings(broker_url=broker, **REGION).broker_address == broker


def test_the_table_is_asked_as_whom_the_settings_name_and_nothing_shows_the_secret() -> None:
    settings = load_settings(**REGION, **CREDENTIALS, aws_session_token="z", aws_endpoint_url="http://e:1")
    address = address_of(settings)
    assert (address.table, address.region, address.endpoint_url) == ("sessions", "eu-central-1", "http://e:1")
    assert (address.access_key_id, address.secret_access_key, address.session_token) == ("x", "y", "z")
    assert isinstance(settings.aws_session_token, SecretStr)
    assert "'y'" not in repr(settings)


def test_who_uses_redis_does_not_wait_for_the_aws_sdk(tmp_path: Path) -> None:
    program = (
        "import sys, api.__main__, worker.main\n"
        "from shared.settings import Settings\n"
        "from shared.storage import open_store\n"
        "open_store(Settings(redis_url='redis://h'))\n"
        "print([name for name in ('aioboto3', 'boto3', 'botocore') if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert shown.stdout == "[]\n"
