"""The service, and a real browser before it: Debian's Chromium, driven by Playwright.

Where there is no Chromium, these tests are skipped, and fail where CI is set. On Debian and Ubuntu:
`apt install chromium`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from shared.storage.access import KeyRole
from tests.api.caller import Caller, make_key
from tests.support.stack import Stack
from tests.support.valkey import Valkey

PLACES = ("chromium", "chromium-browser", "google-chrome")
OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> str:
    """Where the browser is."""
    found = next(filter(None, map(shutil.which, PLACES)), None)
    if found is None:
        text = "no Chromium here; install it: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


# Playwright has an event loop run while it is there: no longer than a module's tests, and after what needs one itself.
@pytest.fixture(scope="module")
def browser(chromium: str, caller: Caller) -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Stack]:
    """The whole service; conversations are read a second after their last word."""
    folder = tmp_path_factory.mktemp("browser")
    server = Valkey(tmp_path_factory.mktemp("browser-valkey"))
    stack = Stack(
        folder,
        server,
        RECONCILE_SECONDS="0.5",
        MEMORY_DELAY_SECONDS="1",
        ANTHROPIC_API_KEY="",
        HOST="",
        LEASE_SECONDS="6",
        SECRET_KEY=secrets.token_hex(32),
        CALLBACK_ALLOW_HTTP="true",
        CALLBACK_ALLOWED_CIDRS="127.0.0.1/32",
        CALLBACK_TIMEOUT_SECONDS="3",
    )
    try:
        stack.start_all()
        yield stack
    finally:
        stack.close()
        server.stop()


@pytest.fixture(scope="package")
def caller(stack: Stack) -> Iterator[Caller]:
    """The tenant whose customers talk."""
    with Caller(stack, "shop", make_key(stack, "shop")) as caller:
        yield caller


@pytest.fixture
def tenant(stack: Stack) -> Iterator[Caller]:
    """A tenant nobody has met: the console shows all of one."""
    name = f"desk-{secrets.token_hex(4)}"
    with Caller(stack, name, key_beside(stack, name)) as caller:
        yield caller


def key_beside(stack: Stack, tenant: str, role: KeyRole = "tenant") -> str:
    """Make an API key on a thread of its own: on this one Playwright's event loop runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make_key, stack, tenant, role).result()


@pytest.fixture
def open_page(browser: Browser, stack: Stack, caller: Caller) -> Iterator[OpenPage]:
    """Opens a page in a browser of its own, signed in. No request may leave this host, no script may fail."""
    contexts, strangers, faults = [], list[str](), list[str]()

    def note(request: Request) -> None:
        if not request.url.startswith((stack.url, "data:")):
            strangers.append(request.url)

    def opened(
        path: str = "/", *, key: str = caller.key, scheme: str = "light", width: int = 1280, height: int = 800
    ) -> Page:
        context = browser.new_context(
            base_url=stack.url,
            color_scheme=scheme,  # type: ignore[arg-type]  # a word
            viewport={"width": width, "height": height},
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(path)
        if key:
            page.fill("#key", key)
            page.press("#key", "Enter")
            page.wait_for_selector("#sign-in", state="hidden")
        return page

    stack.simulator.clear_faults()
    stack.simulator.pace()
    yield opened
    for context in contexts:
        context.close()
    assert strangers == []
    assert faults == []
