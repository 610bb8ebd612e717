"""`customer-memory demo`: one command, and a customer of an invented shop is known."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from cli.demo.shop import read_shop
from cli.rundir import NotRunning, RunDir, find_url
from shared.settings import load_settings
from tests.cli.running import Running

NOW = datetime(2026, 3, 2, 0, 10, tzinfo=UTC)  # shortly after midnight, shortly after the end of a month


def ask(url: str, customer: str, message: str) -> str:
    body = {"customerId": customer, "message": message}
    answer = httpx2.post(f"{url}/api/chat", json=body, headers={"Prefer": "wait=30"}, timeout=40)
    return str(answer.json()["reply"])


def listed(url: str, path: str, **query: Any) -> Any:
    return httpx2.get(url + path, params=query).json()


def test_nothing_is_said_after_now_and_all_of_it_in_order() -> None:
    shop = read_shop(NOW)
    for customer in shop.customers:
        said = [body["at"] for each in customer.conversations for body in each.posted(NOW)]
        assert said == sorted(said)
        assert datetime.fromisoformat(said[-1]) <= NOW
        assert datetime.fromisoformat(said[0]) > NOW - timedelta(days=40)


def test_days_are_told_from_now_on() -> None:
    told = read_shop(NOW).model_dump_json()
    assert re.search(r"on her card by 5 March\b", told)
    assert "{" not in re.sub(r'[{}]+(?=["\[\],{}]|$)', "", told)  # no placeholder is left


@pytest.mark.timeout(180)
def test_one_command_and_a_customer_who_comes_back_is_known(running: Running) -> None:
    """Given nothing, `demo` starts a service of its own and loads it; run again it finds it and adds nothing."""
    demo = running.demo()
    demo.says("The demo is loaded", 90)
    record = RunDir(running.data / "demo").running()
    assert record is not None
    assert f"{record.url}/#customer=maria.lopez" in demo.output
    assert "64.90 EUR" in ask(record.url, "maria.lopez", "Where is my refund?")
    assert "DANKE-85-W" in ask(record.url, "jonas.weber", "Wie war der Code meiner Gutschrift?")

    _today, lamp, rug = listed(record.url, "/api/sessions", customerId="maria.lopez")
    assert (lamp["title"], lamp["status"]) == ("Bedside lamp arrived broken", "expired")
    assert (rug["title"], rug["status"]) == ("Kitchen rug in the wrong colour", "closed")
    (first, *_) = listed(record.url, f"/api/sessions/{rug['id']}/messages")
    assert datetime.now(UTC) - datetime.fromisoformat(first["at"]) > timedelta(days=20)
    (entry,) = listed(record.url, "/api/memory", customerId="tom.okafor", key="address")
    assert (entry["value"], len(entry["history"])) == ("7 Harbour Road, Bristol", 1)
    assert any(each["quarantined"] for each in listed(record.url, "/api/memory", customerId="noah.kim"))

    with pytest.raises(NotRunning, match=r"the demo does: set DATA_DIR=.*/demo to use it"):
        find_url(load_settings(data_dir=running.data), None)  # the other commands look for the demo only when told to
    assert f"customer-memory chat --url {record.url}" in demo.output

    again = running.demo()
    assert again.ends(60) == 0
    assert "nothing was missing" in again.output
    demo.signal(signal.SIGINT)
    assert demo.ends(60) == 0
    assert not (running.data / "valkey").exists()  # what is yours is not touched
