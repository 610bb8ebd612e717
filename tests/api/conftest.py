"""The service as a deployment runs it, there for this package only, and a tenant of its own for every test."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.api.caller import Caller, make_key
from tests.support.stack import EventLog, Stack
from tests.support.valkey import Valkey

MakeCaller = Callable[[], Caller]


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey server for this folder alone."""
    server = Valkey(tmp_path_factory.mktemp("api-valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, server: Valkey) -> Iterator[Stack]:
    """Web, simulator, workers and beat. A key is made before any test, so every request needs one."""
    folder = tmp_path_factory.mktemp("api")
    # Empty: whatever the machine's environment holds, no request leaves it.
    callbacks = {
        "SECRET_KEY": secrets.token_hex(32),
        "CALLBACK_ALLOW_HTTP": "true",
        "CALLBACK_ALLOWED_CIDRS": "127.0.0.1/32",
        "CALLBACK_TIMEOUT_SECONDS": "3",
    }
    quick = {"RECONCILE_SECONDS": "0.5", "LEASE_SECONDS": "6", "ANTHROPIC_API_KEY": "", "HOST": ""}
    stack = Stack(folder, server, None, **quick, **callbacks)
    make_key(stack, "first")
    try:
        stack.start_all()
        yield stack
    finally:
        stack.close()


@pytest.fixture
def make_caller(stack: Stack) -> Iterator[MakeCaller]:
    """Makes tenants nobody has met, each with a key and a client."""
    with ExitStack() as open_clients:

        def make() -> Caller:
            tenant = f"tenant-{secrets.token_hex(6)}"
            return open_clients.enter_context(Caller(stack, tenant, make_key(stack, tenant)))

        yield make


@pytest.fixture
def caller(make_caller: MakeCaller) -> Caller:
    """A tenant of this test's own."""
    return make_caller()


@pytest.fixture
def stranger(make_caller: MakeCaller) -> Caller:
    """Another tenant."""
    return make_caller()


@pytest.fixture(autouse=True)
def _quiet_simulator(request: pytest.FixtureRequest) -> None:
    """Begin each test that uses the stack with a simulator that has no faults, no pace and no memory of requests."""
    if "stack" in request.fixturenames:
        simulator = request.getfixturevalue("stack").simulator
        simulator.clear_faults()
        simulator.clear_requests()
        simulator.pace()


@pytest.fixture(scope="package")
def events(stack: Stack) -> Iterator[EventLog]:
    """Every event the service announces."""
    log = EventLog(stack.settings["BROKER_URL"])
    yield log
    log.close()
