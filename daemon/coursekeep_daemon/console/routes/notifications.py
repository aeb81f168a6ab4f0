"""Notifications: what operators were told, whom it reached, and whether a target can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.filters import Filter, next_page
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import Operator, Viewer
from coursekeep_daemon.console.words import DELIVERIES, NOTIFICATIONS
from coursekeep_daemon.notifications.messages import message_of
from coursekeep_daemon.notifications.records import Delivery, Listed, Notification, NotificationKind

__all__ = ["router"]

router = APIRouter()

_PER_PAGE = 25


@dataclass(frozen=True, kw_only=True)
class Told:
    """A notification as people read it."""

    notification: Notification
    subject: str
    text: str
    deliveries: Sequence[Delivery]


@router.get("/notifications")
async def notifications_page(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show what was told, newest first, and the targets of the settings."""
    asked = Filter.of(request, kind=NotificationKind)
    with domain_errors():
        part = await service.notifications.list(limit=_PER_PAGE, cursor=asked.cursor, **asked.values(visit.zone))
    return page(
        request,
        "notifications.html",
        told=[_told(each) for each in part.items],
        targets=service.notifications.targets(),
        asked=asked,
        next=next_page(request, part.next_cursor),
        kinds=NOTIFICATIONS,
        states=DELIVERIES,
    )


@router.post("/notifications/targets/{name}/test")
async def test_target(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Send a test message to a target now, once, and say what became of it."""
    async with visit.audited("notification.test", name) as entry:
        with domain_errors():
            sent = await service.notifications.send_test(name, by=visit.name)
        entry.detail["ok"] = sent.ok
    if sent.ok:
        return see_other(request, "/notifications", f"{name} has taken the test message. Look whether it arrived.")
    return see_other(request, "/notifications", f"{name} has not taken the test message: {sent.error}", tone="bad")


def _told(listed: Listed) -> Told:
    message = message_of(listed.notification, None)
    subject = message.subject.removeprefix("Coursekeep: ")
    return Told(
        notification=listed.notification,
        subject=subject[:1].upper() + subject[1:],
        text=message.text,
        deliveries=listed.deliveries,
    )
