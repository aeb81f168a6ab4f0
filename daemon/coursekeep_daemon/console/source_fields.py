"""Form fields of what plugins bring, made from JSON schemas: parameters of course sources, settings of connectors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coursekeep import CourseSource
from coursekeep_daemon.connector_schema import SECRET

__all__ = ["FieldKind", "SourceField", "fields_of", "fields_of_schema", "lines_of"]


class FieldKind(StrEnum):
    """How a parameter is typed in."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    FLAG = "flag"
    CHOICE = "choice"
    LINES = "lines"  # a list of texts, one a line
    SECRET = "secret"  # noqa: S105  # the name of a place that holds it, never itself
    JSON = "json"  # whatever has no simpler field


@dataclass(frozen=True, kw_only=True)
class SourceField:
    """One parameter of a course source, or one setting, as a form field."""

    #: in the form: `source.parameter`
    key: str
    #: in the parameters or settings
    name: str
    label: str
    hint: str
    kind: FieldKind
    required: bool
    choices: Sequence[str] = ()
    default: str = ""

    def read(self, typed: str) -> Any:
        """Return the value of what was typed; None leaves the parameter out. Raises ValueError for what is none."""
        if self.kind is FieldKind.FLAG:
            return bool(typed)
        if self.kind is FieldKind.LINES:
            return lines_of(typed) or ([] if self.required else None)
        if not typed.strip():
            return None
        if self.kind is FieldKind.JSON:
            return _from_json(typed)
        if self.kind is FieldKind.NUMBER:
            return _number(typed)
        return typed if self.kind is FieldKind.TEXT else typed.strip()

    def show(self, value: Any) -> str:
        """Return what stands in the field for a value."""
        if value is None:
            return ""
        if self.kind is FieldKind.FLAG:
            return "yes" if value else ""
        if self.kind is FieldKind.LINES:
            return "\n".join(map(str, value))
        if self.kind is FieldKind.JSON:
            return json.dumps(value, ensure_ascii=False)
        return str(value)


def fields_of(source: type[CourseSource[Any]]) -> list[SourceField]:
    """Return the fields of a course source, in the order of its parameters."""
    return fields_of_schema(source.name, source.Params.model_json_schema())


def fields_of_schema(prefix: str, schema: Mapping[str, Any]) -> list[SourceField]:
    """Return the fields of an object's JSON schema, in its order; `prefix` comes before their keys."""
    required, definitions = schema.get("required", ()), schema.get("$defs", {})
    return [
        _field(prefix, name, each, definitions, required=name in required)
        for name, each in schema.get("properties", {}).items()
    ]


def lines_of(text: str) -> list[str]:
    """Return the lines that hold something, without the blanks around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _field(
    prefix: str, name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], *, required: bool
) -> SourceField:
    kind, choices = (FieldKind.SECRET, ()) if schema.get(SECRET) else _kind(_plain(schema, definitions))
    field = SourceField(
        key=f"{prefix}.{name}",
        name=name,
        label=str(schema.get("title") or name.replace("_", " ").capitalize()),
        hint=str(schema.get("description", "")),
        kind=kind,
        required=required,
        choices=choices,
    )
    default = field.show(schema.get("default"))
    return SourceField(**{**vars(field), "default": default})


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and see through `or null`."""
    options = [each for each in schema.get("anyOf", schema.get("allOf", ())) if each.get("type") != "null"]
    if len(options) == 1:
        return _plain(options[0], definitions)
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return schema


def _kind(schema: Mapping[str, Any]) -> tuple[FieldKind, Sequence[str]]:
    kind = schema.get("type")
    if "enum" in schema and kind == "string":
        return FieldKind.CHOICE, [str(each) for each in schema["enum"]]
    if kind == "string":
        return (FieldKind.DATE if schema.get("format") == "date" else FieldKind.TEXT), ()
    if kind in ("integer", "number"):
        return FieldKind.NUMBER, ()
    if kind == "boolean":
        return FieldKind.FLAG, ()
    if kind == "array" and schema.get("items", {}).get("type") in ("string", "integer", "number"):
        return FieldKind.LINES, ()
    return FieldKind.JSON, ()


def _number(typed: str) -> int | float:
    for kind in (int, float):
        try:
            value = kind(typed)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    raise ValueError("is no number; write it as 12 or 0.5")


def _from_json(typed: str) -> Any:
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        raise ValueError('is not JSON; write it as in the API, for example {"faculty": "law"}') from None
