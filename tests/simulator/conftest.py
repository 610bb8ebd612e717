"""A running simulator, a control handle on it, and the real SDK pointed at it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from tiktoken import Encoding

from simulator.client import SimulatorControl
from simulator.server import create_app
from simulator.testing import running
from simulator.tokens import TokenCounter, load_encoding

Answered = tuple[int, dict[str, str], Any]
Post = Callable[..., Answered]


@pytest.fixture(scope="session")
def encoding() -> Encoding | None:
    """Build the vocabulary once: it takes 0.3 s."""
    return load_encoding()


@pytest.fixture(scope="session")
def counter(encoding: Encoding | None) -> TokenCounter:
    return TokenCounter(encoding)


@pytest.fixture
def url(counter: TokenCounter) -> Iterator[str]:
    with running(create_app(counter=counter)) as base_url:
        yield base_url


@pytest.fixture
def control(url: str) -> SimulatorControl:
    return SimulatorControl(url)


@pytest_asyncio.fixture
async def claude(url: str) -> AsyncIterator[AsyncAnthropic]:
    # No certificates to load for plain http: that saves 30 ms a test.
    async with AsyncAnthropic(
        api_key="simulated", base_url=url, max_retries=0, http_client=DefaultAioHttpClient(verify=False)
    ) as client:
        yield client


@pytest.fixture
def post(url: str) -> Post:
    """Return a function that posts a body as it is, and returns status, headers, and the answer's JSON or text."""

    def send(body: object, path: str = "/v1/messages", headers: dict[str, str] | None = None) -> Answered:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"x-api-key": "any", "anthropic-version": "2026-10-21"} if headers is None else headers
        request = Request(url + path, data, sent, method="POST")
        try:
            with urlopen(request, timeout=5) as response:
                return response.status, _lower(response.headers.items()), _body(response.read())
        except HTTPError as error:
            return error.code, _lower(error.headers.items()), _body(error.read())

    return send


def _lower(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _body(raw: bytes) -> Any:
    return json.loads(raw) if raw.startswith(b"{") else raw.decode()
