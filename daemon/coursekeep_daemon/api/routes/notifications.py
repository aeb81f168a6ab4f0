"""Notifications: what operators were told, whom it reached, and whether a target can be reached."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from coursekeep_daemon.api import models_notifications as models
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing, Paging, listing
from coursekeep_daemon.api.security import Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.notifications.records import Listed, NotificationKind

__all__ = ["router"]

router = APIRouter(tags=["notifications"])


class NotificationFilter(Paging):
    """Which notifications to list."""

    kind: NotificationKind | None = Field(None, description="Only notifications of this kind.")


@router.get("/notifications", summary="List notifications")
async def list_notifications(
    request: Request,
    response: Response,
    service: Daemon,
    caller: Reader,
    asked: Annotated[NotificationFilter, Query()],
) -> Listing[models.Notification]:
    """List what operators were told, newest first, and how it reached each target."""
    with domain_errors():
        part = await service.notifications.list(**asked.model_dump())
    return listing(request, response, part, _answer)


@router.get("/notifications/targets", summary="List notification targets")
async def list_notification_targets(service: Daemon, caller: Reader) -> Listing[models.NotificationTarget]:
    """List the targets of the settings and what they are told, without their addresses."""
    return Listing(items=[models.NotificationTarget.model_validate(each) for each in service.notifications.targets()])


@router.post("/notifications/targets/{name}/test", summary="Send a test message")
async def test_notification_target(name: str, service: Daemon, caller: Operator) -> models.NotificationTest:
    """Send a test message to a target now, once. `ok` and `error` say what became of it."""
    async with caller.audited("notification.test", name) as entry:
        with domain_errors():
            result = await service.notifications.send_test(name, by=caller.name)
        entry.detail["ok"] = result.ok
    return models.NotificationTest.model_validate(result)


def _answer(listed: Listed) -> models.Notification:
    fields = {name: getattr(listed.notification, name) for name in listed.notification.__dataclass_fields__}
    deliveries = [models.NotificationDelivery.model_validate(each) for each in listed.deliveries]
    return models.Notification.model_validate(fields | {"deliveries": deliveries})
