"""Activity: the audit, for people."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.filters import Filter, next_page
from coursekeep_daemon.console.pages import ITEMS_PER_PAGE, page
from coursekeep_daemon.console.security import Viewer
from coursekeep_daemon.console.words import action_words
from coursekeep_daemon.store import AuditEvent

__all__ = ["router"]

router = APIRouter()

#: what the target of an action is the name of, by the first word of the action
_PAGES = {
    "integration": "/integrations/",
    "terms": "/integrations/",
    "schedule": "/schedules/",
    "package": "/packages/",
}


@router.get("/activity")
async def activity(request: Request, service: Daemon, visit: Viewer) -> Response:
    """List who did what, newest first."""
    asked = Filter.of(request, who=str, action=str, target=str, since="day", before="day")
    with domain_errors():
        part = await service.store.audit_events(limit=ITEMS_PER_PAGE, cursor=asked.cursor, **asked.values(visit.zone))
    actions = [(action, action_words(action)) for action in await service.store.audit_actions()]
    return page(
        request,
        "activity.html",
        events=[(event, _address(event), _details(event)) for event in part.items],
        asked=asked,
        actions=sorted(actions, key=lambda each: each[1]),
        next=next_page(request, part.next_cursor),
    )


def _address(event: AuditEvent) -> str | None:
    """Return the page of what something was done to; None where there is none."""
    word, _, number = event.target.partition(" ")
    if word == "run" and number.isdecimal():
        return f"/runs/{number}"
    start = _PAGES.get(event.action.partition(".")[0])
    return None if start is None or not word else start + quote(word, safe=":")


def _details(event: AuditEvent) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), _text(value)) for name, value in event.detail.items() if value not in (None, "")]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
