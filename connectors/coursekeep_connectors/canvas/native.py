"""Canvas's own export of a course, a Common Cartridge: asked for at the start, fetched at the end.

Canvas takes minutes to hours for it, so the records are read meanwhile. Whatever goes wrong with it is a gap, never a
reason to lose the rest.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from coursekeep import ConnectorError, CredentialsNeeded, Expected, Gap, GapReason, Kind, NativeExport
from coursekeep_connectors.canvas.files import auth_of
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, text, whole

__all__ = ["Cartridge"]

_FORM = (("export_type", "common_cartridge"), ("skip_notifications", "true"))
_OVER = {"exported", "failed", "deleted"}
#: seconds after which an export is looked at first; small courses are soon done, and the waits grow from there
_FIRST_LOOK = 0.1


class Cartridge:
    """One export in the making."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._url = f"{reading.base}/content_exports"
        self._export: Json | None = None
        self._said = ""

    async def ask(self) -> None:
        """Ask Canvas for the export. Trouble is remembered for `parts`."""
        try:
            body = (await self._reading.client.post(self._url, _FORM)).body
            self._export = body if isinstance(body, dict) and body.get("id") is not None else None
            self._said = "" if self._export else "Canvas did not say which export it makes"
        except CredentialsNeeded:
            raise
        except ConnectorError as error:
            self._said = str(error)

    async def parts(self) -> Parts:
        """Wait for the export and yield it, or the gap."""
        yield Expected(kind=Kind.NATIVE_EXPORTS, count=1, basis="asked for")
        if self._export is None:
            await self.ask()  # the first time may have been a bad moment
        try:
            export = await self._finished()
        except CredentialsNeeded:
            raise
        except (ConnectorError, TypeError, ValueError) as error:
            yield self._gap(str(error))
            return
        yield self._outcome(export)

    def _outcome(self, export: Json | None) -> NativeExport | Gap:
        if export is None:
            return self._gap(self._said)
        attachment = export.get("attachment")
        url = attachment.get("url") if isinstance(attachment, dict) else None
        if export.get("workflow_state") != "exported" or not isinstance(url, str) or not url:
            return self._gap(self._said or f"Canvas's export ended as {export.get('workflow_state')} without a file")
        assert isinstance(attachment, dict)
        # Canvas's own file name holds the time of the export, and would look like a change every time.
        return NativeExport(
            name=f"course-{self._reading.course.id}.imscc",
            url=url,
            auth=auth_of(url, self._reading.settings.base_url),
            size=whole(attachment.get("size")),
            format="common_cartridge",
        )

    async def _finished(self) -> Json | None:
        """Poll until the export is over or patience is; says why in `_said`."""
        if self._export is None:
            return None
        settings = self._reading.settings
        deadline = time.monotonic() + settings.export_timeout
        pause = min(_FIRST_LOOK, settings.export_poll)
        url = f"{self._url}/{ident(self._export)}"
        while True:
            if await self._progressed():
                export = await self._reading.get(url)
                if export.get("workflow_state") in _OVER or self._said:
                    return export
            if time.monotonic() + pause > deadline:
                self._said = f"Canvas had not finished its export after {settings.export_timeout:g} seconds"
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, settings.export_poll)

    async def _progressed(self) -> bool:
        """Look at the progress: True when it is over, or when there is none to look at."""
        progress_url = text((self._export or {}).get("progress_url"))
        if not progress_url:
            return True
        found = await self._reading.get(urlsplit(progress_url).path)
        if found.get("workflow_state") == "failed":
            self._said = f"Canvas's export failed: {text(found.get('message')) or 'no message'}"
        return found.get("workflow_state") not in ("queued", "running")

    def _gap(self, detail: str) -> Gap:
        return Gap(
            kind=Kind.NATIVE_EXPORTS, reason=GapReason.EXPORT_FAILED, id="common_cartridge", detail=detail, count=1
        )
