"""From the settings to open targets."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from coursekeep_daemon.notifications.targets import Target
from coursekeep_daemon.notifications.webhook import Webhook, is_webhook_url
from coursekeep_daemon.secrets import resolve_secrets
from coursekeep_daemon.settings import NotificationSettings, Settings

__all__ = ["open_targets"]


async def open_targets(settings: Settings, stack: AsyncExitStack) -> list[Target]:
    """Open the notification targets of the settings, resolving secrets now; `stack` closes them.

    Sends nothing. Raises `SettingsError` naming key and line for an address that cannot be used.
    """
    targets = []
    for name, wanted in settings.notifications.items():
        target = await _open(settings, name, wanted)
        stack.push_async_callback(target.close)
        targets.append(target)
    return targets


async def _open(settings: Settings, name: str, target: NotificationSettings) -> Target:
    at = ("notifications", name)
    given = {key: value for key in ("url", "secret") if (value := target.reference(key)) is not None}
    secrets = resolve_secrets(given, at, settings.origin)
    if target.kind == "webhook":
        if not is_webhook_url(secrets["url"]):
            raise settings.origin.error((*at, "url"), "a webhook needs an address that begins with http:// or https://")
        return Webhook(name, target.events, target.integrations, **secrets)
    if "secret" in secrets:
        raise settings.origin.error((*at, "secret"), 'only a webhook is signed: remove it, or set kind = "webhook"')
    return await _open_apprise(settings, name, target, secrets)


async def _open_apprise(settings: Settings, name: str, target: NotificationSettings, secrets: Any) -> Target:
    from coursekeep_daemon.notifications.apprise import AppriseTarget

    try:
        return await asyncio.to_thread(AppriseTarget, name, target.events, target.integrations, **secrets)
    except ValueError as error:
        raise settings.origin.error(("notifications", name, "url"), str(error)) from None
