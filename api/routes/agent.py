"""The tenant's instructions to the agent."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.problems import invalid
from api.routes.common import PROBLEMS, answer
from api.schemas import AgentBody
from api.services import services, tenant_store
from shared.context.budget import check_budget
from shared.errors import SettingsError
from shared.models import AgentInstructions, TokenBudget

blueprint = APIBlueprint(
    "agent", __name__, url_prefix="/api/agent", abp_tags=[Tag(name="agent", description="Instructions to the agent")]
)


@blueprint.get("", summary="Read the instructions", responses={200: AgentInstructions, **PROBLEMS})
def get_agent() -> Response:
    """Read the tenant's instructions; version 0 is the deployment's default."""
    own = services().call(tenant_store().instructions())
    return answer(own or AgentInstructions(instructions=services().settings.agent_instructions))


@blueprint.put("", summary="Replace the instructions", responses={200: AgentInstructions, **PROBLEMS})
def put_agent(body: AgentBody) -> Response:
    """Replace the instructions; turns that begin some seconds later use them. They must leave room in the budget."""
    serving = services()
    budget = TokenBudget(max=serving.settings.token_budget_max, reserve=serving.settings.token_budget_reserve)
    try:
        for model in serving.settings.allowed_models:
            check_budget(body.instructions, budget, model, serving.counter)
    except SettingsError as error:
        raise invalid("/instructions", str(error)) from error
    return answer(serving.call(tenant_store().put_instructions(body.instructions)))
