"""`customer-memory doctor`: is everything as it must be, and what to mend."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import click

from cli import checks, store_checks
from cli.checks import Check, Finding, Patient, Skipped, find_patient
from cli.hand_offs import check_hand_offs
from shared.settings import Settings


def _by_store(on_redis: Check, on_dynamodb: str) -> Check:
    """Return the check of whichever store is meant; `on_dynamodb` names the one of `cli.table_checks`."""

    async def check(patient: Patient) -> Finding:
        if patient.settings is None or patient.settings.store_kind == "redis":
            return await on_redis(patient)
        from cli import table_checks  # noqa: PLC0415 - the AWS SDK takes a second; only those who use it should wait

        look: Callable[[Settings], Awaitable[Finding]] = getattr(table_checks, on_dynamodb)
        return await look(patient.settings)

    return check


CHECKS: dict[str, Check] = {
    "settings": checks.check_settings,
    "python": checks.check_python,
    "packages": checks.check_packages,
    "store": _by_store(store_checks.check_store, "check_table"),
    "durability": _by_store(store_checks.check_durability, "check_durability"),
    "eviction": _by_store(store_checks.check_eviction, "check_capacity"),
    "replication": _by_store(store_checks.check_replication, "check_replication"),
    "broker": checks.check_broker,
    "workers": checks.check_workers,
    "claude": checks.check_claude,
    "callbacks": checks.check_callbacks,
    "hand-offs": check_hand_offs,
    "recall": checks.check_recall,
    "service": checks.check_service,
    "open files": checks.check_descriptors,
}

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, as_json: bool) -> None:
    """Check settings, store, broker, workers and versions, and say what to mend. Exits 1 when something fails."""
    findings = asyncio.run(examine(find_patient()))
    if as_json:
        click.echo(json.dumps([{"check": name, **_plain(finding)} for name, finding in findings.items()], indent=2))
    else:
        for name, finding in findings.items():
            click.echo(f"{click.style(f'{finding.state:<4}', fg=COLOURS[finding.state])}  {name:<11}  {finding.text}")
            if finding.mend and finding.state != "ok":
                click.echo(f"{'':<19}-> {finding.mend}")
    sys.exit(1 if any(finding.state == "fail" for finding in findings.values()) else 0)


async def examine(patient: Patient) -> dict[str, Finding]:
    """Run every check, and return every finding by its name."""
    found = await asyncio.gather(*(_one(check, patient) for check in CHECKS.values()))
    return dict(zip(CHECKS, found, strict=True))


async def _one(check: Check, patient: Patient) -> Finding:
    try:
        return await check(patient)
    except Skipped as reason:
        return Finding("warn", f"not looked at: {reason}")


def _plain(finding: Finding) -> dict[str, str]:
    return {"state": finding.state, "text": finding.text, "mend": finding.mend}
