"""JSON that keeps to a schema, filled from what a conversation says: no model, so names of properties are the guide."""

from typing import Any

from pydantic import JsonValue
from pydantic_core import to_json

from simulator.context import MARK
from simulator.errors import ApiError
from simulator.summary import Notes, notes_of
from simulator.wire import MessagesRequest

PLAIN: dict[str, JsonValue] = {"integer": 0, "number": 0, "boolean": False}
DEEPEST = 16  # levels of a schema; recursive ones are refused, as the API does


def format_of(request: MessagesRequest) -> dict[str, Any] | None:
    """Return the schema a reply must keep to, if any; 400 for a format that is none."""
    asked = (request.output_config or {}).get("format")
    if asked is None:
        return None
    schema = asked.get("schema") if isinstance(asked, dict) and asked.get("type") == "json_schema" else None
    if not isinstance(schema, dict):
        raise ApiError(400, "output_config.format: a json_schema with its schema is required")
    return schema


def structured(schema: dict[str, Any], asked: str) -> str:
    """Return JSON of that schema. The first string says that it is simulated."""
    made = _Filler(schema, notes_of(asked)).value(schema, "", 0)
    return to_json(made).decode()


class _Filler:
    """Walks the schema. `_marked`: whether some string has said by now that all of it is simulated."""

    def __init__(self, root: dict[str, Any], notes: Notes) -> None:
        self._root = root
        self._notes = notes
        self._marked = False

    def value(self, schema: Any, name: str, depth: int) -> JsonValue:
        """Return a value of that schema."""
        if depth > DEEPEST:
            raise ApiError(400, "output_config.format.schema: recursive schemas are not supported")
        schema = self._resolved(schema)
        if "const" in schema or "enum" in schema:
            # Without a model nothing can be said to be so: the last word is the least certain one, by custom.
            found: JsonValue = schema["const"] if "const" in schema else schema["enum"][-1]
            return found
        kind = schema.get("type")
        if kind == "object":
            properties = schema.get("properties", {})
            return {key: self.value(inner, key, depth + 1) for key, inner in properties.items()}
        if kind == "array":
            return [self._item(schema.get("items", {}), text, depth) for text in self._texts(name)]
        if kind == "string":
            return self._string(" ".join(self._texts(name)[:1]) or self._notes.problem)
        return PLAIN.get(str(kind))

    def _item(self, schema: Any, text: str, depth: int) -> JsonValue:
        schema = self._resolved(schema)
        if schema.get("type") == "string" and "enum" not in schema:
            return text
        return self.value(schema, "", depth + 1)

    def _string(self, text: str) -> str:
        marked, self._marked = self._marked, True
        return text if marked else MARK + text

    def _texts(self, name: str) -> list[str]:
        """Return what a property of this name may hold."""
        low = name.casefold()
        if "promise" in low:
            return [*self._notes.promised]
        if any(word in low for word in ("identif", "number", "fact")):
            return [*self._notes.facts]
        if "open" in low:
            return [self._notes.open] if self._notes.open else []
        return [self._notes.problem] if "topic" in low or "problem" in low or "title" in low else []

    def _resolved(self, schema: Any) -> dict[str, Any]:
        """Follow a reference, or take the first of several kinds."""
        for _ in range(DEEPEST):
            if not isinstance(schema, dict):
                return {}
            if isinstance(reference := schema.get("$ref"), str):
                node: Any = self._root
                for part in filter(None, reference.removeprefix("#").split("/")):
                    node = node.get(part, {}) if isinstance(node, dict) else {}
                schema = node
            elif any_of := schema.get("anyOf"):
                schema = any_of[0]
            else:
                return schema
        raise ApiError(400, "output_config.format.schema: recursive schemas are not supported")
