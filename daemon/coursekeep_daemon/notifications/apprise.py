"""Targets that Apprise knows: mail, Teams, Slack and a hundred more. The only module that knows Apprise.

Apprise takes a second to load, so that is done where a target needs it. It says why a message failed in its log only,
and that with addresses, recipients and at times secrets: so its log is kept out of ours, and what is taken from it
goes through `_Scrubber`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.notifications.targets import Target, Undelivered
from coursekeep_daemon.secrets import HIDDEN

if TYPE_CHECKING:
    from apprise import Apprise

__all__ = ["AppriseTarget"]

#: pieces of an address that are too short to hide: hiding every `to` would leave no text
_SHORTEST = 3
_LONGEST_REASON = 300


class AppriseTarget(Target):
    """Sends messages with Apprise, each in a thread of its own that does not keep the process alive."""

    kind = "apprise"

    def __init__(
        self,
        name: str,
        events: Iterable[NotificationKind],
        integrations: Iterable[str],
        *,
        url: str,
        timeout: float = 60.0,
    ) -> None:
        """Take the address. Raises ValueError, without the address, where Apprise cannot read it.

        Loads Apprise: call it in a thread.
        """
        super().__init__(name, events, integrations)
        self._timeout = timeout
        self._scrub = _Scrubber(url)
        self._apprise = _open(url)

    async def send(self, message: Message) -> None:
        """Send a message: see `Target.send`."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str | None] = loop.create_future()

        def settle(why: str | None) -> None:
            if not ended.done():
                ended.set_result(why)

        def work() -> None:
            why = self._notify(message)
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle, why)

        threading.Thread(target=work, name=f"notify {self.name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                why = await ended
        except TimeoutError:
            raise Undelivered(f"not sent within {self._timeout:g} seconds") from None
        if why is not None:
            raise Undelivered(why)

    def _notify(self, message: Message) -> str | None:
        """Send in this thread; return why it failed, or None."""
        try:
            result = self._apprise.notify(
                body=message.text,
                title=message.subject,
                body_format="text",
                notify_type=_TYPES.get(message.kind, "info"),
            )
            said = "; ".join(entry.message for entry in result.logs())
        except Exception as error:  # noqa: BLE001  # plugin boundary: a hundred services by other hands
            return f"Apprise failed with {type(error).__name__}"
        if result:
            return None
        return self._scrub(said) if said else "the service did not take it"


_TYPES = {
    NotificationKind.RUN_FAILED.value: "failure",
    NotificationKind.CREDENTIALS_NEEDED.value: "failure",
    NotificationKind.STORAGE_HELD.value: "failure",
    NotificationKind.PACKAGE_DAMAGED.value: "failure",
    NotificationKind.CREDENTIALS_EXPIRING.value: "warning",
    NotificationKind.REPLICA_AWAY.value: "warning",
    NotificationKind.RUN_RECOVERED.value: "success",
    NotificationKind.CREDENTIALS_RENEWED.value: "success",
    NotificationKind.STORAGE_RELEASED.value: "success",
    NotificationKind.PACKAGE_REPAIRED.value: "success",
    NotificationKind.REPLICA_BACK.value: "success",
}


def _open(url: str) -> Apprise:
    own = logging.getLogger("apprise")
    own.propagate = False  # what Apprise captures for its results, it does before
    if not own.handlers:
        own.addHandler(logging.NullHandler())  # else Python prints warnings by itself
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # in debug it logs paths, which are secrets of some services

    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="Coursekeep", app_desc="Coursekeep", storage_mode="memory")
    service = Apprise.instantiate(url, asset=asset)
    if service is None:
        raise ValueError("Apprise cannot read this address; see its documentation for how a service is written")
    apprise = Apprise(asset=asset)
    apprise.add(service)
    return apprise


class _Scrubber:
    """Takes every piece of an address out of a text, except its scheme."""

    def __init__(self, url: str) -> None:
        pieces = re.split(r"[/:@?&=,;#]+", url.partition("://")[2])
        pieces += [unquote(piece) for piece in pieces] + [url]
        longest_first = sorted({piece for piece in pieces if len(piece) >= _SHORTEST}, key=len, reverse=True)
        self._pieces = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, text: str) -> str:
        line = " ".join(self._pieces.sub(HIDDEN, text).split())
        return line[:_LONGEST_REASON]
