"""`python -m simulator`: run the simulator until SIGTERM or SIGINT."""

import asyncio
import signal

import click

from simulator.schema import Settings
from simulator.server import create_app, serve

EPILOG = """\b
Try it:
  python -m simulator --port 8765
  curl http://127.0.0.1:8765/v1/messages \\
    -H 'x-api-key: any' -H 'anthropic-version: 2026-10-21' \\
    -H 'content-type: application/json' \\
    -d '{"model": "claude-sonnet-4-6", "max_tokens": 100,
         "messages": [{"role": "user", "content": "Hello!"}]}'
"""


@click.command(epilog=EPILOG, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", help="Address to listen on. It checks no key: keep it local.")
@click.option("--port", default=8765, envvar="SIMULATOR_PORT", show_envvar=True, help="0: any free port.")
@click.option(
    "--latency-ms",
    default=0.0,
    type=click.FloatRange(min=0),
    envvar="SIMULATOR_LATENCY_MS",
    show_envvar=True,
    help="Milliseconds before the first byte of an answer.",
)
@click.option(
    "--tokens-per-second",
    default=0.0,
    type=click.FloatRange(min=0),
    envvar="SIMULATOR_TOKENS_PER_SECOND",
    show_envvar=True,
    help="Pace of the reply; 0: all at once.",
)
@click.option("--no-record", is_flag=True, help="Keep no request bodies: for benchmarks.")
def main(host: str, port: int, latency_ms: float, tokens_per_second: float, *, no_record: bool) -> None:
    """Answer like Anthropic's Messages API, without a key and without a model.

    It quotes what it was sent, marks every reply with "[simulated] ", and counts tokens and prompt-cache hits.
    When it listens it prints one line: simulator ready on http://HOST:PORT

    Any Anthropic SDK works: set ANTHROPIC_BASE_URL to that address, and any ANTHROPIC_API_KEY.
    Tests make it fail on demand through /_simulator/faults; simulator/README.md tells how.
    """
    settings = Settings(latency_ms=latency_ms, tokens_per_second=tokens_per_second)
    try:
        asyncio.run(_run(host, port, settings, record=not no_record))
    except OSError as error:
        problem = f"cannot listen on {host}:{port}: {error.strerror}. Try --port 0."
        raise click.ClickException(problem) from error


async def _run(host: str, port: int, settings: Settings, *, record: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve(create_app(settings, record=record), host, port) as url:
        click.echo(f"simulator ready on {url}")  # echo flushes
        await stop.wait()


if __name__ == "__main__":
    main(prog_name="python -m simulator")
