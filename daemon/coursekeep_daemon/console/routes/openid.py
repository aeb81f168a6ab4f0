"""Signing in at an OpenID provider: the way there, and the way back."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import see_other
from coursekeep_daemon.console.security import address_of, local_path, secure, set_session_cookie
from coursekeep_daemon.openid import NotAllowedIn, OpenId, Pending, ProviderFault
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Conflict, User

__all__ = ["router"]

router = APIRouter()

#: ties the provider's answer to the browser that asked for it
_COOKIE = "coursekeep_openid"
_PATH = "/sign-in/oidc"


@router.get(_PATH)
async def begin(request: Request, service: Daemon, next: str = "/") -> Response:  # noqa: A002  # of the address
    """Lead the browser to the provider."""
    openid = _openid(service)
    try:
        address, pending = await openid.begin(_redirect_to(request, service), local_path(next))
    except ProviderFault as fault:
        raise _fault(fault) from fault
    response = RedirectResponse(address, 303)
    # the provider leads back from its own site, which a strict cookie would not come along with
    response.set_cookie(
        _COOKIE,
        pending.to_cookie(),
        max_age=openid.PATIENCE,
        path=_PATH,
        secure=secure(request),
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(f"{_PATH}/callback")
async def come_back(request: Request, service: Daemon, state: str = "", code: str = "", error: str = "") -> Response:
    """Take the provider's word for who it is, if it is the answer to a question of this browser."""
    openid = _openid(service)
    pending = Pending.from_cookie(request.cookies.get(_COOKIE, ""))
    if pending is None or not openid.accepts(pending, state):
        raise Problem(
            403, "forbidden", "This sign-in was not begun in this browser, is over, or is too old. Sign in again."
        )
    if error or not code:
        raise Problem(403, "forbidden", "The provider did not let you in. Sign in again, or ask whoever runs it.")
    try:
        user = await openid.finish(code, _redirect_to(request, service), pending)
    except ProviderFault as fault:
        await _audit_refused(request, service, str(fault))
        raise _fault(fault) from fault
    except NotAllowedIn as refused:
        await _audit_refused(request, service, str(refused))
        raise Problem(403, "forbidden", str(refused)) from refused
    return await _signed_in(request, service, user, local_path(pending.wanted))


async def _signed_in(request: Request, service: Service, user: User, wanted: str) -> Response:
    try:
        _, secret = await service.accounts.open_session(user, agent=request.headers.get("user-agent", ""))
    except Conflict as error:
        raise Problem(403, "forbidden", f"The account {user.name} is disabled.") from error
    await service.store.audit(user.name, "sign_in", "", "done", {"via": "openid"})
    response = see_other(request, wanted)
    set_session_cookie(request, response, secret)
    response.delete_cookie(_COOKIE, path=_PATH, secure=secure(request), httponly=True, samesite="lax")
    return response


async def _audit_refused(request: Request, service: Service, why: str) -> None:
    detail = {"via": "openid", "address": address_of(request), "problem": why}
    await service.store.audit("", "sign_in", "", "refused", detail)


def _openid(service: Service) -> OpenId:
    if service.openid is None:
        raise Problem(404, "not-found", "Sign-in with OpenID Connect is not set up: `[oidc]` in settings.toml does it.")
    return service.openid


def _redirect_to(request: Request, service: Service) -> str:
    base = service.settings.daemon.public_url or f"{request.url.scheme}://{request.url.netloc}"
    return f"{base}{_PATH}/callback"


def _fault(fault: ProviderFault) -> Problem:
    detail = f"The OpenID provider cannot be used now: {fault}. Try again later, or sign in with a password."
    return Problem(502, "provider", detail)
