"""Arguments in PHP's bracket notation, read and judged as strictly as Moodle does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from coursekeep_campus.moodle.errors import invalid

__all__ = ["REQUIRED", "Field", "Listed", "Struct", "nested", "taken"]

_STEP = re.compile(r"\[([^\[\]]*)\]")
_WHOLE = re.compile(r"-?\d+")


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


#: the default of what must be given
REQUIRED = _Required()


@dataclass(frozen=True, slots=True)
class Field:
    """One value: `int`, `bool` or `str`, with its default."""

    type: type
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of values or objects."""

    item: Field | Struct
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Struct:
    """An object with named fields; others are refused."""

    fields: Mapping[str, Field | Listed | Struct]
    default: Any = REQUIRED


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Put `a[0][b]=c` together: objects and lists alike become dictionaries, as PHP's arrays are."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        root, _, rest = name.partition("[")
        steps = [root, *_STEP.findall(f"[{rest}")] if rest else [root]
        place = found
        for step in steps[:-1]:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise invalid()
        last = steps[-1]
        place[str(len(place)) if last == "" else last] = value
    return found


def taken(spec: Struct, given: Mapping[str, Any]) -> dict[str, Any]:
    """Judge the arguments of a call; raises `invalidparameter` for what is unknown, absent or of another type."""
    if unknown := set(given) - set(spec.fields):
        raise invalid(f"Unexpected keys ({', '.join(sorted(unknown))}) detected in parameter array.")
    return {name: _one(about, given.get(name)) for name, about in spec.fields.items()}


def _one(spec: Field | Listed | Struct, value: Any) -> Any:
    if value is None:
        if isinstance(spec.default, _Required):
            raise invalid("Missing required key in single structure")
        return spec.default
    if isinstance(spec, Struct):
        if not isinstance(value, dict):
            raise invalid()
        return taken(spec, value)
    if isinstance(spec, Listed):
        if not isinstance(value, dict):
            raise invalid("Only arrays accepted.")
        return [_one(spec.item, item) for item in value.values()]
    return _value(spec.type, value)


def _value(type_: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise invalid()
    if type_ is bool:
        if value not in ("0", "1"):
            raise invalid()
        return value == "1"
    if type_ is int:
        if not _WHOLE.fullmatch(value):
            raise invalid()
        return int(value)
    return value
