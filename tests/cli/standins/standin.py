"""What the stand-ins of web, worker and simulator share: they record their life, and may answer 200."""

from __future__ import annotations

import os
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


def note(name: str, event: str) -> None:
    """Write down what happens."""
    descriptor = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{name} {event} {os.getpid()}\n".encode())
    os.close(descriptor)


class Fine(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


def live(name: str, port: int | None = None) -> None:
    """Be this service until SIGTERM."""

    def stop(*_: object) -> None:
        note(name, "stop")
        note(name, "end")
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    note(name, "start")
    if port is not None:
        Thread(target=ThreadingHTTPServer(("127.0.0.1", port), Fine).serve_forever, daemon=True).start()
    while True:
        time.sleep(60)
