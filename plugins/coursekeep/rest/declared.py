"""Declarations of a connector as a whole: what each part cannot see by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from coursekeep.connector import HttpSettings
from coursekeep.errors import DeclarationError
from coursekeep.rest.listing import Courses, Terms
from coursekeep.rest.places import names_in, texts_of
from coursekeep.rest.streams import Endpoint, Files
from coursekeep.rest.wording import close

if TYPE_CHECKING:
    from coursekeep.rest.connector import RestConnector

__all__ = ["check_declaration"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: the LMS's answer for the course itself
_TAKEN = frozenset({"course"})


def check_declaration(cls: type[RestConnector[Any]]) -> None:
    """Check all that a connector declares. Raises `DeclarationError` with what, where and what to do."""
    _hold(cls, _NAME.fullmatch(getattr(cls, "name", "")), "name: give a name of lower-case letters, digits and _")
    _hold(cls, getattr(cls, "title", "").strip(), "title: give the connector a name for people")
    listed = getattr(cls, "course_list", None)
    _hold(cls, isinstance(listed, Courses), "course_list: declare where courses are listed, with Courses(...)")
    _hold(cls, issubclass(cls.Settings, HttpSettings), "Settings: must be a subclass of HttpSettings")
    probe = cls.probe is None or cls.probe.startswith("/")
    _hold(cls, probe, "probe: must begin with / and lie below base_url")
    _check_zone(cls)
    _check_auth(cls)
    _check_settings(cls)
    _check_streams(cls)


def _check_zone(cls: type[RestConnector[Any]]) -> None:
    try:
        if cls.time_zone is not None:
            ZoneInfo(cls.time_zone)
    except (ValueError, OSError, KeyError):
        _hold(cls, False, f"time_zone: there is none named {cls.time_zone!r}; write it like 'Europe/Berlin'")


def _check_auth(cls: type[RestConnector[Any]]) -> None:
    known = cls.Settings.model_fields
    for name, secret in cls.auth.needs().items():
        where = f"auth: {cls.Settings.__name__} has no field {name!r}"
        _hold(cls, name in known, f"{where}; add it, or name the one that {type(cls.auth).__name__} is to read")
        if secret:
            _hold(cls, known[name].annotation is SecretStr, f"auth: {cls.Settings.__name__}.{name} must be a SecretStr")


def _check_settings(cls: type[RestConnector[Any]]) -> None:
    known = cls.Settings.model_fields
    for where, text in _templates(cls):
        for found in names_in(text):
            about, _, name = found.partition(".")
            if about == "settings":
                hint = close(name, known)
                _hold(cls, name in known, f"{where}: {cls.Settings.__name__} has no field {name!r}; {hint}")
                secret = "SecretStr" in str(known[name].annotation)
                _hold(cls, not secret, f"{where}: {name} is a secret, and addresses end up in logs; declare auth")


def _templates(cls: type[RestConnector[Any]]) -> Iterator[tuple[str, str]]:
    lists: list[tuple[str, Terms | Courses | Endpoint]] = [("course_list", cls.course_list)]
    if cls.term_list is not None:
        lists.append(("term_list", cls.term_list))
    lists += [(f"stream {stream.name!r}", stream) for stream in cls.streams]
    for where, declared in lists:
        yield where, declared.path
        for value in texts_of(declared.params):
            yield where, value


def _check_streams(cls: type[RestConnector[Any]]) -> None:
    seen: dict[str, Endpoint] = {}
    for stream in cls.streams:
        where = f"stream {stream.name!r}"
        _hold(cls, stream.name not in seen, f"{where}: there are two of this name; give each a name of its own")
        _hold(cls, stream.name not in _TAKEN, f"{where}: this name is taken by the answer for the course itself")
        if stream.parent is not None:
            later = any(other.name == stream.parent for other in cls.streams)
            hint = "it must stand before this one" if later else close(stream.parent, seen)
            _hold(cls, stream.parent in seen, f"{where}: parent: there is no stream {stream.parent!r} yet; {hint}")
            files = isinstance(seen[stream.parent], Files)
            _hold(cls, not files, f"{where}: parent: {stream.parent!r} is a list of files, which nothing belongs to")
        seen[stream.name] = stream
    given = {stream.gives for stream in cls.streams}
    for left_out in cls.unread:
        doubled = left_out.kind in given
        _hold(cls, not doubled, f"unread: a stream gives {left_out.kind} already; take one of the two away")


def _hold(cls: type[Any], condition: object, complaint: str) -> None:
    if not condition:
        raise DeclarationError(f"{cls.__module__}.{cls.__qualname__}: {complaint}")
