"""What callers of the service ask of runs, packages and LMSs. All of it works on every daemon, whichever leads."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from coursekeep import CheckStep
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.fixity.service import FixityService
from coursekeep_daemon.integrations import Questions
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.origin import close_match
from coursekeep_daemon.package import Archive, VerifyReport
from coursekeep_daemon.registry import Unknown
from coursekeep_daemon.requests import BadRequest, RunRequest, check_patterns
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.planner import Planner, Preview
from coursekeep_daemon.schedule_calls import ScheduleCalls
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Run

__all__ = ["Calls"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Calls(ScheduleCalls):
    """The part of the service that API and console call."""

    settings: Settings
    archive: Archive
    holds: Holds
    expiry: Expiry
    fixity: FixityService
    metrics: Metrics
    _planner: Planner
    _questions: Questions
    _lmses: Mapping[str, Lms]

    async def start_run(
        self, request: RunRequest, *, by: str, idempotency_key: str | None = None, schedule: str | None = None
    ) -> tuple[Run, bool]:
        """Start a run, and return it with True; with a key that was used before, the earlier run with False.

        Raises `BadRequest` where it cannot be, `Conflict` where the key was used for another request.
        """
        self._check_request(request)
        await self.expiry.look(request.integration)  # a run with credentials that have ended waits for new ones
        run, created = await self.store.create_run(
            integration=request.integration,
            source=request.source,
            params=request.params,
            on_existing=request.on_existing,
            note=request.note,
            created_by=by,
            options={"include": list(request.include), "exclude": list(request.exclude)},
            schedule=schedule,
            idempotency_key=idempotency_key,
        )
        if created:  # who leads hears of it by its event
            self.metrics.run_requested(run.integration)
        return run, created

    async def preview(self, request: RunRequest, *, limit: int = 1000) -> Preview:
        """Say what a run would take now; write nothing. Raises `BadRequest`, and what the connector raises."""
        self._check_request(request)
        lms = self._usable(request.integration)
        try:
            return await self._planner.preview(request.for_planner(), lms, limit=limit)
        except ValueError as error:
            raise BadRequest(str(error), where="params") from None

    async def check(self, integration: str) -> list[CheckStep]:
        """Run the connector's check, and keep its steps; where all are well, a halted integration goes on."""
        return await self._questions.check(self._usable(integration))

    async def refresh_terms(self, integration: str) -> int:
        """Read the terms again, and return how many there are. Raises `BadRequest`, and what the connector raises."""
        return await self._questions.refresh_terms(self._usable(integration))

    async def verify_package(self, package_id: str, version: int | None = None, *, by: str = "daemon") -> VerifyReport:
        """Verify a package, and keep the outcome with each version and in its log. Raises `PackageError`."""
        return (await self.fixity.verify(package_id, version, by=by)).report

    def _check_request(self, request: RunRequest) -> None:
        """Raise `BadRequest` where a request cannot be used now. Asks no LMS."""
        if request.integration not in self.settings.integrations:
            hint = close_match(request.integration, self.settings.integrations)
            raise BadRequest(f"there is no integration {request.integration}; {hint}", where="integration")
        check_patterns(request.include, request.exclude)
        if request.on_existing not in {"skip", "refresh"}:
            raise BadRequest(f"{request.on_existing!r} is not known; allowed: refresh, skip", where="on_existing")
        try:
            self._planner.check(request.for_planner())
        except Unknown as error:
            raise BadRequest(str(error), where="source") from None
        except ValueError as error:
            raise BadRequest(str(error), where="params") from None

    def _usable(self, integration: str) -> Lms:
        if integration in self._lmses:
            return self._lmses[integration]
        if integration in self.settings.integrations:
            hold = self.holds.missing(integration)
            raise BadRequest(hold.reason if hold else "it cannot be used", where="integration")
        hint = close_match(integration, self.settings.integrations)
        raise BadRequest(f"there is no integration {integration}; {hint}", where="integration")

    async def _start_scheduled(self, request: RunRequest, by: str, key: str, schedule: str) -> Run:
        run, _ = await self.start_run(request, by=by, idempotency_key=key, schedule=schedule)
        return run
