"""The form of an integration's settings: from what was typed to a section of settings.toml, judged by the connector.

A secret is never typed in: the form takes the name of a place that holds it. The connector's model is asked with a
stand-in, so whatever it says of a secret itself is left to the start of the daemon, which reads the real one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from coursekeep import Connector
from coursekeep_daemon.connector_schema import ConnectorInfo, settings_schema
from coursekeep_daemon.console.source_fields import FieldKind, SourceField, fields_of_schema
from coursekeep_daemon.keyrings import KeyringTrouble, split_reference
from coursekeep_daemon.secrets import is_reference
from coursekeep_daemon.settings import IntegrationSettings
from coursekeep_daemon.toml_text import table_text

__all__ = ["PLACES", "ConnectorForm", "Filled"]

#: where a secret may be, and how its place is written
PLACES: Mapping[str, str] = {
    "env": "environment variable",
    "file": "file",
    "keyring": "keyring, as service/user",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STAND_IN = "a-secret-that-is-not-here"
_UNFIT = "The connector's settings cannot be shown as a form; write the section by hand, as its documentation says."


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What became of a form."""

    #: the section to paste; empty where something is wrong
    section: str = ""
    #: what is wrong by field; the empty key is about the whole
    wrong: Mapping[str, str] = field(default_factory=dict)
    #: names of environment variables that the section refers to
    variables: Sequence[str] = ()
    #: what the keyring is to hold, as service and user
    keyrings: Sequence[tuple[str, str]] = ()


class ConnectorForm:
    """The fields of one connector, and of what every integration has besides."""

    def __init__(self, info: ConnectorInfo, connector: type[Connector[Any]], folder: Path) -> None:
        """Take the connector; relative paths in its settings start from `folder`."""
        self._info = info
        self._model = connector.Settings
        self._folder = folder
        self.unfit = "" if info.schema is not None else _UNFIT
        self.own = fields_of_schema("own", info.schema or {})
        common = settings_schema(IntegrationSettings, "Integration")
        self.common = [each for each in fields_of_schema("common", common) if each.name != "connector"]

    def typed_from(self, name: str, integration: IntegrationSettings) -> dict[str, str]:
        """Return what the form holds for an integration, without secrets that stand in the settings themselves."""
        typed = {"name": name}
        values = {**integration.model_dump(mode="json", exclude={"connector"}), **integration.own}
        for each in (*self.own, *self.common):
            value = values.get(each.name)
            if each.kind is FieldKind.SECRET:
                if is_reference(value):
                    ((typed[f"{each.key}.place"], typed[each.key]),) = value.items()
            elif value is not None:
                typed[each.key] = each.show(value)
        return typed

    def fill(self, typed: Mapping[str, str]) -> Filled:
        """Judge what was typed, and write the section."""
        wrong: dict[str, str] = {}
        name = typed.get("name", "").strip()
        if not _NAME.fullmatch(name):
            wrong["name"] = "A name has lower-case letters, digits, - and _ only, such as main."
        own = self._read(self.own, typed, wrong)
        common = self._read(self.common, typed, wrong)
        if not wrong:
            wrong |= self._judged(own, common)
        if wrong:
            return Filled(wrong=wrong)
        section = table_text(f"integrations.{name}", {"connector": self._info.name, **own, **common})
        tomllib.loads(section)  # whatever is shown can be read
        references = [value for value in own.values() if is_reference(value)]
        return Filled(
            section=section,
            variables=[each["env"] for each in references if "env" in each],
            keyrings=[split_reference(each["keyring"]) for each in references if "keyring" in each],
        )

    def _read(self, fields: Sequence[SourceField], typed: Mapping[str, str], wrong: dict[str, str]) -> dict[str, Any]:
        """Return the values that differ from the defaults, and note what is none."""
        values: dict[str, Any] = {}
        for each in fields:
            text = typed.get(each.key, "")
            try:
                value = _reference(each, text, typed) if each.kind is FieldKind.SECRET else _value(each, text)
                if value is not None:
                    table_text("x", {each.name: value})
            except ValueError as error:
                wrong[each.key] = _sentence(str(error))
                continue
            if value is None and each.required:
                wrong[each.key] = "This is needed."
            elif value is not None and (each.required or text != each.default):
                values[each.name] = value
        return values

    def _judged(self, own: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, str]:
        seen = {name: _STAND_IN if is_reference(value) else value for name, value in own.items()}
        wrong = _complaints(self._model, seen, self.own, {"folder": self._folder})
        return wrong | _complaints(IntegrationSettings, {"connector": self._info.name, **common}, self.common, None)


def _value(each: SourceField, text: str) -> Any:
    value = each.read(text)
    if each.kind is not FieldKind.DATE or value is None:
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("is no day; write it as 2027-01-31") from None


def _reference(each: SourceField, text: str, typed: Mapping[str, str]) -> dict[str, str] | None:
    place, named = typed.get(f"{each.key}.place", "env"), text.strip()
    if not named:
        return None
    if place not in PLACES:
        raise ValueError("choose where the secret is")
    if place == "env" and not _VARIABLE.fullmatch(named):
        raise ValueError(
            "is no name of an environment variable; write one such as CANVAS_TOKEN, never the secret itself"
        )
    if place == "keyring":
        try:
            split_reference(named)
        except KeyringTrouble:
            raise ValueError("write it as service/user, never the secret itself") from None
    return {place: named}


def _complaints(
    model: type[BaseModel], values: Mapping[str, Any], fields: Sequence[SourceField], context: Any
) -> dict[str, str]:
    keys = {each.name: each.key for each in fields}
    secret = {each.name for each in fields if each.kind is FieldKind.SECRET and each.name in values}
    try:
        model.model_validate(dict(values), context=context)
    except ValidationError as error:
        found: dict[str, str] = {}
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(one["loc"][0]) if one["loc"] else ""
            if name not in secret:  # the stand-in may be of another shape than the secret
                found.setdefault(keys.get(name, ""), _sentence(one["msg"].removeprefix("Value error, ")))
        return found
    return {}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
