"""The chat page, as people meet it."""

from __future__ import annotations

import re
import secrets

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.api.caller import Caller, frozen
from tests.browser.conftest import OpenPage
from tests.support.stack import ROOT, Stack
from tests.support.waiting import wait_for

SCREENSHOTS = ROOT / ".screenshots"
HOSTILE = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"
LONG = 30_000.0  # milliseconds


def open_customer(page: Page, name: str) -> str:
    customer = f"{name}-{secrets.token_hex(4)}"
    page.fill("#customer", customer)
    page.press("#customer", "Enter")
    expect(page.locator(".empty")).to_contain_text(customer)
    return customer


def say(page: Page, text: str) -> None:
    page.fill("#message", text)
    page.press("#message", "Enter")


def replied(page: Page, number: int) -> str:
    """Wait for so many replies that are complete; return the last."""
    replies = page.locator(".agent-said:not(.writing):not(.failed)")
    expect(replies).to_have_count(number, timeout=LONG)
    return replies.last.locator(".said").inner_text()


def indexed(caller: Caller, customer: str, word: str) -> None:
    def look() -> bool:
        found = caller.http.get("/api/memory", params={"customerId": customer, "query": word}).json()
        return bool(found["turns"])

    wait_for(f"the conversation of {customer} to be read", look, 60)


def test_what_one_conversation_told_is_known_in_the_next(open_page: OpenPage, caller: Caller) -> None:
    page = open_page()
    customer = open_customer(page, "maria")
    say(page, "Hi, my order number is A-1234. Please always call me Mia.")
    replied(page, 1)
    indexed(caller, customer, "order")

    page.click("#new-session")
    say(page, "What was my order number?")
    assert "A-1234" in replied(page, 1)
    expect(page.locator("#session-list li")).to_have_count(2)
    expect(page.locator("#session-list .name")).to_have_text(
        ["What was my order number?", "Hi, my order number is A-1234. Please always call me Mia."]
    )
    panel = page.locator("#receipt")
    expect(panel).to_contain_text("Earlier turns used")
    expect(panel).to_contain_text("my order number is A-1234")
    expect(page.locator(".agent-said .meta").last).to_contain_text(
        re.compile(r"tokens in, \d+ out · input about \$0\.0")
    )

    page.locator("#session-list button").last.click()
    expect(page.locator(".customer-said .said").first).to_have_text(
        "Hi, my order number is A-1234. Please always call me Mia."
    )


def test_two_messages_in_a_breath_are_of_one_conversation(open_page: OpenPage, caller: Caller, stack: Stack) -> None:
    page = open_page()
    customer = open_customer(page, "quick")
    with frozen(stack, "web"):  # neither is answered before both are sent
        say(page, "Hello there")
        say(page, "My lamp came broken")
    replied(page, 2)
    (session,) = caller.http.get("/api/sessions", params={"customerId": customer}).json()
    said = [content for role, content in caller.transcript(session["id"]) if role == "user"]
    assert said == ["Hello there", "My lamp came broken"]


def test_what_is_still_said_of_one_customer_is_not_read_out_in_the_next_ones_conversation(
    open_page: OpenPage, caller: Caller, stack: Stack
) -> None:
    page = open_page()
    customer = open_customer(page, "left")
    stack.simulator.pace(tokens_per_second=15)
    say(page, "My parcel is late")
    expect(page.locator(".writing .said").first).not_to_be_empty(timeout=LONG)
    say(page, "It was to come on Monday")
    expect(page.locator(".customer-said")).to_have_count(2)
    open_customer(page, "next")

    def answered() -> bool:
        (session,) = caller.http.get("/api/sessions", params={"customerId": customer}).json()
        return len(caller.transcript(session["id"])) == 4

    wait_for("both to be answered", answered, 60)
    page.wait_for_timeout(1_000)  # for what would still be heard of them
    assert "parcel" not in (page.locator("#announce").text_content() or "")
    assert "Monday" not in (page.locator("#announce").text_content() or "")


def test_simulated_replies_are_told_as_such(open_page: OpenPage) -> None:
    expect(open_page().locator("#simulated")).to_be_visible()


def test_a_reload_in_the_middle_of_a_reply_goes_on_with_it(open_page: OpenPage, stack: Stack) -> None:
    page = open_page()
    open_customer(page, "reload")
    stack.simulator.pace(tokens_per_second=15)
    say(page, "My parcel is late. " + "It was to come on Monday, then on Tuesday. " * 4)
    expect(page.locator(".writing .said")).not_to_be_empty(timeout=LONG)
    page.reload()
    whole = replied(page, 1)
    assert whole.startswith("[simulated] Noted: ")
    assert whole.endswith('"')
    expect(page.locator(".customer-said")).to_have_count(1)


def test_a_lost_connection_is_taken_up_where_it_was_cut(open_page: OpenPage, stack: Stack) -> None:
    page = open_page()
    open_customer(page, "cut")
    stack.simulator.pace(tokens_per_second=15)
    text = "My parcel is late. " + "It was to come on Monday, then on Tuesday. " * 4
    say(page, text)
    expect(page.locator(".writing .said")).not_to_be_empty(timeout=LONG)
    stack.kill("web")
    expect(page.locator("#notice")).to_contain_text("connection is gone", timeout=LONG)
    stack.start("web", "api")
    assert replied(page, 1).count("My parcel is late.") == 1
    expect(page.locator("#notice")).to_be_empty()


def test_nothing_a_customer_wrote_is_read_as_markup(open_page: OpenPage, caller: Caller) -> None:
    customer = f"<b>eve</b>-{secrets.token_hex(4)}"
    caller.remember(customer, HOSTILE, HOSTILE)
    page = open_page()
    page.fill("#customer", customer)
    page.press("#customer", "Enter")
    expect(page.locator("#entries .entry")).to_contain_text(HOSTILE)
    say(page, HOSTILE)
    replied(page, 1)
    expect(page.locator(".customer-said .said")).to_have_text(HOSTILE)
    session = caller.http.get("/api/sessions", params={"customerId": customer}).json()[0]["id"]
    caller.http.patch(f"/api/sessions/{session}", json={"title": HOSTILE})
    page.reload()
    expect(page.locator("#session-list button")).to_contain_text(HOSTILE)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img, main script, main b b").count() == 0


def test_errors_are_told_in_words(open_page: OpenPage, caller: Caller) -> None:
    page = open_page()
    customer = open_customer(page, "closed")
    say(page, "Hello there")
    replied(page, 1)
    session = caller.http.get("/api/sessions", params={"customerId": customer}).json()[0]["id"]
    caller.http.patch(f"/api/sessions/{session}", json={"status": "closed"})
    say(page, "One more thing")
    expect(page.locator("#notice")).to_contain_text("closed")
    expect(page.locator("#message")).to_have_value("One more thing")  # nothing that was written is lost


def test_a_wrong_key_is_told_and_a_right_one_opens(open_page: OpenPage, caller: Caller) -> None:
    page = open_page(key="")
    page.fill("#key", "cmk_wrong")
    page.press("#key", "Enter")
    expect(page.locator("#sign-in-error")).to_contain_text("unknown or revoked")
    page.fill("#key", caller.key)
    page.press("#key", "Enter")
    expect(page.locator("#sign-in")).to_be_hidden()
    page.click("#sign-out")
    expect(page.locator("#sign-in")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_it_can_be_used_by_everybody(open_page: OpenPage, caller: Caller, scheme: str, width: int) -> None:
    page = open_page(scheme=scheme, width=width)
    customer = open_customer(page, "lotte")
    caller.remember(customer, "language", "German", scope="preference")
    say(page, "Hello, my order number is B-77 and my lamp came broken.")
    replied(page, 1)
    expect(page.locator("#receipt")).to_contain_text("Used for the reply")
    expect(page.locator("#session-list .name")).to_contain_text("B-77")
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"chat-{scheme}-{width}.png")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["help"]) for each in found if each["impact"] in {"serious", "critical"}] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_weighs_little() -> None:
    files = [file for file in (ROOT / "api" / "static").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 200_000
