"""The console's page of hooks, and its merging of two customers."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.api.caller import Caller, as_object
from tests.browser.conftest import OpenPage
from tests.browser.desk import LONG, confirm, go, listed, press, row, told

CHATWOOT = {"platform": "chatwoot", "name": "Shop chat", "settings": {"accountId": 2}}


@pytest.fixture
def page(open_page: OpenPage, tenant: Caller) -> Page:
    """The console of a tenant nobody has met."""
    return open_page("/console", key=tenant.key)


def hook(caller: Caller, **body: Any) -> dict[str, Any]:
    """Add a hook."""
    return as_object(caller.http.post("/api/hooks", json={**CHATWOOT, **body}))


def test_a_hook_tells_where_it_posts_to_and_which_secrets_it_lacks(page: Page, tenant: Caller) -> None:
    hook(tenant, secrets={"token": "let-me-in"})
    lacking = hook(
        tenant, platform="zendesk", name="Tickets", settings={"subdomain": "a", "email": "a@b.c", "userId": 1}
    )
    go(page, "hooks")
    expect(row(page, "Shop chat")).to_contain_text("takes part")
    expect(row(page, "Shop chat")).to_contain_text("shared")
    expect(row(page, "Shop chat")).not_to_contain_text("missing")
    expect(row(page, "Tickets")).to_contain_text(lacking["url"])
    expect(row(page, "Tickets")).to_contain_text("signing is missing")
    expect(row(page, "Tickets")).to_contain_text("token is missing")
    expect(page.locator("main")).not_to_contain_text("let-me-in")


def test_a_hook_tells_what_became_of_its_last_replies(page: Page, tenant: Caller) -> None:
    made = hook(tenant)
    about = {"hookId": made["id"], "requestId": "req_1", "createdAt": "2026-01-05T10:00:00Z"}
    newest, other = {**about, "status": "delivered"}, {**about, "status": "dead"}
    page.route(f"**/api/deliveries?hookId={made['id']}&*", lambda route: route.fulfill(json=[newest, other]))
    go(page, "hooks")
    expect(row(page, "Shop chat").get_by_role("link", name="delivered")).to_have_attribute("href", "#/requests/req_1")
    expect(row(page, "Shop chat").get_by_role("link", name="1 reply given up")).to_be_visible()


def test_a_hook_rests_takes_part_again_and_is_removed_and_each_is_written_down(page: Page, tenant: Caller) -> None:
    made = hook(tenant)
    path = f"/api/hooks/{made['id']}"
    go(page, "hooks")
    line = row(page, "Shop chat")
    press(page, "Let it rest …", line)
    expect(page.locator("dialog.confirm")).to_contain_text("is refused")
    assert tenant.http.get(path).json()["disabled"] is False
    confirm(page, "Let it rest")
    told(page, "It rests")
    expect(line.locator(".badge", has_text="rests")).to_be_visible(timeout=LONG)
    assert tenant.http.get(path).json()["disabled"] is True
    line.get_by_role("button", name="Take part again").click()
    told(page, "takes part again")
    assert tenant.http.get(path).json()["disabled"] is False
    press(page, "Remove …", line)
    expect(page.locator("dialog.confirm")).to_contain_text(made["id"])
    confirm(page, "Remove for ever")
    told(page, "Removed")
    expect(page.locator("main .nothing")).to_contain_text("No hooks")
    assert tenant.http.get(path).status_code == 404
    actions = [each["action"] for each in listed(tenant, "/api/actions")]
    assert actions[:3] == ["delete-hook", "enable-hook", "disable-hook"]


def wanted(page: Page, into: str) -> None:
    """Say into whom the customer shown is to be merged, and go on."""
    press(page, "Merge into …")
    box = page.get_by_label("Id of the customer who stays")
    expect(box).to_be_focused()
    box.fill(into)
    page.keyboard.press("Enter")


def test_a_visitor_is_merged_into_a_known_customer(page: Page, tenant: Caller) -> None:
    tenant.ask("Hello there", customerId="anon-4711")
    tenant.remember("maria", "language", "German")
    go(page, "customers", "anon-4711")
    wanted(page, "maria")
    dialog = page.locator("dialog.confirm")
    expect(dialog).to_contain_text("1 conversation and 0 memory entries of anon-4711 become theirs")
    expect(dialog).to_contain_text("maria has 0 conversations and 1 memory entry")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(listed(tenant, "/api/sessions", customerId="maria")) == 0
    wanted(page, "maria")
    confirm(page, "Merge for ever")
    told(page, "anon-4711 is merged into maria")
    expect(page.locator("h1")).to_have_text("maria")
    assert [each["customerId"] for each in listed(tenant, "/api/sessions", customerId="anon-4711")] == ["maria"]
    assert listed(tenant, "/api/actions")[0]["action"] == "merge-customer"

    go(page, "customers", "anon-4711")
    expect(page.locator("main")).to_contain_text("anon-4711 was merged into maria")
    expect(page.locator("h1")).to_have_text("maria")
    expect(page.locator(".timeline li")).to_have_count(1)


def test_an_id_that_nobody_has_is_doubted_before_anything_is_merged(page: Page, tenant: Caller) -> None:
    tenant.ask("Hello there", customerId="anon-4711")
    go(page, "customers", "anon-4711")
    wanted(page, "anon-4711")
    told(page, "cannot be merged into itself")
    wanted(page, "mariaa")
    expect(page.locator("dialog.confirm")).to_contain_text("nothing is known of mariaa yet")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.confirm")).to_have_count(0)
    assert tenant.http.get("/api/customers/mariaa").status_code == 404
    assert listed(tenant, "/api/actions") == []
