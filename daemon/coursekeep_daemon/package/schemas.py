"""Normalised records on their way into a package: checked against their model, and the models' JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from coursekeep import MODELS, SCHEMA_VERSION, Kind
from coursekeep_daemon.package.jsontext import pretty

__all__ = ["RecordRefused", "normalise", "schema"]


class RecordRefused(ValueError):
    """A record does not fit the model of its kind: a fault of the connector, or an answer that makes no sense."""


def normalise(kind: Kind, record_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with every field of its kind. Raises `RecordRefused` naming kind, id and field."""
    if "id" in data:
        raise RecordRefused(f"{kind} {record_id}: `data` must not hold `id`; the record has one.")
    try:
        # the models hold no models, so a shallow copy is the whole record
        return dict(vars(MODELS[kind].model_validate({**data, "id": record_id})))
    except ValidationError as error:
        # without the value: it may be a personal datum, and the message goes into logs
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'record'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise RecordRefused(f"{kind} {record_id}: {faults}") from None


@cache  # every package holds them, and making one takes longer than writing the records of a small course
def schema(kind: Kind) -> bytes:
    """Return the JSON Schema (draft 2020-12) that every line of a kind's file fulfils."""
    model = MODELS[kind]
    body = model.model_json_schema(mode="serialization")
    body["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    body["$id"] = f"urn:coursekeep:schema:{SCHEMA_VERSION}:{kind}"
    body["title"] = str(kind)
    return pretty(body)
