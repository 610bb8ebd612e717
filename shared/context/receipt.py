"""The account of one assembled context: references, costs and reasons, never the text itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from shared.context.budget import Meter
from shared.context.plan import Plan
from shared.context.prices import estimate
from shared.context.sources import Draft, Part
from shared.models import MessageRange, PartName, Receipt, ReceiptPart

MOST_LISTED: Final = 20  # ids or keys of what a part left out; what went in is bounded by what is read


@dataclass(frozen=True, slots=True)
class Account:
    """What a receipt is made of."""

    draft: Draft
    meter: Meter
    plan: Plan
    parts: list[ReceiptPart]
    tokens: int
    cached_tokens: int


def account(name: PartName, part: Part) -> ReceiptPart:
    """Return one part of the receipt; the first MOST_LISTED of what was left out are named."""
    return ReceiptPart(
        name=name,
        tokens=part.tokens,
        included=list(part.included),
        omitted=list(islice(part.omitted, MOST_LISTED)),
        reason="; ".join(part.reasons) or None,
        why={name: list(words) for name, words in part.why.items()} or None,
    )


def make_receipt(
    told: Account, system: str, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = ()
) -> Receipt:
    """Return the receipt of a request."""
    draft, plan = told.draft, told.plan
    chosen = plan.window.chosen
    went_in = {key for part in told.parts if part.name in {"memory", "late"} for key in part.included}
    return Receipt(
        strategy=draft.strategy,
        model=draft.model,
        counter=told.meter.name,
        correction=draft.correction.others,
        english_correction=draft.correction.english,
        budget=draft.budget,
        tokens=told.tokens,
        parts=told.parts,
        instructions_version=draft.instructions.version,
        memory_versions={entry.key: entry.version for entry in draft.memory if entry.key in went_in},
        window=MessageRange(first=chosen[0].message.seq, last=chosen[-1].message.seq) if chosen else None,
        gap=plan.gap,
        compacted=plan.compacted,
        pin=plan.pin.model_dump_json(),
        cached_tokens=told.cached_tokens,
        estimated_cost=estimate(draft.model, told.tokens, told.cached_tokens),
        request_hash=hash_request(draft.model, system, messages, draft.budget.reserve, tools),
    )


def hash_request(
    model: str,
    system: str,
    messages: Sequence[dict[str, Any]],
    max_tokens: int,
    tools: Sequence[dict[str, Any]] = (),
) -> str:
    """Return the SHA-256, in hex, of the request's canonical JSON: ASCII, keys sorted, no white space between."""
    request = {"model": model, "system": system, "messages": list(messages), "max_tokens": max_tokens}
    request |= {"tools": list(tools)} if tools else {}
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
