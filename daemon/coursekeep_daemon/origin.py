"""Where a setting was written, so that an error can say it: a line of a file, or an environment variable."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from coursekeep import SettingsError

__all__ = ["ENV_PREFIX", "NESTING", "Origin", "close_match", "explained", "find_line"]

ENV_PREFIX = "COURSEKEEP_"
NESTING = "__"

_PART = r'(?:[A-Za-z0-9_-]+|"[^"]*"|\'[^\']*\')'
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"^\s*\[\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"^\s*({_DOTTED})\s*=")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The text and the environment that settings came from."""

    path: Path | None = None
    text: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def folder(self) -> Path:
        """Return what relative paths in the settings start from: the file's folder, else the current one."""
        return self.path.resolve().parent if self.path is not None else Path.cwd()

    def place(self, key: Sequence[str]) -> str:
        """Say where a key was written, as in `settings.toml line 12`; empty where nobody wrote it."""
        variable = ENV_PREFIX + NESTING.join(key).upper()
        if any(name.upper() == variable for name in self.environ):
            return f"environment variable {variable}"
        if self.path is None:
            return ""
        line = find_line(self.text, key)
        return f"{self.path} line {line}" if line else str(self.path)

    def error(self, key: Sequence[str], what: str) -> SettingsError:
        """Make the error for a key: its dotted name, where it stands, and what is wrong."""
        place = self.place(key)
        return SettingsError(f"{'.'.join(key)}{f' ({place})' if place else ''}: {what}")


def find_line(text: str, key: Sequence[str]) -> int | None:
    """Return the line of a key in TOML text, or of the nearest table around it; None where there is neither.

    A scan, not a parser: it is only asked after the text was parsed, to point at a line.
    """
    best, line_of_best = 0, None
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = path = _parts(header[1])
        elif found := _KEY.match(line):
            path = (*table, *_parts(found[1]))
        else:
            continue
        if len(path) > best and tuple(key[: len(path)]) == path:
            best, line_of_best = len(path), number
    return line_of_best


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def close_match(word: str, known: Iterable[str]) -> str:
    """Say what may have been meant and what is allowed, for an unknown word."""
    allowed = sorted(known)
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}allowed: {', '.join(allowed) or 'nothing'}"


def explained(
    error: ValidationError,
    origin: Origin,
    *,
    model: type[BaseModel],
    prefix: Sequence[str] = (),
    also: Iterable[str] = (),
) -> SettingsError:
    """Turn pydantic's error into one that names each key, its place and what is allowed; never a value.

    `prefix` is where `model` stands in the settings, `also` what else is allowed there.
    """
    lines = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        key = tuple(str(part) for part in one["loc"])
        what = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            allowed = {*_keys(model, key[:-1]), *(also if len(key) == 1 else ())}
            what = f"unknown key; {close_match(key[-1], allowed)}"
        elif one["type"] == "missing":
            what = "this key is needed"
        lines.append(str(origin.error((*prefix, *key), what)))
    return SettingsError("\n".join(lines))


def _keys(model: type[BaseModel], path: Sequence[str]) -> Iterable[str]:
    """Return the keys that a nested model allows, following `path` through models and tables of models."""
    current: object = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = current.model_fields[part].annotation
        else:  # the name of an entry in a table such as dict[str, IntegrationSettings]
            current = next(iter(get_args(current)[1:]), None)
    return current.model_fields if isinstance(current, type) and issubclass(current, BaseModel) else ()
