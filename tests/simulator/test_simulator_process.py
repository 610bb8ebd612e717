"""`python -m simulator` as its own process: starts on a free port, tells where, stops when told."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.__main__ import main
from simulator.client import SimulatorControl
from simulator.schema import Fault
from simulator.testing import wait_until

ROOT = Path(__file__).parents[2]
BODY = (
    '{"model": "claude-sonnet-4-6", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
)


@contextmanager
def started(*options: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "simulator", *options]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = re.fullmatch(r"simulator ready on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert ready is not None
        yield process, ready[1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_with_a_stream_open(number: signal.Signals) -> None:
    with started("--port", "0") as (process, url):
        control = SimulatorControl(url)
        control.add_faults(Fault(kind="hang", after_chars=3))
        stream = HTTPConnection(url.removeprefix("http://"), timeout=5)
        stream.request("POST", "/v1/messages", BODY, {"x-api-key": "any", "anthropic-version": "2026-10-21"})
        stream.getresponse().read1()
        wait_until(lambda: control.stats().open == 1, "the open stream")

        process.send_signal(number)
        code = process.wait(timeout=30)  # the stream itself would hang for ever
        stream.close()
        assert process.stderr is not None
        assert (code, process.stderr.read()) == (0, "")


def test_the_environment_sets_port_and_pace() -> None:
    with started(SIMULATOR_PORT="0", SIMULATOR_LATENCY_MS="7", SIMULATOR_TOKENS_PER_SECOND="90") as (_, url):
        connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.request("GET", "/_simulator/settings")
        assert connection.getresponse().read() == b'{"latencyMs":7.0,"tokensPerSecond":90.0,"batchSeconds":0.0}'
        connection.close()


def test_a_port_in_use_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["--port", port])

    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.output


def test_help_teaches() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output

    for word in ("--latency-ms", "SIMULATOR_TOKENS_PER_SECOND", "--no-record", "curl", "ANTHROPIC_BASE_URL"):
        assert word in shown
