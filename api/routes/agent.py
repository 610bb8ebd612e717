"""The tenant's instructions to the agent."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.problems import invalid
from api.routes.common import PROBLEMS, answer
from api.schemas import AgentBody
from api.services import services, tenant_store
from shared.context.budget import check_budget
from shared.context.tools import tool_cost
from shared.conversation.instructions import in_force
from shared.errors import SettingsError
from shared.models import AgentInstructions, TokenBudget

blueprint = APIBlueprint(
    "agent", __name__, url_prefix="/api/agent", abp_tags=[Tag(name="agent", description="Instructions to the agent")]
)


@blueprint.get("", summary="Read the instructions", responses={200: AgentInstructions, **PROBLEMS})
def get_agent() -> Response:
    """Read the tenant's instructions; version 0 is the deployment's default."""
    return _shown(services().call(tenant_store().instructions()))


@blueprint.put("", summary="Replace the instructions", responses={200: AgentInstructions, **PROBLEMS})
def put_agent(body: AgentBody) -> Response:
    """Replace the instructions; turns that begin some seconds later use them. They must leave room in the budget.

    What is left out is the deployment's again.
    """
    serving = services()
    budget = TokenBudget(max=serving.settings.token_budget_max, reserve=serving.settings.token_budget_reserve)
    try:
        models, beside = serving.settings.allowed_models, tool_cost if body.handoff else None
        check_budget(body.instructions or "", budget, models, serving.counter, beside)
    except SettingsError as error:
        raise invalid("/instructions", str(error)) from error
    put = tenant_store().put_instructions(body.instructions or "", extraction=body.extraction, handoff=body.handoff)
    return _shown(serving.call(put))


def _shown(kept: AgentInstructions | None) -> Response:
    settings = services().settings
    told = in_force(kept, settings.agent_instructions)
    extraction = settings.extraction if told.extraction is None else told.extraction
    return answer(told.model_copy(update={"extraction": extraction, "handoff": bool(told.handoff)}))
