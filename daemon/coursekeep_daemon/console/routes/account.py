"""What a user sets for this browser: theme and time zone."""

from __future__ import annotations

from zoneinfo import available_timezones

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.moments import ZONE_COOKIE
from coursekeep_daemon.console.pages import THEME_COOKIE, THEMES, page, see_other
from coursekeep_daemon.console.security import Viewer, secure

__all__ = ["router"]

router = APIRouter()

_YEAR = 365 * 86_400


@router.get("/account")
async def account(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show who is signed in, and what is set for this browser."""
    return page(
        request,
        "account.html",
        zones=sorted(available_timezones()),
        usual_zone=service.settings.daemon.time_zone,
        themes=THEMES,
    )


@router.post("/account/display")
async def set_display(request: Request, visit: Viewer) -> Response:
    """Keep theme and time zone in cookies of this browser."""
    theme, zone = str(visit.form.get("theme", "")), str(visit.form.get("zone", ""))
    response = see_other(request, "/account", "Saved for this browser.")
    for name, value, allowed in ((THEME_COOKIE, theme, set(THEMES)), (ZONE_COOKIE, zone, available_timezones())):
        if value in allowed:
            response.set_cookie(name, value, max_age=_YEAR, path="/", secure=secure(request), samesite="lax")
    return response
