"""What an integration of each connector may be set to, as JSON Schema: for the API and the forms of the console.

The schema is made from the connector's own model. It describes the values themselves: in settings.toml a secret is a
reference to one, `{ env = "NAME" }`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, SecretStr

from coursekeep import Connector, HttpSettings, SettingsModel
from coursekeep_daemon.registry import Registry

__all__ = ["DIALECT", "ORDER", "SECRET", "ConnectorInfo", "connector_infos", "settings_schema"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: place of a field in a form, from 1
ORDER = "x-coursekeep-order"
#: whether a field holds a secret
SECRET = "x-coursekeep-secret"  # noqa: S105  # a keyword
#: fields that every connector over HTTP has, and that rarely change, come last
_USUAL = frozenset({*HttpSettings.model_fields, *SettingsModel.model_fields})


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectorInfo:
    """A connector, and what its integrations may be set to."""

    name: str
    title: str
    description: str
    distribution: str
    version: str
    #: None where the connector's model cannot be described
    schema: Mapping[str, Any] | None


def connector_infos(registry: Registry) -> dict[str, ConnectorInfo]:
    """Return the connectors of all plugins by name, in the order of their titles."""
    brought = {name: plugin for plugin in registry.plugins() for name in plugin.connectors}
    found = sorted(registry.connectors().items(), key=lambda each: (each[1].title.casefold(), each[0]))
    return {
        name: ConnectorInfo(
            name=name,
            title=connector.title,
            description=inspect.getdoc(connector) or "",
            distribution=brought[name].distribution if name in brought else "",
            version=brought[name].version if name in brought else "",
            schema=_described(connector),
        )
        for name, connector in found
    }


def settings_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of settings: fields in the order of a form, secrets marked.

    Raises what pydantic raises for a model of types that it cannot describe.
    """
    schema = model.model_json_schema()
    fields = schema.get("properties", {})
    needed = set(schema.get("required", ()))
    names = sorted(fields, key=lambda name: (name not in needed, name not in needed and name in _USUAL))
    described = {
        name: {**_texts(model, name), **fields[name], ORDER: place, SECRET: _is_secret(model, name)}
        for place, name in enumerate(names, 1)
    }
    return {"$schema": DIALECT, **schema, "title": title, "properties": described}


def _described(connector: type[Connector[Any]]) -> Mapping[str, Any] | None:
    try:
        return settings_schema(connector.Settings, connector.title)
    except Exception:  # plugin boundary: a model of other hands may hold anything
        log.exception("settings_not_described", connector=connector.name)
        return None


def _texts(model: type[BaseModel], name: str) -> dict[str, str]:
    """Return what a field says of itself: pydantic leaves out a title that the field's type has too."""
    field = model.model_fields.get(name)
    texts = {"title": field and field.title, "description": field and field.description}
    return {key: text for key, text in texts.items() if text}


def _is_secret(model: type[BaseModel], name: str) -> bool:
    """Tell whether a field is a `SecretStr`, be it optional."""
    field = model.model_fields.get(name)
    return field is not None and SecretStr.__name__ in str(field.annotation)
