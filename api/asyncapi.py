"""The AsyncAPI 3 document: what is published on the broker, whichever it is. Made from the models of the events.

Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import Any

from api.event_schemas import REFERENCE, event_schemas, example
from shared.broker import EVENTS
from shared.events import EVENT_TYPES, Event

DESCRIPTION = (
    "Events of Customer Memory: CloudEvents 1.0 in structured mode, as UTF-8 JSON. They come at least once, always "
    "under the same `id`, and mostly in order. Fields may be added. What each broker promises is told in "
    "`docs/reference/events.md`, how to listen in `docs/how-to/subscribe-to-events.md`."
)
EXCHANGE = {"name": EVENTS.name, "type": EVENTS.type, "durable": EVENTS.durable, "autoDelete": EVENTS.auto_delete}
PROTOCOLS = {"redis": "redis", "rabbitmq": "amqp", "sns": "sns"}
SERVERS = {
    "redis": "Redis or Valkey, `BROKER_URL=redis://`. The exchange is Kombu's: subscribe with Kombu.",
    "rabbitmq": "RabbitMQ, `BROKER_URL=amqp://`. Bind a queue of yours to the exchange, with any AMQP client.",
    "sns": (
        "Amazon SNS, where `BROKER_URL=sqs://`: the topic of `EVENTS_TOPIC_ARN`. Subscribe a queue of yours to it, "
        "filter by the message attributes `type` and `tenant`."
    ),
}
TENANT = {"description": "the tenant, which holds no dot: `*` in a binding hears all", "examples": ["acme"]}


def asyncapi_document(version: str) -> dict[str, Any]:
    """Return the document."""
    names = {kind: _name(kind) for kind in EVENT_TYPES}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Customer Memory events", "version": version, "description": DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            name: {
                "host": "{host}",
                "protocol": PROTOCOLS[name],
                "description": text,
                "variables": {"host": {"description": "your broker"}},
            }
            for name, text in SERVERS.items()
        },
        "channels": {names[kind]: _channel(kind) for kind in EVENT_TYPES},
        "operations": {f"send{names[kind]}": _operation(kind) for kind in EVENT_TYPES},
        "components": {
            "messages": {names[kind]: _message(kind, model) for kind, model in EVENT_TYPES.items()},
            "schemas": event_schemas(EVENT_TYPES.values()),
        },
    }


def _name(kind: str) -> str:
    return EVENT_TYPES[kind].__name__


def _channel(kind: str) -> dict[str, Any]:
    return {
        "address": f"{{tenant}}.{kind}",
        "title": kind,
        "summary": _told(EVENT_TYPES[kind]),
        "description": "The address is the routing key; on SNS, the attributes `tenant` and `type`.",
        "parameters": {"tenant": TENANT},
        "messages": {_name(kind): {"$ref": f"#/components/messages/{_name(kind)}"}},
        "bindings": {
            "amqp": {"is": "routingKey", "exchange": EXCHANGE, "bindingVersion": "0.3.0"},
            "redis": {},  # AsyncAPI keeps it for later; the exchange is Kombu's, as the server's description says
            "sns": {"name": "the topic of EVENTS_TOPIC_ARN", "bindingVersion": "0.1.0"},
        },
    }


def _operation(kind: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{_name(kind)}"},
        "summary": _told(EVENT_TYPES[kind]),
        "messages": [{"$ref": f"#/channels/{_name(kind)}/messages/{_name(kind)}"}],
        "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": "0.3.0"}},
    }


def _message(kind: str, model: type[Event]) -> dict[str, Any]:
    examples = [{"name": "asPublished", "payload": example(kind, content=False)}]
    if kind.startswith("chat."):
        examples.append({"name": "withEventsIncludeContent", "payload": example(kind, content=True)})
    return {
        "name": kind,
        "title": kind,
        "summary": _told(model),
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"{REFERENCE}{model.__name__}"},
        "bindings": {"amqp": {"contentEncoding": "utf-8", "bindingVersion": "0.3.0"}},
        "examples": examples,
    }


def _told(model: type[Event]) -> str:
    return " ".join((model.__doc__ or "").split())
