"""The console with much to show: pages stay small, whatever there is; and the page itself weighs little."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

import pytest
from playwright.sync_api import Page, Request, expect

from shared.ids import Ids, bucket_of
from shared.models import Message
from shared.settings import load_settings
from shared.storage import open_store
from shared.storage.types import NewSession
from tests.api.caller import Caller, make_key
from tests.browser.conftest import OpenPage
from tests.browser.desk import LONG, go, settled
from tests.support.stack import Stack
from tests.support.valkey import Valkey

TENANT: Final = "size"
SESSIONS: Final = 1_000
MESSAGES: Final = 10_000
ELEMENTS: Final = 2_500  # of a page, at most
WEIGHT: Final = 200_000  # bytes
AT_ONCE: Final = 50


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Stack]:
    """Web alone: nobody summarises ten thousand messages beside the tests."""
    server = Valkey(tmp_path_factory.mktemp("size-valkey"))
    stack = Stack(tmp_path_factory.mktemp("size"), server, ANTHROPIC_API_KEY="", HOST="")
    try:
        stack.start_web()
        yield stack
    finally:
        stack.close()
        server.stop()


@pytest.fixture(scope="module")
def caller(stack: Stack) -> Iterator[Caller]:
    with Caller(stack, TENANT, make_key(stack, TENANT)) as caller:
        yield caller


@pytest.fixture(scope="module")
def long_one(stack: Stack, caller: Caller) -> str:
    """The id of a conversation of ten thousand messages, whose customer has a thousand."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _filled(stack)).result()


async def _filled(stack: Stack) -> str:
    ids, now = Ids(), datetime.now(UTC)
    async with open_store(load_settings(redis_url=stack.settings["REDIS_URL"]), patience=10) as store:
        own, bucket = store.tenant(TENANT), bucket_of(TENANT, "old")
        sessions = [ids.session(bucket) for _ in range(SESSIONS)]
        for session in sessions:
            await own.create_session(session, NewSession("old"))
        for first in range(0, MESSAGES, AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for number in range(first, first + AT_ONCE):
                    text = f"Message {number + 1} {secrets.token_hex(20)}"
                    message = Message(id=ids.message(), role="user", content=text, at=now)
                    group.create_task(own.record(sessions[-1], message, backdated=True))
    return sessions[-1]


def elements(page: Page) -> int:
    found: int = page.evaluate("document.querySelectorAll('*').length")
    return found


def test_a_thousand_conversations_are_paged(open_page: OpenPage, caller: Caller, long_one: str) -> None:
    page = open_page("/console")
    go(page, "customers", "old")
    seen = 0
    for _ in range(3):
        expect(page.locator(".timeline > li")).to_have_count(50)
        assert elements(page) < ELEMENTS
        seen += 50
        page.get_by_role("link", name="Next page").click()
        settled(page)
        expect(page.get_by_role("link", name="First page")).to_be_visible()
    page.go_back()
    expect(page.locator(".timeline > li")).to_have_count(50)


def test_ten_thousand_messages_are_paged_and_each_can_be_gone_to(
    open_page: OpenPage, caller: Caller, long_one: str
) -> None:
    page = open_page("/console")
    go(page, "sessions", long_one)
    said = page.locator(".transcript li")
    expect(said).to_have_count(100, timeout=LONG)
    expect(page.locator(".pager").first).to_contain_text("9,901–10,000 of 10,000")  # the last are shown first
    assert elements(page) < ELEMENTS
    page.get_by_role("link", name="Earlier").first.click()
    expect(page.locator(".pager").first).to_contain_text("9,801–9,900")
    page.get_by_role("link", name="First").first.click()
    expect(page.locator(".pager").first).to_contain_text("1–100")
    assert elements(page) < ELEMENTS
    go(page, "sessions", long_one, query="?at=4321")
    expect(page.locator("[data-aim]")).to_contain_text("#4321")
    expect(page.locator("[data-aim]")).to_be_in_viewport()


def test_the_chat_page_of_such_a_customer_stays_usable(open_page: OpenPage, long_one: str) -> None:
    page = open_page("/#customer=old")
    expect(page.locator("#session-list li")).to_have_count(500, timeout=LONG)


@pytest.mark.parametrize("path", ["/", "/console"])
def test_a_page_weighs_little_and_shows_soon(
    open_page: OpenPage, caller: Caller, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = open_page(path)
    files = dict[str, int]()

    def weigh(request: Request) -> None:
        response = request.response()
        if response is not None and response.ok and "/api/" not in request.url:
            files[request.url] = len(response.body())

    page.goto("about:blank")
    page.on("requestfinished", weigh)
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(path, wait_until="networkidle" if path == "/" else "load")
    page.wait_for_function("performance.getEntriesByType('paint').length > 0")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    if path == "/console":
        settled(page)
    with capsys.disabled():
        print(f"\n{path}: {sum(files.values()) / 1000:.0f} kB in {len(files)} files, first paint {paint:.0f} ms")  # noqa: T201 - for people
    assert len(files) > 5
    assert 0 < sum(files.values()) < WEIGHT
