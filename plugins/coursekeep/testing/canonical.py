"""An export as the bytes that a package would hold of it, to compare two of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from coursekeep.kinds import Kind
from coursekeep.records import Gap
from coursekeep.redaction import ALWAYS, Redaction
from coursekeep.testing.export import Export

__all__ = ["Canonical", "canonical"]

#: name of a kind, or of what else an export gives, and its bytes
Canonical = Mapping[str, bytes]


def canonical(export: Export, redactions: Sequence[Redaction] = ()) -> dict[str, bytes]:
    """Serialise an export: per kind, sorted, without what is redacted before it is written.

    The addresses of files and native exports are left out: many LMSs sign them anew at every reading.
    """
    rules = _Rules([*ALWAYS, *redactions])
    found = {str(kind): _lines(rules, export.of(kind)) for kind in export.records}
    found[str(Kind.FILES)] = _lines(rules, {file.id: _without(asdict(file), "url", "auth") for file in export.files})
    natives = {each.name: _without(asdict(each), "url", "auth", "size") for each in export.native}
    found[str(Kind.NATIVE_EXPORTS)] = _lines(rules, natives)
    found["expected"] = _joined(f"{kind} {count}" for kind, count in _expected(export).items())
    found["gaps"] = _joined(_line(rules.applied(_of(gap))) for gap in export.gaps)
    for endpoint in sorted({page.endpoint for page in export.pages}):
        pages = [page.body for page in export.pages if page.endpoint == endpoint]
        items = [item for body in pages for item in (body if isinstance(body, list) else [body])]
        found[f"raw {endpoint}"] = _joined(_line(rules.applied(item)) for item in items)
    return {name: found[name] for name in sorted(found)}


def _expected(export: Export) -> Counter[Kind]:
    counts: Counter[Kind] = Counter()
    for expected in export.expected:
        counts[expected.kind] += expected.count
    return counts


def _of(gap: Gap) -> dict[str, Any]:
    return asdict(gap)


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name not in names}


def _lines(rules: _Rules, items: Mapping[str, Mapping[str, Any]]) -> bytes:
    return _joined(_line(rules.applied({"id": id_, **data})) for id_, data in items.items())


def _joined(lines: Iterable[str]) -> bytes:
    return "\n".join(sorted(lines)).encode("utf-8", "surrogatepass")


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


class _Rules:
    """The rules by which packages are redacted, as far as comparing needs them."""

    def __init__(self, rules: Sequence[Redaction]) -> None:
        self._keys = {key.lower() for rule in rules for key in rule.keys}
        names = "|".join(re.escape(name) for rule in rules for name in sorted(rule.parameters))
        self._parameters = re.compile(rf"((?:[?&;#]|%3f|%26)(?:{names})(?:=|%3d))[^&\s\"'<>]+", re.IGNORECASE)
        self._paths = [_path(path) for rule in rules for path in sorted(rule.paths)]

    def applied(self, value: Any) -> Any:
        """Return the value without what the rules take out."""
        if isinstance(value, Mapping):
            kept = {key: self.applied(each) for key, each in value.items() if str(key).lower() not in self._keys}
            return {self.applied(key): each for key, each in kept.items()}
        if isinstance(value, list | tuple):
            return [self.applied(each) for each in value]
        if not isinstance(value, str):
            return value
        value = self._parameters.sub(r"\1REMOVED", value)
        for pattern in self._paths:
            value = pattern.sub(r"\1REMOVED", value)
        return value


def _path(path: str) -> re.Pattern[str]:
    steps = (r"[^\s/?#\"'<>]+" if step == "*" else re.escape(step) for step in path.strip("/").split("/"))
    return re.compile(rf"({'/'.join(steps)}/)[^\s/?#&\"'<>]+", re.IGNORECASE)
