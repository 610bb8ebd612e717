"""moto's server of `moto_server`, for tables of many items: `python -m tests.support.moto_partitions -p 5000`.

A query of a table looks at one partition; moto looks at every item for it, a tenth of a second at 1,400 items.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models.table import Table
from moto.server import main

from tests.support.moto_server import patch

_query: Callable[..., Any] = Table.query
_arguments = inspect.signature(_query)


def _query_partition(self: Any, *given: Any, **named: Any) -> Any:
    told = _arguments.bind(self, *given, **named).arguments
    hash_key = told["hash_key"]
    if hash_key is None or told.get("index_name") is not None:
        return _query(self, *given, **named)
    # Requests take turns, so nobody else sees the table meanwhile.
    self.all_items = lambda: list(self.items.get(hash_key, {}).values())
    try:
        return _query(self, *given, **named)
    finally:
        del self.all_items


if __name__ == "__main__":
    Table.query = _query_partition  # type: ignore[method-assign]
    patch()
    main()
