"""The id an HTTP request is known by: the caller's own where it will do, else a new one."""

from __future__ import annotations

import re
import uuid

HEADER = "X-Request-Id"
_GOOD = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_from(given: str | None) -> str:
    """Return `given` if it is 1 to 128 letters, digits, dots, colons, hyphens or underscores; else a new id."""
    return given if given is not None and _GOOD.fullmatch(given) else uuid.uuid4().hex
