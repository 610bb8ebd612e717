"""A hook of a tenant, and what its platform posts to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.api.caller import Caller, as_object
from tests.support.deliveries import SAMPLES, Body, Sample, encoded
from tests.support.waiting import wait_for

AGAIN = {httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE}


class Hooked:
    """A platform that posts to a hook of a tenant."""

    def __init__(self, caller: Caller, platform: Any, settings: Body | None = None, **more: Any) -> None:
        self.caller = caller
        self.sample: Sample = SAMPLES[platform]
        chosen = {**self.sample.settings, "coalesceSeconds": 0, **(settings or {})}
        body = {"platform": platform, "settings": chosen, **more}
        if self.sample.secret_name == "signing":
            body.setdefault("secrets", {"signing": self.sample.secret})
        response = caller.http.post("/api/hooks", json=body)
        assert response.status_code == 201, response.text
        self.hook = as_object(response)
        self.secret = (self.hook.get("made") or {}).get(self.sample.secret_name, self.sample.secret)
        self.path = f"/webhooks/{platform}/{self.hook['id']}"
        self._number = 0

    def message(self, text: str, **more: Any) -> Body:
        """Return a message of the customer that was never posted before."""
        self._number += 1
        return self.sample.message(text, self._number, datetime.now(UTC), **more)

    def post(
        self, body: Body | bytes, *, secret: str | None = None, age: timedelta = timedelta(), path: str | None = None
    ) -> httpx2.Response:
        """Post a body, signed as the platform does."""
        raw = body if isinstance(body, bytes) else encoded(body)
        signed = self.sample.sign(secret or self.secret, raw, datetime.now(UTC) - age)
        headers = {"Content-Type": "application/json", **signed}
        # Without the tenant's key: platforms have none.
        return httpx2.post(self.address(path), content=raw, headers=headers, verify=False)

    def address(self, path: str | None = None) -> str:
        """Return where its platform posts to."""
        return str(self.caller.http.base_url).rstrip("/") + (path or self.path)

    def taken(self, body: Body) -> int:
        """Post what must be taken, again while it cannot be now, as platforms do; return how many events were."""

        def post() -> httpx2.Response | None:
            response = self.post(body)
            return None if response.status_code in AGAIN else response

        response = wait_for("the delivery to be taken", post)
        assert response.status_code == 200, response.text
        return int(as_object(response)["taken"])

    def sessions(self, customer: str) -> list[dict[str, Any]]:
        """Return a customer's sessions that came through this hook, newest first."""
        found = self.caller.http.get("/api/sessions", params={"customerId": customer}).json()
        return [each for each in found if str(each.get("conversationId", "")).startswith(f"{self.hook['id']}/")]
