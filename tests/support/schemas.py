"""Values held against the schemas of an OpenAPI or AsyncAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker


class Schema:
    """A schema that may refer to the components of its document."""

    def __init__(self, document: dict[str, Any], schema: dict[str, Any]) -> None:
        whole = {**schema, "components": document["components"]}
        OAS31Validator.check_schema(schema)
        self._validator = OAS31Validator(whole, format_checker=oas31_format_checker)

    def check(self, value: Any) -> None:
        """Fail where the value is not as the schema says."""
        wrong = [f"{each.json_path}: {each.message}" for each in self._validator.iter_errors(value)]
        assert wrong == [], value


def examples_in(node: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield (place, schema, example) of every example in a document."""
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from examples_in(child, f"{place}/{number}")
    if not isinstance(node, dict):
        return
    schema = node.get("schema", node)
    if "example" in node:
        yield f"{place}/example", schema, node["example"]
    for each in node["examples"] if isinstance(node.get("examples"), list) else []:
        yield f"{place}/examples", schema, each
    for name, child in node.items():
        if name not in {"example", "examples"}:
            yield from examples_in(child, f"{place}/{name}")


def references_in(node: Any) -> Iterator[str]:
    """Yield every `$ref` in a document."""
    if isinstance(node, list):
        for child in node:
            yield from references_in(child)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references_in(child)


def found_at(document: dict[str, Any], reference: str) -> Any:
    """Return what a reference leads to, which must be there."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found
