"""Asking DynamoDB: what passes by itself is asked again, what does not is told at once, in words."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import StoreError, StoreUnavailable
from shared.storage.dynamodb.actions import ABSENT, put, query
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.client import Client, ConditionFailed
from tests.unit.storage.fake_dynamodb import FakeDynamoDB, answer, cancelled, cut, fault

KEY = {"pk": "a", "sk": "b"}
RAW = {"pk": {"S": "a"}, "sk": {"S": "b"}}
FOUND = answer({"Item": {**RAW, "number": {"N": "7"}}})
DONE = answer({})
INTERNAL = fault("InternalServerError", 500)
BUSY = fault("ProvisionedThroughputExceededException")

Open = Callable[..., Client]


@pytest.fixture
async def service() -> AsyncIterator[FakeDynamoDB]:
    service = FakeDynamoDB()
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def client(service: FakeDynamoDB) -> AsyncIterator[Client]:
    client = Client(service.address, patience=5.0, connections=4)
    yield client
    await client.close()


@pytest.fixture
async def hasty(service: FakeDynamoDB) -> AsyncIterator[Client]:
    """A client that waits a tenth of a second in all, and then rests for a minute."""
    client = Client(service.address, patience=0.1, connections=4, rest=60.0)
    yield client
    await client.close()


@pytest.fixture
async def brief(service: FakeDynamoDB) -> AsyncIterator[Client]:
    """A client that knows the service already, and from then on waits for less than half a second in all."""
    client = Client(service.address, patience=5.0, connections=4, rest=60.0)
    service.says(FOUND)
    await client.get(KEY)
    client._patience = 0.4
    yield client
    await client.close()


@pytest.mark.parametrize(
    "passing",
    [
        BUSY,
        fault("ThrottlingException"),
        fault("RequestLimitExceeded"),
        fault("TransactionConflictException"),
        fault("InternalServerError", 500),
        answer(b"<html>Bad Gateway</html>", 502),
        answer(b"", 503),
        cut(FOUND),
    ],
    ids=["busy", "throttled", "limit", "conflict", "internal", "gateway", "empty", "cut"],
)
async def test_what_passes_by_itself_is_asked_again(client: Client, service: FakeDynamoDB, passing: bytes) -> None:
    service.says(passing, passing, FOUND)
    assert await client.get(KEY) == {**KEY, "number": 7}
    assert service.operations == ["GetItem"] * 3


async def test_a_transaction_that_met_another_is_asked_again(client: Client, service: FakeDynamoDB) -> None:
    service.says(cancelled("None", "TransactionConflict"), cancelled("ThrottlingError", "None"), DONE)
    await client.transact([put(KEY), put({"pk": "a", "sk": "c"})])
    assert len(service.asked) == 3


async def test_a_transaction_in_progress_is_asked_again_and_may_have_been_done(
    client: Client, service: FakeDynamoDB
) -> None:
    service.says(fault("TransactionInProgressException"), cancelled(("ConditionalCheckFailed", RAW)))
    with pytest.raises(ConditionFailed) as failed:
        await client.transact([put(KEY, ABSENT)])
    assert failed.value.again


async def test_conditions_that_failed_tell_what_was_there_by_position(client: Client, service: FakeDynamoDB) -> None:
    service.says(cancelled("None", ("ConditionalCheckFailed", RAW), "TransactionConflict"))
    with pytest.raises(ConditionFailed) as failed:
        await client.transact([put(KEY, ABSENT)] * 3)
    assert failed.value.items == (None, KEY, None)
    assert not failed.value.again


async def test_a_single_write_tells_what_was_there(client: Client, service: FakeDynamoDB) -> None:
    service.says(fault("ConditionalCheckFailedException", Item=RAW))
    with pytest.raises(ConditionFailed) as failed:
        await client.write(put(KEY, ABSENT))
    assert failed.value.items == (KEY,)


@pytest.mark.parametrize("lost", [cut(DONE, 1), fault("InternalServerError", 500)], ids=["cut", "internal"])
async def test_a_write_whose_answer_was_lost_says_so_when_it_fails_the_second_time(
    client: Client, service: FakeDynamoDB, lost: bytes
) -> None:
    service.says(lost, fault("ConditionalCheckFailedException", Item=RAW))
    with pytest.raises(ConditionFailed) as failed:
        await client.write(put(KEY, ABSENT))
    assert failed.value.again


async def test_a_throttled_write_was_not_done(client: Client, service: FakeDynamoDB) -> None:
    service.says(BUSY, fault("ConditionalCheckFailedException", Item=RAW))
    with pytest.raises(ConditionFailed) as failed:
        await client.write(put(KEY, ABSENT))
    assert not failed.value.again


async def test_keys_left_unread_are_read_then_and_come_in_order(client: Client, service: FakeDynamoDB) -> None:
    others = [{"pk": {"S": "a"}, "sk": {"S": name}} for name in "bcd"]
    service.says(
        answer({"Responses": {"table": [others[2]]}, "UnprocessedKeys": {"table": {"Keys": others[:2]}}}),
        answer({"Responses": {"table": [others[0]]}, "UnprocessedKeys": {}}),
    )
    found = await client.get_many([{"pk": "a", "sk": name} for name in "bcdb"])
    assert [item and item["sk"] for item in found] == ["b", None, "d", "b"]
    assert [asked["RequestItems"]["table"]["Keys"] for _, asked in service.asked] == [others, others[:2]]


async def test_items_left_unwritten_are_written_then(client: Client, service: FakeDynamoDB) -> None:
    keys = [{"pk": "a", "sk": str(number)} for number in range(30)]
    left = [{"DeleteRequest": {"Key": {"pk": {"S": "a"}, "sk": {"S": "7"}}}}]
    service.says(answer({"UnprocessedItems": {"table": left}}), DONE)
    await client.delete_many([*keys, keys[0]])
    batches = [asked["RequestItems"]["table"] for _, asked in service.asked]
    assert [len(batch) for batch in batches] == [25, 6]
    assert batches[1][0] == left[0]


@pytest.mark.parametrize("writing", [True, False], ids=["write", "read"])
async def test_patience_ends_too_where_items_are_left_undone_again_and_again(
    brief: Client, service: FakeDynamoDB, *, writing: bool
) -> None:
    left: dict[str, Any] = {"UnprocessedItems": {"table": [{"DeleteRequest": {"Key": RAW}}]}}
    if not writing:
        left = {"UnprocessedKeys": {"table": {"Keys": [RAW]}}}
    service.says(*[answer(left)] * 5000)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"too busy for 0\.4 s \(items left undone\)"):
        await (brief.delete_many([KEY]) if writing else brief.get_many([KEY]))
    assert time.monotonic() - began < 1.0
    service.script[:] = [FOUND] * 10  # an ask that patience cut off may be answered yet
    assert await brief.get(KEY) == {**KEY, "number": 7}


async def test_much_may_take_longer_than_patience_as_long_as_it_goes_on(brief: Client, service: FakeDynamoDB) -> None:
    left = answer({"UnprocessedItems": {"table": [{"DeleteRequest": {"Key": RAW}}]}})
    service.says(*[left, DONE] * 40)
    began = time.monotonic()
    await brief.delete_many({"pk": "a", "sk": str(number)} for number in range(40 * 49))
    assert time.monotonic() - began > 0.4


async def test_pages_are_read_to_the_end_and_no_further_than_wanted(client: Client, service: FakeDynamoDB) -> None:
    page = {"Items": [RAW], "LastEvaluatedKey": RAW}
    asked = query(None, "#pk = :pk", pk="a")
    service.says(answer(page), answer({"Items": [], "LastEvaluatedKey": RAW}), answer({"Items": [RAW]}))
    assert len(await client.all(asked)) == 2
    assert service.asked[1][1]["ExclusiveStartKey"] == RAW
    service.says(answer(page))
    assert len(await client.first(asked, 1)) == 1
    assert len(service.asked) == 4


@pytest.mark.parametrize("never", [INTERNAL, None], ids=["internal", "silent"])
async def test_patience_ends_and_then_others_fail_at_once_for_a_while(
    hasty: Client, service: FakeDynamoDB, never: bytes | None
) -> None:
    service.says(*[never] * 50)
    with pytest.raises(StoreUnavailable, match=r"did not answer in 0\.1 s"):
        await hasty.get(KEY)
    asked = len(service.asked)
    with pytest.raises(StoreUnavailable, match="a moment ago"):
        await hasty.get(KEY)
    assert len(service.asked) == asked


@pytest.mark.parametrize(
    ("busy", "word"),
    [
        (BUSY, "ProvisionedThroughputExceededException"),
        (fault("TransactionConflictException"), "TransactionConflictException"),
        (cancelled("None", "TransactionConflict"), "TransactionConflict"),
    ],
    ids=["throttled", "conflict", "cancelled"],
)
async def test_an_item_that_many_want_silences_nobody_else(
    brief: Client, service: FakeDynamoDB, busy: bytes, word: str
) -> None:
    service.says(*[busy] * 50)
    with pytest.raises(StoreUnavailable, match=rf"too busy for 0\.4 s \({word}\)"):
        await brief.write(put(KEY))
    service.script[:] = [FOUND]
    assert await brief.get(KEY) == {**KEY, "number": 7}


async def test_a_service_that_is_busy_first_and_then_silent_for_a_moment_is_asked_by_others(
    brief: Client, service: FakeDynamoDB
) -> None:
    service.says(BUSY, None)
    with pytest.raises(StoreUnavailable, match="too busy"):
        await brief.write(put(KEY))
    service.script[:] = [FOUND]
    assert await brief.get(KEY) == {**KEY, "number": 7}


async def test_a_service_that_is_not_there_is_unavailable(service: FakeDynamoDB, hasty: Client) -> None:
    await service.stop()
    with pytest.raises(StoreUnavailable):
        await hasty.get(KEY)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (fault("ResourceNotFoundException"), "customer-memory dynamodb create-table"),
        (fault("AccessDeniedException"), "AccessDeniedException"),
        (fault("ValidationException"), "ValidationException"),
        (fault("UnrecognizedClientException"), "UnrecognizedClientException"),
        (cancelled("ValidationError", "None"), "TransactionCanceledException"),
    ],
)
async def test_what_asking_again_does_not_change_is_told_at_once(
    client: Client, service: FakeDynamoDB, told: bytes, words: str
) -> None:
    service.says(told)
    with pytest.raises(StoreError, match=words) as failed:
        await client.get(KEY)
    assert not isinstance(failed.value, StoreUnavailable)
    assert len(service.asked) == 1


async def test_whoever_has_no_credentials_is_told_so(
    service: FakeDynamoDB, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    client = Client(Address("table", "eu-north-1", service.address.endpoint_url), patience=5.0, connections=4)
    with pytest.raises(StoreError, match="credentials") as failed:
        await client.get(KEY)
    await client.close()
    assert not isinstance(failed.value, StoreUnavailable)
    assert service.asked == []


async def test_the_time_is_the_services_own(client: Client, service: FakeDynamoDB) -> None:
    service.says(DONE)
    first = await client.now()
    assert await client.now() >= first > 1_700_000_000_000
    assert len(service.asked) == 1


async def test_answers_without_a_date_are_no_clock(client: Client, service: FakeDynamoDB) -> None:
    service.says(answer({}, date=False))
    with pytest.raises(StoreError, match="no Date"):
        await client.now()


async def test_numbers_texts_and_lists_come_back_as_they_went(client: Client, service: FakeDynamoDB) -> None:
    item: dict[str, Any] = {**KEY, "number": 7, "text": "ä", "list": ["x"], "yes": True, "none": None}
    service.says(DONE)
    await client.write(put(item))
    service.says(answer({"Item": service.asked[0][1]["Item"]}))
    assert await client.get(KEY) == {name: value for name, value in item.items() if value is not None}
