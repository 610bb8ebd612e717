"""`customer-memory doctor`: is everything as it must be, and what to mend."""

from __future__ import annotations

import asyncio
import json
import sys

import click

from cli import checks, store_checks
from cli.checks import Check, Finding, Patient, Skipped, find_patient

CHECKS: dict[str, Check] = {
    "settings": checks.check_settings,
    "python": checks.check_python,
    "packages": checks.check_packages,
    "store": store_checks.check_store,
    "durability": store_checks.check_durability,
    "eviction": store_checks.check_eviction,
    "replication": store_checks.check_replication,
    "broker": checks.check_broker,
    "workers": checks.check_workers,
    "claude": checks.check_claude,
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
