"""moto's server, made fit to stand in for DynamoDB under load: `python -m tests.support.moto_server -p 5000`.

As it comes, moto answers requests in threads without a lock, and copies the whole table before each transaction, to
put the copy back when a condition fails. So writes that came between are lost with it, and a transaction gets slower
with every item. A query looks at every item of the table, one by one. Here a transaction remembers only the items it
touches, and a query looks at the partition it names. moto's own server closes each connection after one answer; here
they stay open, and DynamoDB's requests take turns, on the event loop.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import os
from collections.abc import Callable
from email.utils import formatdate
from io import BytesIO
from typing import Any, cast

import uvicorn
from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi import build_environ
from moto import backends
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import run_wsgi_app

AT_ONCE = 50  # requests: some of SQS wait for a message

_query: Callable[..., Any] = Table.query
_arguments = inspect.signature(_query)
_transact: Callable[..., Any] = DynamoDBBackend.transact_write_items


def _transact_few(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    before = [_remember(self, op) for action in transact_items for op in action.values()]
    try:
        _transact(self, transact_items)
    except Exception:
        for table, partition, order, item in before:
            _put_back(table, partition, order, item)
        raise


def _remember(backend: DynamoDBBackend, op: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    table: Any = backend.get_table(op["TableName"])
    key = op.get("Key") or op["Item"]
    partition, order = DynamoType(key[table.hash_key_attr]), DynamoType(key[table.range_key_attr])
    return table, partition, order, copy.deepcopy(table.items.get(partition, {}).get(order))


def _put_back(table: Any, partition: Any, order: Any, item: Any) -> None:
    if item is not None:
        table.items[partition][order] = item
    elif order in table.items.get(partition, {}):
        del table.items[partition][order]
        if not table.items[partition]:
            del table.items[partition]


def _itself(table: Any, memo: dict[int, Any]) -> Any:
    del memo
    return table


def _query_few(self: Any, *given: Any, **named: Any) -> Any:
    told = _arguments.bind(self, *given, **named).arguments
    if told.get("index_name") is None:
        few = list(self.items.get(told["hash_key"], {}).values())
    else:
        # Each is (attribute, value): of the index's partition key.
        wanted = [(name, value.value) for name, value in told.get("hash_key_conditions") or ()]
        few = [
            item
            for partition in self.items.values()
            for item in partition.values()
            if all((found := item.attrs.get(name)) is not None and found.value == value for name, value in wanted)
        ]
    self.all_items = lambda: few
    try:
        return _query(self, *given, **named)
    finally:
        del self.all_items


def patch() -> None:
    """Make it fit."""
    DynamoDBBackend.transact_write_items = _transact_few  # type: ignore[method-assign]
    Table.query = _query_few  # type: ignore[method-assign]
    Table.__deepcopy__ = _itself  # type: ignore[attr-defined]  # moto's own copies of whole tables are then none
    modules = tuple(backends.list_of_moto_modules())  # else it reads its own folder at each request
    backends.list_of_moto_modules = lambda: modules


class Served:
    """moto as an ASGI application: what may wait for something on threads, DynamoDB without them."""

    def __init__(self, moto: Any) -> None:
        self._moto = moto
        self._threaded: Any = WSGIMiddleware(moto, workers=AT_ONCE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if not dict(scope["headers"]).get(b"x-amz-target", b"").startswith(b"DynamoDB_"):
            await self._threaded(scope, receive, send)
            return
        body = bytearray()
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        environ: Any = build_environ(scope, cast("Any", BytesIO(body)))  # it asks for a reader of its own
        chunks, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        now = formatdate(usegmt=True)  # uvicorn's own may be a second old, and the store's clock is read from it
        told = [(b"date", now.encode()), *((name.lower().encode(), value.encode()) for name, value in headers)]
        await send({"type": "http.response.start", "status": int(status.split()[0]), "headers": told})
        await send({"type": "http.response.body", "body": b"".join(chunks)})


def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description="AWS, as moto plays it")
    parser.add_argument("-p", "--port", type=int, required=True)
    port: int = parser.parse_args().port
    os.environ["MOTO_PORT"] = str(port)  # of the addresses that it tells
    patch()
    application: Any = Served(DomainDispatcherApplication(create_backend_app))
    uvicorn.run(application, port=port, log_config=None, access_log=False, date_header=False, lifespan="off")


if __name__ == "__main__":
    main()
