"""Runs a supervisor over recorders: `supervised.py RECORD PLAN`, the plan in JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from cli.console import Console
from cli.service import RestartPolicy, Service
from cli.supervisor import Supervisor
from tests.cli.waiting import Record

RECORDER = Path(__file__).with_name("recorder.py")


def _service(record: Path, item: dict[str, Any]) -> Service:
    name = item["name"]

    async def ready() -> bool:
        return item.get("serves", True) and name in Record(record).names("start")

    return Service(
        name=name,
        argv=(sys.executable, str(RECORDER), name, str(record), *item.get("habits", [])),
        env=os.environ,
        layer=item.get("layer", 0),
        ready=None if "broken" in item.get("habits", []) else ready,
        ready_seconds=item.get("ready_seconds", 60),
        grace_seconds=item.get("grace", 5),
    )


async def _run(record: Path, plan: list[dict[str, Any]]) -> int:
    loop = asyncio.get_running_loop()

    def nobody_reads() -> None:
        loop.call_soon_threadsafe(supervisor.stop)

    console = Console([item["name"] for item in plan], on_broken=nobody_reads)
    supervisor = Supervisor(
        [_service(record, item) for item in plan],
        relay=console.relay,
        say=console.say,
        policy=RestartPolicy(limit=3, first_wait_seconds=0.01, longest_wait_seconds=0.02),
    )
    try:
        return await supervisor.run(
            on_ready=partial(console.say, "READY"),
            on_change=lambda guardian, _: console.say(f"guardian {guardian}"),
            parent=os.getppid() if "WATCH_PARENT" in os.environ else None,
        )
    finally:
        console.close()


signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup has it ignored
sys.exit(asyncio.run(_run(Path(sys.argv[1]), json.loads(sys.argv[2]))))
