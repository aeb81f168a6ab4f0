"""Signing in and out."""

from __future__ import annotations

import hmac
import math
import secrets
from datetime import datetime

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.accounts import SignInRefused, TooManyAttempts
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import (
    Viewer,
    address_of,
    drop_session_cookie,
    from_elsewhere,
    local_path,
    secure,
    session_secret,
    set_session_cookie,
)
from coursekeep_daemon.service import Service

__all__ = ["router"]

router = APIRouter()

#: ties the form to the browser that asked for it, before there is a session
_FORM_COOKIE = "coursekeep_sign_in"


@router.get("/sign-in")
async def sign_in_form(request: Request, service: Daemon, next: str = "/") -> Response:  # noqa: A002  # of the address
    """Show the form, or go on where someone is signed in already."""
    secret = session_secret(request)
    if secret is not None and await service.accounts.signed_in(secret) is not None:
        return see_other(request, local_path(next))
    return await _form(request, service, local_path(next))


@router.post("/sign-in")
async def sign_in(request: Request, service: Daemon) -> Response:
    """Sign in, with a new session whatever cookie came along; the wrong password gives the form again."""
    form = await request.form(max_files=0, max_fields=10)
    name, password, sent = (str(form.get(field, "")) for field in ("name", "password", "form_token"))
    wanted = local_path(str(form.get("next", "/")))
    expected = request.cookies.get(_FORM_COOKIE, "")
    if from_elsewhere(request) or not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise Problem(403, "forbidden", "This form did not come from the sign-in page, or is too old. Sign in again.")
    address, agent = address_of(request), request.headers.get("user-agent", "")
    try:
        signed_in, secret = await service.accounts.sign_in(name, password, address=address, agent=agent)
    except TooManyAttempts as refused:
        return await _wait(request, service, wanted, name, refused)
    except SignInRefused as refused:
        # the name as it was typed may be a password: only names of users are written down
        who = refused.user.name if refused.user else ""
        await service.store.audit(who, "sign_in", "", "refused", {"via": "password", "address": address})
        return await _form(request, service, wanted, name=name, error=str(refused), status=403)
    await service.store.audit(signed_in.user.name, "sign_in", "", "done", {"via": "password"})
    response = see_other(request, wanted)
    set_session_cookie(request, response, secret)
    response.delete_cookie(_FORM_COOKIE, path="/sign-in")
    return response


@router.post("/sign-out")
async def sign_out(request: Request, service: Daemon, visit: Viewer) -> Response:
    """End this session."""
    async with visit.audited("sign_out", ""):
        await service.store.end_session(visit.session.id, user_id=visit.user.id)
    response = see_other(request, "/sign-in", "You are signed out.")
    drop_session_cookie(request, response)
    return response


async def _wait(request: Request, service: Service, wanted: str, name: str, refused: TooManyAttempts) -> Response:
    response = await _form(request, service, wanted, name=name, error=str(refused), until=refused.until, status=429)
    response.headers["Retry-After"] = str(math.ceil(refused.wait.total_seconds()))
    return response


async def _form(
    request: Request,
    service: Service,
    wanted: str,
    *,
    name: str = "",
    error: str = "",
    until: datetime | None = None,
    status: int = 200,
) -> Response:
    token = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(32)
    response = page(
        request,
        "sign_in.html",
        status,
        wanted=wanted,
        name=name,
        error=error,
        until=until,
        form_token=token,
        openid=service.openid.label if service.openid else None,
        empty=not await service.store.has_passwords(),
    )
    response.set_cookie(
        _FORM_COOKIE, token, max_age=3600, path="/sign-in", secure=secure(request), httponly=True, samesite="strict"
    )
    return response
