"""What every error of the API has in common."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.api.caller import as_object

LARGEST_PROBLEM = 8192
MARK = "NEVER-ECHOED-4711"


def assert_problem(
    response: httpx2.Response, status: int, slug: str, pointer: str | None = None, request_id: str | None = None
) -> dict[str, Any]:
    """Hold an error against RFC 9457 and the contract; return it."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert len(response.content) < LARGEST_PROBLEM, f"{len(response.content)} bytes"
    assert MARK not in response.text
    problem = as_object(response)
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == status
    assert problem["title"].strip()
    assert problem["detail"].strip()
    told = [error["pointer"] for error in problem.get("errors", [])]
    assert pointer is None or pointer in told, f"{pointer} is not among {told}"
    assert all(error["message"].strip() for error in problem.get("errors", []))
    assert response.headers["X-Request-Id"]
    if request_id is not None:
        assert response.headers["X-Request-Id"] == request_id
    return problem
