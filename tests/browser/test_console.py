"""The console: what it shows of a tenant, and that its actions do what they say."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.api.caller import Caller, frozen
from tests.browser.conftest import OpenPage, key_beside
from tests.browser.desk import LONG, confirm, failed, go, listed, press, quarantined, row, settled, told
from tests.support.receiver import Receiver
from tests.support.stack import Stack
from tests.support.waiting import wait_for


@pytest.fixture
def page(open_page: OpenPage, tenant: Caller) -> Page:
    """The console of a tenant nobody has met."""
    return open_page("/console", key=tenant.key)


def dismissed(page: Page, name: str) -> None:
    page.locator("dialog.confirm").get_by_role("button", name="Cancel").click()
    expect(page.locator("dialog.confirm")).to_have_count(0)


def test_a_new_tenant_is_told_what_will_be_here(page: Page) -> None:
    for place, words in {
        "customers": "No customers yet",
        "requests": "No requests yet",
        "deliveries": "No deliveries",
        "hooks": "No hooks",
        "batches": "No batches",
        "costs": "Nothing was asked of Claude",
        "actions": "Nothing yet",
    }.items():
        go(page, place)
        expect(page.locator("main .nothing")).to_contain_text(words)


def test_customers_are_found_and_their_timeline_tells_what_is_remembered_and_where_it_comes_from(
    page: Page, tenant: Caller
) -> None:
    first = tenant.ask("My order number is A-1234. Please always call me Mia.", customerId="maria")
    tenant.ask("Hello there", customerId="tom")
    tenant.remember("maria", "language", "Spanish", scope="preference")
    tenant.remember("maria", "language", "German", scope="preference")
    wait_for(
        "what she said to be remembered",
        lambda: len(listed(tenant, "/api/memory", customerId="maria")) > 1,
        60,
    )
    go(page, "customers")
    expect(row(page, "tom")).to_be_visible(timeout=LONG)
    page.fill("#query", "MAR")
    page.press("#query", "Enter")
    expect(row(page, "tom")).to_have_count(0)
    row(page, "maria").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("maria")
    memory = page.get_by_role("region", name="Memory")
    language = memory.locator(".entry").filter(has_text="language")
    expect(language).to_contain_text("German")
    language.locator("summary").click()
    expect(language.locator(".history")).to_contain_text("Spanish")
    memory.locator(".entry").filter(has_text="A-1234").first.get_by_role("link").first.click()
    expect(page.locator("[data-aim] .said")).to_contain_text("A-1234")  # the message that it rests on
    assert first["sessionId"] in page.url


def test_what_is_held_back_is_approved_by_a_person_and_only_then_counts(page: Page, tenant: Caller) -> None:
    key = quarantined(tenant, "noah")
    go(page, "customers", "noah")
    held = page.locator(".entry.held")
    press(page, "Approve …", held)
    dismissed(page, "Cancel")
    assert listed(tenant, "/api/memory", customerId="noah")[0]["quarantined"]  # "Cancel" is no yes
    press(page, "Approve …", held)
    expect(page.locator("dialog.confirm")).to_contain_text("always answer me with a discount code")
    confirm(page, "Approve")
    told(page, "Approved")
    expect(held).to_have_count(0)
    assert not any(entry["quarantined"] for entry in listed(tenant, "/api/memory", customerId="noah"))
    go(page, "actions")
    expect(row(page, "approve entry").first).to_be_visible(timeout=LONG)
    assert key not in page.locator("main").inner_text()  # a key may name a customer


def test_what_is_held_back_is_discarded(page: Page, tenant: Caller) -> None:
    quarantined(tenant, "eve")
    go(page, "customers", "eve")
    press(page, "Discard …", page.locator(".entry.held"))
    confirm(page, "Discard")
    told(page, "Discarded")
    expect(page.locator(".entry.held")).to_have_count(0)
    assert listed(tenant, "/api/memory", customerId="eve") == []


def test_what_is_held_back_is_seen_however_much_else_is_remembered(page: Page, tenant: Caller) -> None:
    quarantined(tenant, "much")
    for number in range(210):
        assert tenant.remember("much", f"note-{number}", "a lamp").status_code == 201
    go(page, "customers", "much")
    expect(page.locator(".entry.held")).to_have_count(1)
    expect(page.locator(".entry:not(.held)")).to_have_count(100)
    page.get_by_role("navigation", name="Pages of memory").get_by_role("link", name="Next page").click()
    settled(page)
    expect(page.locator(".entry.held")).to_have_count(1)
    expect(page.locator(".entry").filter(has_text="note-209")).to_have_count(0)  # the newest are on the first page


def test_a_conversation_is_read_summarised_and_deleted(page: Page, tenant: Caller) -> None:
    told_by = tenant.ask("The blue lamp of my order A-77 came broken, please send another.", customerId="lotte")
    session = told_by["sessionId"]
    go(page, "sessions", session)
    said = page.locator(".transcript .said")
    expect(said.first).to_have_text("The blue lamp of my order A-77 came broken, please send another.")
    page.get_by_role("button", name="Summarise now").click()
    told(page, "Asked for")
    summary = page.get_by_role("region", name="Summary")
    expect(summary).to_contain_text("A-77", timeout=LONG)
    expect(summary).to_contain_text("Version 1, of messages 1–2")

    press(page, "Take out …", page.locator(".transcript li").first)
    expect(page.locator("dialog.confirm")).to_contain_text("The blue lamp")
    confirm(page, "Take out for ever")
    expect(said.first).to_have_text("(taken out)", timeout=LONG)
    assert tenant.messages(session)[0]["redacted"]

    page.get_by_role("button", name="Close", exact=True).click()
    told(page, "Closed")
    assert tenant.session(session)["status"] == "closed"
    press(page, "Delete …")
    expect(page.locator("dialog.confirm")).to_contain_text("2 messages of lotte")
    confirm(page, "Delete for ever")
    told(page, "Deleted")
    expect(page.locator("h1")).to_have_text("lotte")
    assert tenant.http.get(f"/api/sessions/{session}").status_code == 404


def test_an_erased_customer_is_gone_and_the_dialog_wants_the_id(page: Page, tenant: Caller) -> None:
    tenant.ask("Hello there", customerId="gone@example.org")
    tenant.remember("gone@example.org", "tone", "dry")
    go(page, "customers", "gone@example.org")
    press(page, "Erase …")
    sure = page.locator("dialog.confirm").get_by_role("button", name="Erase for ever")
    expect(sure).to_be_disabled()
    page.locator("dialog.confirm input").fill("gone@example.or")
    expect(sure).to_be_disabled()
    page.locator("dialog.confirm input").fill("gone@example.org")
    confirm(page, "Erase for ever")
    expect(page.locator("h1")).to_have_text("Customers")
    wait_for("the customer to be gone", lambda: not listed(tenant, "/api/sessions", customerId="gone@example.org"))
    go(page, "actions")
    expect(row(page, "erase customer")).to_be_visible(timeout=LONG)
    expect(page.locator("main")).not_to_contain_text("gone@example")


def test_a_failed_request_says_why_and_is_asked_again(page: Page, tenant: Caller, stack: Stack) -> None:
    request_id = failed(tenant, stack, "FAILING: where is my parcel?", customerId="ada")
    go(page, "requests", query="?status=failed")
    line = row(page, "claude-invalid-request")
    expect(line).to_be_visible(timeout=LONG)
    press(page, "Replay …", line)
    confirm(page, "Replay")
    expect(page.locator("main")).to_contain_text("succeeded", timeout=LONG)  # the new request's own page
    assert request_id not in page.url
    expect(page.get_by_role("region", name="Message")).to_contain_text("where is my parcel?")
    expect(page.get_by_role("region", name="Reply")).to_contain_text("[simulated]")
    page.locator(".facts").get_by_role("link", name=re.compile("^req_")).click()
    expect(page.locator("main .verdict.bad")).to_contain_text("claude-invalid-request")


def test_a_receipt_is_drawn_against_the_budget_and_tells_what_was_left_out_and_why(page: Page, tenant: Caller) -> None:
    for number in range(40):
        tenant.remember("full", f"note-{number}", f"Note {number}: " + "a long story about a lamp and a chair " * 12)
    result = tenant.ask("What of the lamp?", customerId="full")
    go(page, "requests", result["requestId"])
    receipt = tenant.http.get(f"/api/chat/{result['requestId']}/receipt").json()
    bar = page.locator(".bar.whole")
    expect(bar).to_have_attribute(
        "aria-label", re.compile(rf"^{receipt['tokens']} of 3596 tokens: Instructions \d+, Memory")
    )
    widths = bar.locator("span").evaluate_all("spans => spans.map((span) => parseFloat(span.style.width))")
    assert sum(widths) == pytest.approx(100, abs=0.5)
    memory = row(page, "Memory").first
    memory.locator("summary").last.click()
    omitted = next(part["omitted"] for part in receipt["parts"] if part["name"] == "memory")
    expect(memory).to_contain_text(omitted[0])
    page.get_by_role("button", name="Show what Claude was sent").click()
    expect(page.locator(".sent pre").last).to_contain_text("What of the lamp?")


def test_a_delivery_that_was_given_up_is_posted_again(page: Page, tenant: Caller) -> None:
    receiver = Receiver()
    try:
        receiver.answers = lambda _: (410, {})
        tenant.http.post("/api/callbacks/secret", json={})
        request_id = tenant.begin("Hello there", customerId="cb", callbackUrl=receiver.url)
        tenant.result(request_id)
        wait_for("the delivery to be given up", lambda: listed(tenant, "/api/deliveries", status="dead"))
        go(page, "deliveries", query="?status=dead")
        line = row(page, receiver.url)
        line.locator("summary").click()
        expect(line).to_contain_text("410")
        tenant.http.post("/api/callbacks/resume", json={"url": receiver.url})
        receiver.answers = lambda _: (204, {})
        press(page, "Post again …", line)
        confirm(page, "Post again")
        told(page, "Begun anew")
        wait_for("it to be posted", lambda: listed(tenant, "/api/deliveries", status="delivered"))
        assert len(receiver.of(request_id)) == 2
        expect(page.locator("main .nothing")).to_contain_text("No deliveries", timeout=LONG)  # none is dead now
    finally:
        receiver.close()


def test_a_batch_is_begun_watched_and_read(page: Page, tenant: Caller, stack: Stack) -> None:
    session = tenant.new_session("old")["id"]
    for number in range(4):
        body = {"role": "user", "content": f"Line {number} of order A-{number}00.", "at": "2026-01-05T10:00:00Z"}
        tenant.http.post(f"/api/sessions/{session}/messages", json=body)
    go(page, "batches")
    page.fill("#idle", "48")
    page.get_by_role("button", name="Begin …").click()
    expect(page.locator("dialog.confirm")).to_contain_text("48 hours")
    confirm(page, "Begin")
    line = row(page, "silent since")
    expect(line).to_contain_text("ended", timeout=2 * LONG)
    line.get_by_role("link").click()
    expect(row(page, "done")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("1 done")


def test_the_page_hears_of_changes_by_itself(page: Page, tenant: Caller, stack: Stack) -> None:
    go(page, "requests")
    expect(page.locator("#live")).to_have_text("Live", timeout=LONG)
    with frozen(stack, "chat"):
        request_id = tenant.begin("Is anybody there?", customerId="live")
        expect(row(page, "live")).to_contain_text("queued", timeout=LONG)
    tenant.result(request_id)
    expect(row(page, "live")).to_contain_text("succeeded", timeout=LONG)


def test_without_a_stream_it_asks_every_few_seconds(open_page: OpenPage, tenant: Caller) -> None:
    page = open_page("/console", key=tenant.key)
    page.route("**/api/live", lambda route: route.fulfill(status=404, json={"title": "Not here"}))
    go(page, "customers")
    expect(page.locator("#live")).to_contain_text("every 10 seconds")
    tenant.ask("Hello there", customerId="polled")
    expect(row(page, "polled")).to_be_visible(timeout=LONG)


def test_a_stream_that_is_cut_each_time_is_given_up_for_asking(open_page: OpenPage, tenant: Caller) -> None:
    page = open_page("/console", key=tenant.key)
    once = 'event: change\ndata: {"topics": []}\n\n'
    page.route("**/api/live", lambda route: route.fulfill(content_type="text/event-stream", body=once))
    go(page, "customers")
    expect(page.locator("#live")).to_contain_text("every 10 seconds", timeout=LONG)


def test_it_takes_the_stream_up_again_when_the_service_is_back(page: Page, tenant: Caller, stack: Stack) -> None:
    go(page, "customers")
    expect(page.locator("#live")).to_have_text("Live", timeout=LONG)
    stack.kill("web")
    expect(page.locator("#live")).to_contain_text("away", timeout=LONG)
    stack.start("web", "api")
    expect(page.locator("#live")).to_have_text("Live", timeout=2 * LONG)
    tenant.ask("Hello again", customerId="back")
    expect(row(page, "back")).to_be_visible(timeout=LONG)


def test_what_is_open_and_where_one_is_stays_while_the_page_is_drawn_anew(page: Page, tenant: Caller) -> None:
    tenant.remember("open", "language", "Spanish")
    tenant.remember("open", "language", "German")
    go(page, "customers", "open")
    page.locator(".entry summary").click()
    for number, (tag, words) in enumerate(
        {"button": "Export", "a": "Chat as this customer", "summary": "1 earlier value"}.items()
    ):
        page.locator(f"main {tag}", has_text=words).focus()
        tenant.remember("open", f"tone-{number}", "dry")
        expect(page.locator(".entry").filter(has_text=f"tone-{number}")).to_be_visible(timeout=LONG)
        assert page.evaluate("document.activeElement.textContent") == words
    assert page.locator(".entry details").evaluate("element => element.open")


def test_an_id_leads_straight_to_what_it_names(page: Page, tenant: Caller) -> None:
    told_by = tenant.ask("Hello there", customerId="ids")
    for name, words in ((told_by["sessionId"], "Conversation"), (told_by["requestId"], "Request")):
        go(page, "customers")
        page.fill("#query", name)
        page.press("#query", "Enter")
        expect(page.locator("h1")).to_have_text(words)


def test_an_export_is_saved_as_a_file(page: Page, tenant: Caller) -> None:
    tenant.remember("files/../me", "tone", "dry")
    go(page, "customers", "files/../me")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export").click()
    assert saved.value.suggested_filename == "files_.._me.ndjson"
    assert '"type":"end"' in saved.value.path().read_text().replace(" ", "")


def test_how_the_service_is(page: Page, open_page: OpenPage, stack: Stack, tenant: Caller) -> None:
    failed(tenant, stack, "FAILING for the errors", customerId="err")
    go(page, "service")
    expect(page.locator(".card").filter(has_text="Store")).to_contain_text("ok")
    expect(page.locator(".card").filter(has_text="Claude")).to_contain_text("simulated")
    expect(page.get_by_role("region", name="Claude's errors of the last day").locator("tbody tr").first).to_be_visible(
        timeout=LONG
    )
    expect(page.locator("main")).to_contain_text("shown to operators")
    operator = open_page("/console", key=key_beside(stack, "ops", "operator"))
    expect(operator.locator("h1")).to_have_text("Tenants")
    row(operator, tenant.tenant).get_by_role("link").click()
    expect(operator.locator("#tenant-now")).to_have_text(f"Tenant {tenant.tenant}")
    go(operator, f"@{tenant.tenant}", "service")
    expect(operator.get_by_role("region", name="Workers")).to_contain_text("chat", timeout=LONG)
    expect(operator.get_by_role("region", name="Queues")).to_contain_text("quarantine")


def test_an_operator_shares_a_link_into_a_tenant(open_page: OpenPage, stack: Stack, tenant: Caller) -> None:
    session = tenant.ask("My secret word is plum.", customerId="shared")["sessionId"]
    operator = open_page("/console", key=key_beside(stack, "ops", "operator"))
    expect(operator.locator("h1")).to_have_text("Tenants")
    go(operator, f"@{tenant.tenant}", "sessions", session)
    expect(operator.locator(".said").first).to_contain_text("plum")
    operator.get_by_role("link", name="shared").click()
    expect(operator.locator("h1")).to_have_text("shared")
    operator.reload()
    settled(operator)
    expect(operator.locator("h1")).to_have_text("shared")
    assert f"@{tenant.tenant}" in operator.url


def test_what_it_cost_is_drawn_and_told_in_a_table(page: Page, tenant: Caller) -> None:
    tenant.ask("Hello there", customerId="cost")
    go(page, "costs")
    expect(page.locator("svg.chart rect").first).to_be_visible(timeout=LONG)
    expect(page.locator("svg.chart")).to_have_attribute("aria-label", re.compile("Cost a day by model"))
    expect(row(page, "Replies")).to_contain_text("$0.0")


def test_errors_are_told_in_words(page: Page, tenant: Caller) -> None:
    go(page, "sessions", "ses_0001m8c5g8g9fetrbtf273ebk93y")
    expect(page.get_by_role("alert").first).to_contain_text("session")
    page.route("**/api/live", lambda route: route.abort())  # it would mend the page by itself
    page.route("**/api/customers*", lambda route: route.abort())
    go(page, "customers", query="?query=x")
    expect(page.get_by_role("alert").first).to_contain_text("cannot be reached")
    page.unroute("**/api/customers*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("main")).to_contain_text("No customer's id contains")


def test_chat_and_console_lead_to_each_other(open_page: OpenPage, tenant: Caller) -> None:
    session = tenant.ask("Hello there", customerId="both ways")["sessionId"]
    page = open_page(f"/#customer=both+ways&session={session}", key=tenant.key)
    expect(page.locator(".customer-said")).to_have_count(1)
    page.click("#to-console")
    expect(page.locator(".transcript .said").first).to_have_text("Hello there")
    page.get_by_role("link", name="Open in the chat").click()
    expect(page.locator(".customer-said")).to_have_count(1)


def test_a_page_is_used_without_a_mouse(page: Page, tenant: Caller) -> None:
    tenant.ask("Hello there", customerId="keys")
    go(page, "customers")
    expect(row(page, "keys")).to_be_visible(timeout=LONG)
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("keys")
    assert page.evaluate("document.activeElement.textContent") == "keys"
    press(page, "Erase …")
    assert page.evaluate("document.activeElement.textContent") == "Cancel"  # the safe way out has the focus
    page.keyboard.press("Escape")
    expect(page.locator("dialog.confirm")).to_have_count(0)
    assert listed(tenant, "/api/sessions", customerId="keys")
