"""`python -m api`: check that it may listen, then serve."""

from __future__ import annotations

import asyncio
import resource
import sys

import click
import uvicorn

from api.auth import is_loopback
from shared.context.budget import check_budget
from shared.context.tokens import load_counter
from shared.errors import SettingsError, StoreError
from shared.models import TokenBudget
from shared.remembering.semantic import load_meaning
from shared.settings import Settings, load_settings
from shared.storage import open_store

STOP_SECONDS = 3


@click.command(help="Serve the HTTP API. Settings come from the environment and .env; see .env.example.")
def main() -> None:
    """Serve until told to stop."""
    try:
        settings = load_settings()
        _check(settings)
    except (SettingsError, StoreError) as error:
        click.echo(error, err=True)
        sys.exit(2)
    _raise_descriptor_limit()
    uvicorn.run(
        "api.asgi:create_application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.web_processes,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _check(settings: Settings) -> None:
    # Both are named, or told how to name them, before anything starts.
    _ = settings.broker_address
    if settings.store_kind == "redis":
        _ = settings.store_url
    budget = TokenBudget(max=settings.token_budget_max, reserve=settings.token_budget_reserve)
    check_budget(settings.agent_instructions, budget, settings.allowed_models, load_counter())
    load_meaning(settings.semantic_model)
    if not is_loopback(settings.host) and not asyncio.run(_has_keys(settings)):
        message = (
            f"HOST is {settings.host}, which others can reach, and no API key was made: anyone could read every "
            "customer's memory. Make a key with `customer-memory keys create --tenant NAME`, or set HOST=127.0.0.1."
        )
        raise SettingsError(message)


async def _has_keys(settings: Settings) -> bool:
    async with open_store(settings, patience=10.0) as store:
        return await store.access.any()


def _raise_descriptor_limit() -> None:
    # Every held connection is a descriptor; the soft limit is often 1,024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
