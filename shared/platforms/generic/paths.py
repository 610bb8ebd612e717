"""JMESPath, as far as hooks may use it: enough to find and compare, too little to make much of little.

Source of the language: https://jmespath.org/specification.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, StringConstraints

LONGEST: Final = 500
MOST_LISTS: Final = 2
"""Of lists that an expression makes: each may double what it is given."""

FUNCTIONS: Final = frozenset(
    {"contains", "ends_with", "join", "keys", "length", "not_null", "starts_with", "to_string", "type", "values"}
)
NODES: Final = frozenset(
    {
        "and_expression",
        "comparator",
        "current",
        "field",
        "filter_projection",
        "flatten",
        "function_expression",
        "identity",
        "index",
        "index_expression",
        "literal",
        "multi_select_list",
        "not_expression",
        "or_expression",
        "pipe",
        "projection",
        "slice",
        "subexpression",
        "value_projection",
    }
)


def _checked(text: str) -> str:
    try:
        nodes = list(_nodes(jmespath.compile(text).parsed))
    except (JMESPathError, RecursionError) as error:
        raise ValueError(f"is no JMESPath expression: {str(error).splitlines()[0]}") from error
    used = {node["value"] for node in nodes if node["type"] == "function_expression"}
    kinds = [node["type"] for node in nodes]
    unknown = sorted((used - FUNCTIONS) | (set(kinds) - NODES))
    if unknown:
        raise ValueError(f"uses what hooks may not: {', '.join(unknown)}")
    if kinds.count("multi_select_list") > MOST_LISTS:
        raise ValueError(f"makes more than {MOST_LISTS} lists")
    return text


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _nodes(child)


Path = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST), AfterValidator(_checked)]


def find(path: str, value: Any) -> Any:
    """Return what an expression finds; None where it finds nothing, or does not fit the value."""
    try:
        return jmespath.search(path, value)
    except (JMESPathError, TypeError, RecursionError):
        return None


def holds(path: str, value: Any) -> bool:
    """Return whether a condition holds: what it finds is true, as JMESPath understands it."""
    found = find(path, value)
    return not (found is None or found is False or found in ("", [], {}))
