"""Rendering: templates, what they all need, and the answers that a page or a form gets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from coursekeep_daemon.api.state import service_of
from coursekeep_daemon.console import words
from coursekeep_daemon.console.moments import show_clock, show_day, show_moment, span_words, zone_of
from coursekeep_daemon.console.security import by_script, secure

__all__ = ["CONSOLE_HEADERS", "ITEMS_PER_PAGE", "THEMES", "THEME_COOKIE", "Pages", "page", "see_other", "static_file"]

#: nothing from other hosts, nothing inline, no frames; forms go to this console only
CONSOLE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # our own pages are told where a form was, which leads back from an error; no-referrer would also make browsers send
    # forms with the origin `null`, which is no proof that they are ours
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

ITEMS_PER_PAGE = 50
_SAID_COOKIE = "coursekeep_said"
THEME_COOKIE = "coursekeep_theme"
THEMES = ("system", "light", "dark")

_TICKED = re.compile(r"`([^`]+)`")
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Pages:
    """The templates of one console."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("coursekeep_daemon.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "moment": _moment,
            "day": _day,
            "clock": _clock,
            "number": lambda value: f"{value:,}",
            "size": words.size,
            "span": span_words,
            "code": _code,
            "pairs": lambda values: [(value, value) for value in values],
            "words_options": lambda table: [(key.value, word.name) for key, word in table.items()],
        }
        self._environment.globals |= {
            "static": static_address,
            "status_word": words.status_word,
            "status_tone": words.status_tone,
            "reason_words": words.reason_words,
            "source_words": words.source_words,
            "would_words": words.WOULD,
            "gap_words": words.gap_words,
            "completeness_words": words.completeness_words,
            "kind_words": words.kind_words,
            "action_words": words.action_words,
            "credential_words": words.CREDENTIALS,
            "roles": words.ROLES,
            "sign_ins": words.SIGN_INS,
            "version": version("coursekeep"),
        }

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Return the page of a template."""
        return self._environment.get_template(template).render(context)


def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Answer with a page. Templates see the visit, where there is one, what was said last, theme and zone."""
    pages: Pages = request.app.state.pages
    visit = getattr(request.state, "visit", None)
    said = _read_said(request)
    theme = request.cookies.get(THEME_COOKIE, "system")
    usual: dict[str, Any] = {
        "visit": visit,
        "path": request.url.path,
        "said": said,
        "theme": theme if theme in THEMES else "system",
        "zone": visit.zone if visit else zone_of(request, service_of(request).settings.daemon.time_zone),
        "holds": _holds(request),
    }
    response = HTMLResponse(pages.render(template, usual | context), status, headers=dict(CONSOLE_HEADERS))
    if said is not None:
        response.delete_cookie(_SAID_COOKIE, path="/")
    return response


def see_other(request: Request, path: str, said: str = "", *, tone: str = "good") -> Response:
    """Send the browser to a page after a form was obeyed, to be told there what was done. `tone`: good or bad."""
    response = RedirectResponse(path, 303)
    if said:
        text = base64.urlsafe_b64encode(json.dumps([tone, said[:1000]]).encode()).decode()
        response.set_cookie(
            _SAID_COOKIE, text, max_age=60, path="/", secure=secure(request), httponly=True, samesite="lax"
        )
    return response


def static_file(name: str) -> tuple[bytes, str] | None:
    """Return the content and media type of a static file; None where there is none of that name."""
    ending = name.rpartition(".")[2]
    if "/" in name or ending not in _TYPES:
        return None
    content = _static_files().get(name)
    return None if content is None else (content, _TYPES[ending])


@cache
def static_address(name: str) -> str:
    """Return the address of a static file; it changes with the content, so that browsers may keep it for good."""
    return f"/static/{name}?v={hashlib.sha256(_static_files()[name]).hexdigest()[:12]}"


@cache
def _static_files() -> Mapping[str, bytes]:
    folder = files("coursekeep_daemon.console") / "static"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def _read_said(request: Request) -> tuple[str, str] | None:
    """Return what was said last; to a script nothing, since that would take it from whoever is to be told."""
    if by_script(request):
        return None
    try:
        tone, text = json.loads(base64.urlsafe_b64decode(request.cookies.get(_SAID_COOKIE, "")))
    except (binascii.Error, ValueError, TypeError):
        return None
    return ("good" if tone == "good" else "bad", str(text))


def _holds(request: Request) -> list[Any]:
    """Return what holds everything, which every page says."""
    service = service_of(request)
    return service.holds.overall() if getattr(request.state, "visit", None) else []


def _code(text: str) -> Markup:
    """Return a text with what stands between backticks as code."""
    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped before


@pass_context
def _clock(context: Context, moment: datetime) -> Markup:
    zone: ZoneInfo = context["zone"]
    return show_clock(moment, zone)


@pass_context
def _moment(context: Context, moment: datetime | None, empty: str = "–") -> Markup:
    zone: ZoneInfo = context["zone"]
    return show_moment(moment, zone, empty=empty)


@pass_context
def _day(context: Context, moment: datetime | None, empty: str = "–") -> Markup:
    zone: ZoneInfo = context["zone"]
    return show_day(moment, zone, empty=empty)
