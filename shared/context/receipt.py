"""The account of one assembled context: references, costs and reasons, never the text itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, Literal

from shared.models import ReceiptPart

MOST_LISTED: Final = 20  # ids or keys of one list of a part; the window's `included` is bounded by what is read


def account(
    name: Literal["system", "memory", "window", "newest"],
    tokens: int,
    included: Iterable[str] = (),
    omitted: Iterable[str] = (),
    reasons: Sequence[str] = (),
) -> ReceiptPart:
    """Return one part of the receipt; `tokens` are scaled, the first MOST_LISTED of `omitted` are kept."""
    return ReceiptPart(
        name=name,
        tokens=tokens,
        included=list(included),
        omitted=list(islice(omitted, MOST_LISTED)),
        reason="; ".join(reasons) or None,
    )


def hash_request(model: str, system: str, messages: Sequence[dict[str, Any]], max_tokens: int) -> str:
    """Return the SHA-256, in hex, of the request's canonical JSON: ASCII, keys sorted, no white space between."""
    request = {"model": model, "system": system, "messages": list(messages), "max_tokens": max_tokens}
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
