"""What a view asks of the front: to hold the connection after Flask has let it go.

Flask authorises and answers at once, with an internal header that says what to wait for. The front (`api.front`)
takes the header off and holds the connection on the event loop, so that waiting costs no thread.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from flask import Response, g, request

from shared.models import Model

Kind = Literal["result", "status", "stream", "export", "live"]

HOLD_HEADER = "X-Customer-Memory-Hold"
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?:$|[,;\s])", re.IGNORECASE)


class Hold(Model):
    """What to wait for: `result` the end of a request, `status` the same for a poll, `stream` its events.

    `export` waits for nothing: all of a customer is sent, as fast as it is read. `live` tells of a tenant's changes.
    """

    kind: Kind
    tenant: str
    request_id: str = ""
    customer_id: str = ""
    seconds: float = 0
    last_event_id: str | None = None


def preferred_wait() -> int | None:
    """Return the seconds of `Prefer: wait=N` (RFC 7240); None where it was not said."""
    match = _WAIT.search(",".join(request.headers.getlist("Prefer")))
    return int(match[1]) if match else None


def hold(response: Response, kind: Kind, request_id: str, seconds: float = 0) -> Response:
    """Return `response` marked to be held for at most `seconds`; it is sent as it is if nothing happens by then."""
    asked = Hold(
        kind=kind,
        tenant=g.tenant,
        request_id=request_id,
        seconds=seconds,
        last_event_id=request.headers.get("Last-Event-ID"),
    )
    return _marked(response, asked)


def export(response: Response, customer_id: str) -> Response:
    """Return `response` marked to be followed by all of a customer."""
    return _marked(response, Hold(kind="export", tenant=g.tenant, customer_id=customer_id))


def live(response: Response) -> Response:
    """Return `response` marked to be followed by what changes in the tenant."""
    return _marked(response, Hold(kind="live", tenant=g.tenant))


def _marked(response: Response, asked: Hold) -> Response:
    response.headers[HOLD_HEADER] = json.dumps(asked.model_dump(mode="json", by_alias=True))
    return response
