"""Ids and keys: any two things have two names."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ids import Ids, SessionRef, all_buckets, bucket_in, bucket_of, new_ulid
from shared.storage.keys import encode, idempotency_key, valid_tenant, wake_key

NASTY = st.text(alphabet=st.sampled_from(":{}*?[]\n\0/%._-= \\аaｅée\u0301\U0001f600"), max_size=8)
ANY = st.one_of(NASTY, st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


@settings(max_examples=1000)
@given(ANY, ANY)
def test_no_two_customers_share_a_key_segment(one: str, other: str) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@settings(max_examples=500)
@given(ANY)
def test_a_key_segment_holds_nothing_a_server_gives_a_meaning(text: str) -> None:
    assert not set(encode(text)) & set(":{}*?[]\n\0/ \\")
    assert encode(text).isascii()


@settings(max_examples=500)
@given(ANY, ANY, ANY, ANY)
def test_no_two_idempotency_keys_of_two_tenants_meet(tenant: str, key: str, other_tenant: str, other_key: str) -> None:
    if valid_tenant(tenant) and valid_tenant(other_tenant) and (tenant, key) != (other_tenant, other_key):
        assert idempotency_key(tenant, key) != idempotency_key(other_tenant, other_key)


@settings(max_examples=300)
@given(ANY, ANY)
def test_ids_lead_to_the_bucket_of_their_customer(tenant: str, customer: str) -> None:
    bucket = bucket_of(tenant, customer)
    ids = Ids()
    assert bucket in all_buckets()
    assert bucket_in(ids.session(bucket), "ses") == bucket
    assert bucket_in(ids.request(bucket), "req") == bucket
    assert SessionRef("acme", ids.session(bucket)).bucket == bucket


def test_the_bucket_is_told_apart_from_tenant_and_customer_running_together() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("1", "1:x"), ("11", ":x")]
    assert len({bucket_of(*pair) for pair in pairs}) > 1


def test_customers_spread_over_the_buckets_evenly() -> None:
    found = Counter(bucket_of("acme", f"customer-{number}") for number in range(20_480))
    assert len(found) == 1024
    assert max(found.values()) < 60


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ses_",
        "ses_7k",
        "req_7k" + "0" * 26,
        "ses_7k" + "0" * 25,
        "ses_7k" + "u" * 26,
        "SES_7k" + "0" * 26,
        "ses_7k" + "0" * 27,
    ],
)
def test_what_is_no_session_id_leads_nowhere(text: str) -> None:
    assert bucket_in(text, "ses") is None


@pytest.mark.parametrize("text", ["", "acme", "/ses_7k" + "0" * 26, "acme/", "acme/req_7k" + "0" * 26])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a session reference"):
        SessionRef.parse(text)


def test_a_reference_reads_as_it_was_written() -> None:
    ref = SessionRef("acme", Ids().session("7k"))
    assert SessionRef.parse(str(ref)) == ref


def test_ulids_sort_by_time_and_do_not_repeat() -> None:
    made = [new_ulid() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert [ulid[:10] for ulid in made] == sorted(ulid[:10] for ulid in made)


def test_the_bucket_is_the_hash_tag() -> None:
    assert wake_key("7k") == "cm:{7k}:wake"
