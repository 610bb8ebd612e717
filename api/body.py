"""Reading a JSON body: strictly, and with words for what is wrong."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from flask import request

from api.problems import INVALID, Problem, invalid

MEANT_FOR_BODY = frozenset({"POST", "PUT", "PATCH"})
# These are told all by their path.
WITHOUT_BODY = frozenset(
    {"chat.replay_chat", "summaries.post_summary", "batches.cancel_batch", "deliveries.replay_one"}
)
# What a platform posts is its own, and read by whoever knows it.
IN_OTHER_WORDS = frozenset({"webhooks.post_webhook"})


def read_json() -> None:
    """Parse the request's body, where one is meant, so that the view finds it parsed.

    Raises:
        Problem: the body is not an object in JSON.

    """
    if request.method not in MEANT_FOR_BODY or request.endpoint in {None, *WITHOUT_BODY, *IN_OTHER_WORDS}:
        return
    if not request.is_json:
        raise Problem(INVALID, "Send a JSON object with `Content-Type: application/json`.")
    raw = request.get_data(cache=True)
    if not raw.strip():
        raise Problem(INVALID, "The body is empty; send a JSON object.")
    try:
        parsed = json.loads(
            raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except UnicodeDecodeError as error:
        raise Problem(INVALID, f"The body is not UTF-8: byte {error.start}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(INVALID, f"The body is not JSON: {error.msg} at {where}.") from error
    except RecursionError as error:
        raise Problem(INVALID, "The body is nested too deeply.") from error
    except ValueError as error:
        raise Problem(INVALID, f"The body is not JSON: {str(error)[:100]}.") from error
    if not isinstance(parsed, dict):
        raise Problem(INVALID, f"The body must be a JSON object, not {_kind(parsed)}.")
    request._cached_json = (parsed, parsed)  # noqa: SLF001 - where Flask keeps it


def _refuse_constant(name: str) -> Any:
    message = f"{name} is no JSON number"
    raise ValueError(message)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        message = f"{text[:20]} is too large a number"
        raise ValueError(message)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise invalid(f"/{twice[:100]}", "is there twice; send it once")
    return found


def _kind(value: Any) -> str:
    return {list: "an array", str: "a string", bool: "true or false", type(None): "null"}.get(type(value), "a number")
