"""The same API without any Redis: a choice of the other files' tests, over DynamoDB and SQS as moto plays them."""
# ruff: noqa: F401 - pytest runs what it finds here

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.api.caller import Caller
from tests.api.test_chat import (
    test_a_caller_who_prefers_to_wait_gets_the_reply,
    test_a_closed_session_takes_no_message,
    test_a_conversation_is_resumed_by_the_caller_s_own_id,
    test_a_message_is_accepted_and_its_reply_polled,
    test_a_poll_may_wait_for_the_end,
    test_a_receipt_tells_what_claude_was_given,
    test_a_session_of_someone_else_is_unknown,
    test_the_same_key_and_body_give_the_same_answer,
    test_the_same_key_with_another_body_is_refused,
)
from tests.api.test_console import (
    test_a_failed_request_is_asked_again_at_the_end_of_its_session_once,
    test_a_page_that_is_open_hears_of_changes_of_its_tenant_alone,
    test_actions_tell_who_and_never_the_key,
    test_an_erased_customer_disappears_from_every_list,
    test_claudes_errors_are_told_by_type,
    test_customers_are_listed_by_activity_and_found_by_a_part_of_their_id,
    test_recorded_history_counts_as_activity_of_its_own_time,
    test_requests_of_a_deleted_session_disappear,
    test_usage_is_what_the_replies_say_and_not_more,
)
from tests.api.test_context import test_the_next_context_is_shown_and_nothing_happens
from tests.api.test_memory import (
    test_a_changed_preference_is_used_and_a_forgotten_one_is_not,
    test_a_replaced_value_is_kept_as_history,
    test_entries_are_paged,
    test_the_deployment_s_instructions_hold_until_a_tenant_has_its_own,
)
from tests.api.test_sessions import (
    test_a_colleague_s_answer_is_read_with_its_name,
    test_a_record_behind_an_open_request_takes_its_turn,
    test_a_session_is_begun_and_read,
    test_a_session_is_closed_and_opened_again,
    test_history_is_imported_with_its_own_times,
    test_messages_are_listed_oldest_first,
    test_sessions_are_listed_newest_first,
    test_title_and_tags_are_changed_one_by_one,
)
from tests.api.test_stream import (
    test_a_listener_cut_off_while_claude_writes_goes_on_where_it_was,
    test_a_session_deleted_meanwhile_ends_the_stream,
    test_who_comes_after_the_end_hears_the_result,
)
from tests.support.moto import UNHURRIED, Moto
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def server() -> Iterator[Moto]:
    server = Moto()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server: Moto) -> Iterator[Stack]:
    """A deployment of its own; moto is slow now and then, and a wake-up that it did not take in time is made up for."""
    settings = {"LEASE_SECONDS": "6", **UNHURRIED, "ANTHROPIC_API_KEY": "", "HOST": ""}
    stack = Stack(tmp_path_factory.mktemp("api-dynamodb"), server, None, **settings)
    stack.start("chat", "worker", "chat")
    stack.start_healer()
    stack.start_web()
    stack.wait_worker("chat", "healer")
    yield stack
    stack.close()


def test_a_table_that_does_not_answer_is_told_within_two_seconds(caller: Caller, stack: Stack, server: Moto) -> None:
    assert caller.begin("Are you there?")
    server.pause()
    try:
        began = time.monotonic()
        answers = [caller.post("Hello?") for _ in range(2)]
        longest = time.monotonic() - began
        unready = httpx2.get(f"{stack.url}/readyz", timeout=10)
    finally:
        server.resume()
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["Retry-After"]
    assert answers[0].json()["type"] == "/problems/store-unavailable"
    assert longest < 2 * 2.0
    assert unready.status_code == 503
    stack.wait_ready()
    assert caller.ask("Are you back?")["reply"]
