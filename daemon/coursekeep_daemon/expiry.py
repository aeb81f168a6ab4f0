"""When credentials end: known before a run begins, told some days before, and shown wherever integrations are.

Two know: the settings, where an operator has written down the last day (`expires_on`), and sometimes the credentials
themselves. The earlier one counts. Where neither does, nothing is said, rather than that all is well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import structlog

from coursekeep import CheckStep, ConnectorError, CoursekeepError
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lms, Lmses
from coursekeep_daemon.settings import IntegrationSettings, Settings
from coursekeep_daemon.store import Store

__all__ = ["CredentialsEnd", "EndBasis", "EndState", "Expiry"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: seconds between two looks at all integrations
_PAUSE = 3600.0


class EndBasis(StrEnum):
    """Who says when the credentials end."""

    SETTINGS = "settings"
    CREDENTIALS = "credentials"


class EndState(StrEnum):
    """How the credentials stand."""

    GOOD = "good"
    EXPIRING = "expiring"  # within the notice that the settings ask for
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialsEnd:
    """When the credentials of an integration end, as last known."""

    integration: str
    #: the first moment at which they are no good any more
    at: datetime
    basis: EndBasis
    state: EndState
    #: the last day, where the settings name it
    last_day: date | None = None

    @property
    def when(self) -> str:
        """Say when, and who says so."""
        if self.last_day is not None:
            return f"{self.last_day.isoformat()} is their last day, as `expires_on` in the settings says"
        return f"they end at {self.at:%Y-%m-%d %H:%M} UTC, as they say themselves"

    @property
    def remedy(self) -> str:
        """Say what to do."""
        also = ", change `expires_on`" if self.last_day is not None else ""
        return f"Renew them in the LMS, put the new ones into the settings{also}, and restart the daemon."


class Expiry:
    """Knows when credentials end, and acts on it: halts an integration once they have, and tells before."""

    def __init__(self, settings: Settings, lmses: Lmses, store: Store, holds: Holds, clock: Clock) -> None:
        self._settings = settings
        self._lmses = lmses
        self._store = store
        self._holds = holds
        self._clock = clock
        self._known: dict[str, CredentialsEnd] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find out about all integrations, and again and again in the background. Tells nobody, and halts nothing."""
        await self._know_all()
        self._task = lasting(self._keep_knowing, "know credentials")

    async def stop(self) -> None:
        """Break off. Harmless where nothing was started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def of(self, integration: str) -> CredentialsEnd | None:
        """Return when the credentials of an integration end, as last seen; None where nobody says."""
        return self._known.get(integration)

    def all(self) -> Mapping[str, CredentialsEnd]:
        """Return what is known, by integration."""
        return dict(sorted(self._known.items()))

    async def look(self, integration: str) -> CredentialsEnd | None:
        """Find out when the credentials end, without asking the LMS; halt the integration where they have.

        Where they end soon, operators are told once for each end.
        """
        end = await self._know(integration)
        if end is None:
            return None
        if end.state is EndState.EXPIRED:
            await self._holds.credentials_needed(integration, f"the credentials have ended: {end.when}")
        elif end.state is EndState.EXPIRING:
            await self._store.tell_expiring(integration, end.at, {"when": end.when, "remedy": end.remedy})
        return end

    async def look_at_all(self) -> None:
        """Look at all integrations."""
        for name in self._lmses:
            await self.look(name)

    async def watch(self) -> None:
        """Look at all integrations, for ever: this is for the daemon that leads."""
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                await self.look_at_all()
            except CoursekeepError as error:  # the store may be held up; the next look comes
                log.error("credentials_not_looked_at", reason=str(error))

    async def steps(self, integration: str) -> list[CheckStep]:
        """Return the step of a check: none where nobody says when the credentials end."""
        end = await self.look(integration)
        if end is None:
            return []
        days = (end.at - self._clock()).days
        detail = {
            EndState.GOOD: end.when,
            EndState.EXPIRING: f"they end in {days} {'day' if days == 1 else 'days'}: {end.when}",
            EndState.EXPIRED: f"they have ended: {end.when}",
        }[end.state]
        remedy = "" if end.state is EndState.GOOD else end.remedy
        return [CheckStep(name="expiry", ok=end.state is not EndState.EXPIRED, detail=detail, remedy=remedy)]

    async def _end(self, lms: Lms, settings: IntegrationSettings) -> CredentialsEnd | None:
        found: list[tuple[datetime, EndBasis]] = []
        if settings.expires_on is not None:
            zone = ZoneInfo(self._settings.daemon.time_zone)
            midnight = datetime.combine(settings.expires_on + timedelta(days=1), time.min, zone)
            found.append((midnight.astimezone(UTC), EndBasis.SETTINGS))
        if (said := await _said(lms)) is not None:
            found.append((said.astimezone(UTC), EndBasis.CREDENTIALS))
        if not found:
            return None
        at, basis = min(found)
        return CredentialsEnd(
            integration=lms.name,
            at=at,
            basis=basis,
            state=self._state(at, settings.expiry_notice),
            last_day=settings.expires_on if basis is EndBasis.SETTINGS else None,
        )

    def _state(self, at: datetime, notice: int) -> EndState:
        left = at - self._clock()
        if left <= timedelta():
            return EndState.EXPIRED
        return EndState.EXPIRING if left <= timedelta(days=notice) else EndState.GOOD

    async def _know(self, integration: str) -> CredentialsEnd | None:
        lms, settings = self._lmses.get(integration), self._settings.integrations.get(integration)
        end = None if lms is None or settings is None else await self._end(lms, settings)
        if end is None:
            self._known.pop(integration, None)
        else:
            self._known[integration] = end
        return end

    async def _know_all(self) -> None:
        for name in self._lmses:
            await self._know(name)

    async def _keep_knowing(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            await self._know_all()


async def _said(lms: Lms) -> datetime | None:
    """Ask the connector, which may be by other hands."""
    try:
        said = await lms.connector.credentials_end()
    except ConnectorError as error:  # what is kept cannot be read: the next request says so, and halts
        log.warning("credentials_end_unknown", integration=lms.name, reason=str(error))
        return None
    except Exception:  # plugin boundary: a connector may raise anything
        log.exception("connector_error", integration=lms.name, during="credentials_end")
        return None
    if said is None or said.tzinfo is None:
        return None
    return said
