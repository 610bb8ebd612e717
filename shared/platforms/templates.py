"""What an automation rule posts when its body is made from our template: one message, or one change, of a ticket.

As JSON, or as a form, which needs no escaping in the rule:

    event        customer | agent | human | free | over
    ticket_id    the ticket; requester_id: whose it is; requester_external_id: what the tenant knows them by
    comment      the message, text or HTML
    author       who wrote it; author_id: their id, which may be of somebody in copy
    at           when, in any form: with it, the same words said again later are a message of their own
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final, Literal

from shared.platforms.html import looks_like_html, text_of
from shared.platforms.reading import Id, Loose, OwnId, clean
from shared.platforms.types import AgentMessage, CustomerMessage, Event, Handling, Ignored

AGAIN_SECONDS: Final = 600
"""Without a time of its own, the same words within this are the same message, posted again."""


class Template(Loose):
    """The fields of the template that all platforms share."""

    event: Literal["customer", "agent", "human", "free", "over"]
    ticket_id: Id
    requester_id: Id
    requester_external_id: OwnId = None
    comment: str | None = None
    author: str | None = None
    author_id: OwnId = None
    at: OwnId = None


def of_template(
    template: Template, account: str, delivery: str | None, now: datetime, own_id: str | None
) -> list[Event]:
    """Return what a rule told.

    `account`: as ids of customers begin. `delivery`: the platform's id of it, the same when it is posted again.
    """
    ticket, customer = template.ticket_id, _customer(template, account)
    if template.event == "human":
        return [Handling(ticket, customer, "human")]
    if template.event == "free":
        return [Handling(ticket, customer, "agent")]
    if template.event == "over":
        return [Handling(ticket, customer, "over")]
    comment = template.comment or ""
    text = clean(text_of(comment) if looks_like_html(comment) else comment)
    message_id = _message_id(template, delivery, now)
    if template.event == "customer":
        return [CustomerMessage(message_id, ticket, customer, text)]
    if own_id is not None and template.author_id == own_id:
        return [Ignored("our own reply")]
    return [AgentMessage(message_id, ticket, customer, text, clean(template.author) or None)]


def _customer(template: Template, account: str) -> str:
    """Return whose the ticket is; of a customer's message, who wrote it.

    Whoever is in copy may write, too: as the requester they could ask for what is remembered of that customer.
    """
    writer = template.author_id if template.event == "customer" else None
    if writer is not None and writer != template.requester_id:
        return f"{account}:{clean(writer)}"
    return clean(template.requester_external_id) or f"{account}:{template.requester_id}"


def _message_id(template: Template, delivery: str | None, now: datetime) -> str:
    if delivery and template.at is None:
        # It stands in a header, which is not signed: where the body says when, the body alone counts.
        return f"delivery:{clean(delivery)[:100]}"
    moment = template.at or str(int(now.timestamp()) // AGAIN_SECONDS)
    told = "\0".join((template.event, template.ticket_id, template.comment or "", moment))
    return f"said:{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()}"
