"""What happens through the API, written down: what destroys, repeats or decides, by whom; and whom it was about.

In actions customers are named by a pseudonym only, so that erasing one leaves the action, and no name.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from flask import g

from api.services import services, tenant_store
from shared.errors import StoreError
from shared.storage.tenant_index import Action

log = structlog.get_logger()


def acted(action: str, subject: str) -> None:
    """Write down an action that was done; where the store is away by now, the log has it."""
    serving = services()
    kept = Action(f"act_{serving.ids.ulid()}", serving.clock(), action, g.caller.by, subject)
    log.info("action", action=action, by=kept.by, tenant=g.tenant, subject=subject)
    try:
        serving.call(tenant_store().act(kept))
    except StoreError as error:
        log.warning("action.not_kept", action=action, error=str(error))


def named(customer_id: str) -> str:
    """Return a customer as actions name them. Raises StoreError."""
    return f"customer #{services().call(tenant_store().pseudonym(customer_id))}"


def heard_of(customer_id: str, at: datetime) -> None:
    """Note that a customer was heard of; nobody waits for it."""
    tenant = g.tenant
    services().note(lambda noter: noter.active(tenant, customer_id, at))
