"""Who visits the console, and whether a form that was sent is one of ours.

A session is a cookie with a secret; the store keeps its hash. Every form holds a token made from that secret, which no
other site can know, and browsers tell besides where a request comes from; both must fit before a form does anything.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi import Request, Response, Security
from fastapi.security import SecurityScopes
from starlette.datastructures import FormData

from coursekeep_daemon.api.middleware import MAX_BODY
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Caller, Scope
from coursekeep_daemon.api.state import service_of
from coursekeep_daemon.console.moments import zone_of
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Role, Session, User

__all__ = [
    "Administrator",
    "Operator",
    "SignInNeeded",
    "Viewer",
    "Visit",
    "address_of",
    "by_script",
    "drop_session_cookie",
    "form_token",
    "from_elsewhere",
    "local_path",
    "session_secret",
    "set_session_cookie",
    "visit",
]

_SAFE = {"GET", "HEAD"}
#: more than any of our forms has, so that a list of ten thousand ticked items fits
_MOST_FIELDS = 20_000


class SignInNeeded(Exception):
    """Nobody is signed in; the visitor is shown the way."""


@dataclass(frozen=True, kw_only=True)
class Visit(Caller):
    """A signed-in user's request for a page."""

    user: User
    session: Session
    #: to be sent back with every form
    form_token: str = field(repr=False)
    #: what was sent; empty for a request that sends nothing
    form: FormData = field(repr=False)
    #: the time zone that moments are shown in
    zone: ZoneInfo

    def may(self, role: Role | str) -> bool:
        """Tell whether the visitor has a role; templates ask before they show a button."""
        return self.user.role.includes(Role(role))


async def visit(request: Request, needed: SecurityScopes) -> Visit:
    """Return who visits; raise `SignInNeeded`, or a problem where the role does not suffice or a form is not ours."""
    service, secret = service_of(request), session_secret(request)
    signed_in = None if secret is None else await service.accounts.signed_in(secret, used=not by_script(request))
    if secret is None or signed_in is None:
        raise SignInNeeded

    async def still_allowed() -> bool:
        return await service.accounts.signed_in(secret, used=False) is not None

    found = Visit(
        name=signed_in.user.name,
        scope=Scope.of(signed_in.user.role),
        request=request,
        via="console",
        still_allowed=still_allowed,
        user=signed_in.user,
        session=signed_in.session,
        form_token=form_token(secret),
        form=await _form(request),
        zone=zone_of(request, service.settings.daemon.time_zone),
    )
    request.state.visit = found
    await _check_role(found, needed)
    _check_form(found)
    return found


async def _form(request: Request) -> FormData:
    if request.method in _SAFE:
        return FormData()
    return await request.form(max_files=10, max_fields=_MOST_FIELDS, max_part_size=MAX_BODY)


async def _check_role(found: Visit, needed: SecurityScopes) -> None:
    for role in needed.scopes:
        if found.may(role):
            continue
        if found.request.method not in _SAFE:
            action = f"{found.request.method} {found.request.url.path}"
            said = {"needed": role, "has": found.user.role, "via": found.via}
            await service_of(found.request).store.audit(found.name, action, "", "refused", said)
        raise Problem(
            403, "forbidden", f"This needs the role {role}; you are signed in as {found.name}, {found.user.role}."
        )


def _check_form(found: Visit) -> None:
    if found.request.method in _SAFE:
        return
    sent = found.form.get("form_token", "")
    fits = isinstance(sent, str) and hmac.compare_digest(sent.encode(), found.form_token.encode())
    if from_elsewhere(found.request) or not fits:
        raise Problem(
            403,
            "forbidden",
            "This form did not come from a page of this session. Nothing was done: reload the page, then try again.",
        )


def form_token(secret: str) -> str:
    """Return the token of a session's forms, made from the secret of its cookie."""
    return hmac.new(secret.encode(), b"form token", "sha256").hexdigest()


def from_elsewhere(request: Request) -> bool:
    """Tell whether the browser says that a page of another site sent this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return False
    settings: Settings = service_of(request).settings
    ours = {request.headers.get("host", ""), urlsplit(settings.daemon.public_url or "").netloc}
    return urlsplit(origin).netloc not in ours - {""}


def address_of(request: Request) -> str:
    """Return the address a request comes from: that of the proxy, unless `daemon.trusted_proxies` names it."""
    return request.client.host if request.client else ""


def by_script(request: Request) -> bool:
    """Tell whether the script of an open page asks, to read the page again: that is nobody's use of the session."""
    # browsers say the latter only where the connection is safe
    return "x-read-again" in request.headers or request.headers.get("sec-fetch-dest") == "empty"


def local_path(path: str | None) -> str:
    """Return a path of this console, or `/` for anything that could lead elsewhere."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return "/"
    return path


def session_secret(request: Request) -> str | None:
    """Return the secret of the session's cookie; None without one."""
    return request.cookies.get(_cookie_name(request))


def set_session_cookie(request: Request, response: Response, secret: str) -> None:
    """Have the browser keep a session's secret: no script can read it, and it ends with the session at the latest."""
    lifetime = int(service_of(request).settings.accounts.session_hours * 3600)
    response.set_cookie(
        _cookie_name(request), secret, max_age=lifetime, path="/", secure=secure(request), httponly=True, samesite="lax"
    )


def drop_session_cookie(request: Request, response: Response) -> None:
    """Have the browser forget the session."""
    response.delete_cookie(_cookie_name(request), path="/", secure=secure(request), httponly=True, samesite="lax")


def secure(request: Request) -> bool:
    """Tell whether people reach the console over https, so that cookies may be kept to it."""
    settings: Settings = service_of(request).settings
    return (settings.daemon.public_url or str(request.url)).startswith("https://")


def _cookie_name(request: Request) -> str:
    # browsers take a cookie of this prefix from this very host only, over https
    return "__Host-coursekeep" if secure(request) else "coursekeep"


Viewer = Annotated[Visit, Security(visit, scopes=[Role.VIEWER.value])]
Operator = Annotated[Visit, Security(visit, scopes=[Role.OPERATOR.value])]
Administrator = Annotated[Visit, Security(visit, scopes=[Role.ADMINISTRATOR.value])]
