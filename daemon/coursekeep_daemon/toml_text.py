"""Values as TOML, for sections that people paste into settings.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

__all__ = ["table_text", "value_text"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def table_text(name: str, values: Mapping[str, Any]) -> str:
    """Return a table with one line for each value. `name` is dotted already. Raises ValueError as `value_text`."""
    return "\n".join([f"[{name}]", *(f"{_key(key)} = {value_text(value)}" for key, value in values.items()), ""])


def value_text(value: Any) -> str:
    """Return one value. Raises ValueError for what TOML cannot hold: nothing, and other types than those of JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(key))} = {value_text(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    raise ValueError("settings.toml cannot hold null; leave the value out")


def _text(text: str) -> str:
    # JSON's text is TOML's, but for the one control character that JSON leaves as it is
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)
