"""Write `docs/reference/records.md` from the models of the public API: `make reference`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from coursekeep import MODELS, SCHEMA_VERSION, Kind

__all__ = ["records_page", "records_reference"]

INTRODUCTION = f"""# Records

Every package holds its course as records: one file of JSON lines per kind, `data/records/<kind>.jsonl`, sorted by id,
with a JSON Schema each in `data/schemas/`. This page is made from the same models (schema version {SCHEMA_VERSION}).

A field is null where the LMS did not say; lists and `extra` are empty then, never null. Times are RFC 3339 in UTC.
Fields that end in `_id` or `_ids` name records of other files. `extra` holds what the model has no field for, by the
LMS's own names. Every record has an `id`: the LMS's own, unique among the records of its kind in the package.
"""


def records_page() -> str:
    """Return the whole page."""
    return "\n".join([INTRODUCTION, *(records_reference(kind) for kind in Kind)])


def records_reference(kind: Kind) -> str:
    """Return the part about one kind: what a record is, and its fields."""
    model = MODELS[kind]
    schema = model.model_json_schema()
    rows = [
        f"| `{name}` | {_type(field)} | {field.get('description', '').replace('|', '/')} |"
        for name, field in schema["properties"].items()
        if name != "id"
    ]
    about = " ".join((model.__doc__ or "").split())
    return "\n".join([f"## `{kind}`", "", about, "", "| field | type | |", "|---|---|---|", *rows, ""])


def _type(field: Mapping[str, Any]) -> str:
    choices = [_one(choice) for choice in field.get("anyOf", [field])]
    return ", ".join(dict.fromkeys(choice for choice in choices if choice != "null")) or "any JSON"


def _one(choice: Mapping[str, Any]) -> str:
    if choice.get("format") == "date-time":
        return "time"
    kind = choice.get("type", "any JSON")
    names = {"string": "text", "array": "list", "boolean": "yes or no"}
    return names.get(kind, kind) if isinstance(kind, str) else "any JSON"


if __name__ == "__main__":
    sys.stdout.write(records_page())
