"""One's own account: password, tokens, sessions, and what is set for this browser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from zoneinfo import available_timezones

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.accounts import SignedIn, TooManyAttempts, check_name
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Scope
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.fields import by_field, typed_twice
from coursekeep_daemon.console.moments import ZONE_COOKIE
from coursekeep_daemon.console.pages import THEME_COOKIE, THEMES, page, see_other
from coursekeep_daemon.console.security import Viewer, Visit, address_of, drop_session_cookie, secure
from coursekeep_daemon.service import Service

__all__ = ["router"]

router = APIRouter()

_YEAR = 365 * 86_400


@router.get("/account")
async def account(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show who is signed in and where, the user's tokens, and what is set for this browser."""
    return await _page(request, service, visit, {})


@router.post("/account/password")
async def change_password(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Change one's own password; the current one is asked for, and all other sessions end."""
    here, form = SignedIn(user=visit.user, session=visit.session), visit.form
    try:
        async with visit.audited("account.password", visit.name):
            with domain_errors():
                new = typed_twice(visit, str(form.get("password", "")))
                current = str(form.get("current", ""))
                try:
                    await service.accounts.change_own_password(here, current, new or "", address=address_of(request))
                except TooManyAttempts as refused:
                    raise _too_many(refused) from None
    except Problem as problem:
        return await _page(request, service, visit, by_field(problem))
    return see_other(request, "/account", "Your password is changed. Other browsers are signed out.")


@router.post("/account/tokens")
async def create_token(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Make a token of one's own, and show its secret this once."""
    name, scope = str(visit.form.get("token_name", "")), str(visit.form.get("scope", ""))
    if scope not in set(Scope):
        raise Problem(422, "invalid", f"A scope is one of {', '.join(Scope)}, not {scope!r}.")
    try:
        async with visit.audited("token.create", "", scope=scope, user=visit.name) as entry:
            with domain_errors():
                check_name(name)
                token, secret = await service.store.create_token(name, scope, user=visit.name)
            entry.target = token.name
    except Problem as problem:
        errors = {
            "token_name" if field == "name" else field: said
            for field, said in by_field(problem, conflict="name").items()
        }
        return await _page(request, service, visit, errors, token_name=name, scope=scope)
    return page(request, "token.html", 201, token=token, secret=secret)


@router.post("/account/tokens/{token_id}/revoke")
async def revoke_token(token_id: int, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Revoke a token of one's own for good."""
    token = next((each for each in await service.store.tokens(visit.user.id) if each.id == token_id), None)
    if token is None or token.revoked_at is not None:
        raise Problem(404, "not-found", "You have no such token; it may be revoked already.")
    async with visit.audited("token.revoke", token.name):
        await service.store.revoke_token(token.name, user_id=visit.user.id)
    return see_other(request, "/account", f"The token {token.name} is revoked.")


@router.post("/account/sessions/{session_id}/end")
async def end_session(session_id: int, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Sign oneself out of another browser."""
    async with visit.audited("session.end", visit.name):
        if not await service.store.end_session(session_id, user_id=visit.user.id):
            raise Problem(404, "not-found", "You have no such session; it may have ended already.")
    if session_id == visit.session.id:
        return _signed_out(request, "You are signed out.")
    return see_other(request, "/account", "That browser is signed out.")


@router.post("/account/sign-out-everywhere")
async def sign_out_everywhere(request: Request, service: Daemon, visit: Viewer) -> Response:
    """End all of one's own sessions, this one too."""
    async with visit.audited("session.end_all", visit.name):
        await service.store.end_sessions(visit.user.id)
    return _signed_out(request, "You are signed out everywhere.")


@router.post("/account/display")
async def set_display(request: Request, visit: Viewer) -> Response:
    """Keep theme and time zone in cookies of this browser."""
    theme, zone = str(visit.form.get("theme", "")), str(visit.form.get("zone", ""))
    response = see_other(request, "/account", "Saved for this browser.")
    for name, value, allowed in ((THEME_COOKIE, theme, set(THEMES)), (ZONE_COOKIE, zone, available_timezones())):
        if value in allowed:
            response.set_cookie(name, value, max_age=_YEAR, path="/", secure=secure(request), samesite="lax")
    return response


def _signed_out(request: Request, said: str) -> Response:
    response = see_other(request, "/sign-in", said)
    drop_session_cookie(request, response)
    return response


def _too_many(refused: TooManyAttempts) -> Problem:
    seconds = math.ceil(refused.wait.total_seconds())
    detail = f"Too many wrong passwords were typed. Try again in {seconds} seconds."
    return Problem(429, "too-many", detail, headers={"Retry-After": str(seconds)})


async def _page(
    request: Request,
    service: Service,
    visit: Visit,
    errors: Mapping[str, str],
    token_name: str = "",
    scope: str = "read",
) -> Response:
    return page(
        request,
        "account.html",
        422 if errors else 200,
        errors=errors,
        token_name=token_name,
        scope=scope,
        scopes=[each for each in Scope if visit.scope.includes(each)],
        tokens=[each for each in await service.store.tokens(visit.user.id) if each.revoked_at is None],
        sessions=await service.store.sessions(visit.user.id),
        zones=sorted(available_timezones()),
        usual_zone=service.settings.daemon.time_zone,
        themes=THEMES,
    )
