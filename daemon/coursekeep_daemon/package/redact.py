"""Apply the rules of `coursekeep.redaction` to a value before anything of it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from coursekeep import Redaction
from coursekeep_daemon.package.jsontext import NotJson, rfc3339

__all__ = ["REMOVED", "Redactor", "Removal"]

REMOVED = "REMOVED"

#: rule, `keys`, `parameters` or `paths`, and the name that was met, in lower case
Removal = tuple[str, str, str]

#: what stands before a parameter, also in HTML (`&amp;`) and in JSON inside of text
_BEFORE = r"(?:[?#]|&(?:amp;|#38;|#x26;)?|\\u0026)"
#: the same in an address that is itself a parameter of another, encoded once or more often
_BEFORE_ENCODED = r"%(?:25)*(?:3f|23|26)"
#: a value ends where text around an address goes on
_VALUE = r"[^\s&#\"'<>\\)\]}`]+"
_VALUE_ENCODED = r"(?:(?!%(?:25)*(?:26|23))[^\s&#\"'<>\\)\]}`])+"


class Redactor:
    """The rules of one connector and those that always hold, ready for use. Has no state of its own."""

    def __init__(self, rules: Sequence[Redaction]) -> None:
        self.rules = tuple(rules)
        self._keys = {key.lower(): rule.name for rule in rules for key in rule.keys}
        self._parameters = {name.lower(): rule.name for rule in rules for name in rule.parameters}
        self._patterns = tuple(_patterns(self._parameters))
        self._paths = tuple((_path(path), rule.name, path) for rule in rules for path in sorted(rule.paths))
        #: what must stand in a text before it is worth a look
        self._marks = ("=", "%", *(path.partition("/*")[0] for _, _, path in self._paths))

    def redact(self, value: Any, removed: list[Removal]) -> Any:
        """Return a copy without secrets, and append to `removed` what was taken out.

        Times become text and tuples lists on the way. Raises `NotJson` where the value is nested too deeply.
        """
        try:
            return self._walk(value, removed)
        except RecursionError:
            raise NotJson("it is nested too deeply") from None

    def text(self, text: str, removed: list[Removal]) -> str:
        """Return the text with the values of secret parameters replaced."""
        for pattern in self._patterns:
            text = pattern.sub(lambda found: self._replacement(found, removed), text)
        for pattern, rule, path in self._paths:
            text, times = pattern.subn(rf"\g<1>{REMOVED}", text)
            removed.extend([(rule, "paths", path)] * times)
        return text

    def _replacement(self, found: re.Match[str], removed: list[Removal]) -> str:
        before, name, equals, value = found.groups()
        if value != REMOVED:
            removed.append((self._parameters[name.lower()], "parameters", name.lower()))
        return f"{before}{name}{equals}{REMOVED}"

    def _walk(self, value: Any, removed: list[Removal]) -> Any:
        # in the order of how often they come: every value of every answer passes here
        if isinstance(value, str):
            return self.text(value, removed) if self._doubtful(value) else value
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, dict):
            return self._object(value, removed)
        if isinstance(value, list | tuple):
            return [self._walk(item, removed) for item in value]
        if isinstance(value, datetime) and value.tzinfo is not None:
            return rfc3339(value)
        return value

    def _doubtful(self, text: str) -> bool:
        if "=" in text or "%" in text:
            return True
        return len(self._marks) > 2 and any(mark in text for mark in self._marks[2:])

    def _object(self, value: dict[Any, Any], removed: list[Removal]) -> dict[Any, Any]:
        kept = {}
        for key, item in value.items():
            if isinstance(key, str):
                rule = self._keys.get(key.lower())
                if rule is not None:
                    removed.append((rule, "keys", key.lower()))
                    continue
                if self._doubtful(key):  # some LMSs key objects by address
                    key = self.text(key, removed)
            kept[key] = self._walk(item, removed)
        return kept


def _path(path: str) -> re.Pattern[str]:
    steps = (r"[^\s/?#\"'<>]+" if step == "*" else re.escape(step) for step in path.strip("/").split("/"))
    # In JSON inside of text slashes may be escaped.
    slash = r"(?:\\?/)"
    return re.compile(rf"({slash.join(steps)}{slash})(?!{REMOVED})[^\s/\\?#&\"'<>]+", re.IGNORECASE)


def _patterns(names: Iterable[str]) -> Iterable[re.Pattern[str]]:
    alternatives = "|".join(sorted((re.escape(name) for name in names), key=lambda name: (-len(name), name)))
    if not alternatives:
        return
    yield re.compile(f"({_BEFORE})({alternatives})(=)({_VALUE})", re.IGNORECASE)
    yield re.compile(f"({_BEFORE_ENCODED})({alternatives})(=|%(?:25)*3d)({_VALUE_ENCODED})", re.IGNORECASE)
