"""Settings explain themselves, and keep secrets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from coursekeep.connector import Connector
from coursekeep.testing.grades import Area, Grade, promise

__all__ = ["SettingsPromises"]


class SettingsPromises:
    """What holds of a connector's name, settings and description."""

    @promise(Area.SETTINGS, Grade.REQUIRED)
    def test_names(self, connector: Connector[Any]) -> None:
        """A connector has a name for settings and a title for people."""
        assert re.fullmatch(r"[a-z][a-z0-9_]*", connector.name), f"name: {connector.name!r} is not lower case"
        assert connector.title.strip(), "title: is empty"

    @promise(Area.SETTINGS, Grade.EXPECTED)
    def test_settings_explain_themselves(self, connector: Connector[Any]) -> None:
        """Every setting has a title and a description, of which forms and reference docs are made."""
        fields = type(connector).Settings.model_fields
        bare = [name for name, about in fields.items() if not (about.title and about.description)]
        assert not bare, f"settings without title or description: {bare}"

    @promise(Area.SETTINGS, Grade.REQUIRED)
    def test_secrets_are_secret(self, connector: Connector[Any]) -> None:
        """Whatever is named like a secret is a `SecretStr`."""
        fields = type(connector).Settings.model_fields
        named = re.compile(r"token|password|secret|(^|_)key$")
        open_ = [
            name for name, about in fields.items() if named.search(name) and "SecretStr" not in str(about.annotation)
        ]
        assert not open_, f"settings that must be SecretStr: {open_}"

    @promise(Area.SETTINGS, Grade.REQUIRED)
    def test_unknown_settings_are_refused(self, connector: Connector[Any]) -> None:
        """A setting that does not exist, such as a misspelt one, is refused by its name."""
        given = {name: getattr(connector.settings, name) for name in type(connector.settings).model_fields}
        with pytest.raises(ValidationError, match="no_such_setting"):
            type(connector).Settings.model_validate({**given, "no_such_setting": 1})

    @promise(Area.SETTINGS, Grade.EXPECTED)
    def test_settings_have_a_form(self, connector: Connector[Any]) -> None:
        """The settings can be described as a JSON Schema, of which the console makes a form."""
        schema = type(connector).Settings.model_json_schema()
        assert json.loads(json.dumps(schema)) == schema

    @promise(Area.SETTINGS, Grade.REQUIRED)
    def test_description(self, connector: Connector[Any]) -> None:
        """A connector describes its source as JSON, with its own name."""
        assert json.loads(json.dumps(connector.describe()))["connector"] == connector.name
