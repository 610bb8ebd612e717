"""What is kept of a summary and of a digest: JSON that the store passes on unread."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from shared.context.prices import MILLION, price_of
from shared.context.sources import Digest, Summary
from shared.models import Model, SummaryCost, TokenUsage
from shared.storage.types import KeptDigest, KeptSummary
from shared.summaries.appendix import Measure
from shared.summaries.digest import SessionDigest, render
from shared.summaries.ledger import Entry
from shared.summaries.steps import Made, Previous, Verified

DIGEST_TOKENS: Final = 160  # raw tokens of one digest as a later context shows it
BATCH_SHARE: Final = 0.5  # of the price, for what went through a batch


class SummaryRecord(Model):
    """A summary as kept."""

    text: str
    covers_from: int
    tokens: int
    model: str
    verified: Verified
    created_at: datetime
    usage: TokenUsage
    batch: bool = False
    ledger: tuple[Entry, ...] = ()
    dropped: int = 0

    @property
    def cost(self) -> SummaryCost:
        """What it took."""
        return cost_of(self.model, self.usage, batch=self.batch)


class DigestRecord(Model):
    """A digest as kept: what it says, and the text a later context is given."""

    digest: SessionDigest
    text: str
    model: str | None = None


def cost_of(model: str, usage: TokenUsage, *, batch: bool) -> SummaryCost:
    """Return what Claude's usage came to, in US dollars where the model's price is known."""
    price = price_of(model)
    direct = (price.input * usage.input + price.output * usage.output) / MILLION if price else None
    paid = direct * BATCH_SHARE if direct is not None and batch else direct
    return SummaryCost(token_usage=usage, batch=batch, estimated_cost=_cents(paid), direct_cost=_cents(direct))


def written(made: Made, measure: Measure, at: datetime, *, batch: bool = False) -> str:
    """Return a new summary as the store keeps it."""
    return SummaryRecord(
        text=made.summary.text,
        covers_from=made.summary.covers_from,
        tokens=measure(made.summary.text),
        model=made.model,
        verified=made.verified,
        created_at=at,
        usage=made.tally.usage,
        batch=batch,
        ledger=made.summary.ledger,
        dropped=len(made.dropped),
    ).model_dump_json()


def written_digest(digest: SessionDigest, model: str | None, measure: Measure) -> str:
    """Return a digest as the store keeps it; `model`: who made it, None where it was drawn from the text alone."""
    return DigestRecord(digest=digest, text=render(digest, DIGEST_TOKENS, measure), model=model).model_dump_json()


def previous_of(kept: KeptSummary | None) -> Previous:
    """Return the summary so far, as the next one goes on from it."""
    if kept is None:
        return Previous()
    record = SummaryRecord.model_validate_json(kept.value)
    return Previous(record.text, record.covers_from, kept.through, record.ledger)


def summary_of(kept: KeptSummary | None) -> Summary | None:
    """Return a kept summary as the context takes it."""
    if kept is None:
        return None
    return Summary(SummaryRecord.model_validate_json(kept.value).text, kept.through, kept.version)


def digest_of(kept: KeptDigest) -> Digest:
    """Return a kept digest as the context takes it; its id changes when the session goes on."""
    text = DigestRecord.model_validate_json(kept.value).text
    return Digest(f"{kept.session_id}/{kept.messages}", text, kept.ended_at)


def _cents(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 8)
