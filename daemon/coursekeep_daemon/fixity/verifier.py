"""One check of one package: read, judged, and kept in the store and in the package's own log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from coursekeep_daemon.fixity.records import Checked, FindingChange, FindingKind
from coursekeep_daemon.package import (
    Archive,
    NoSuchPackage,
    Pace,
    PackageBusy,
    PackageDamaged,
    PackageError,
    VerifyReport,
)
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.store import PackageVersion, Store

__all__ = ["Check", "Verifier"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: problems that a finding names; the package's own log has all
_NAMED = 20

_LOST = "the store knows this version, but the package in the archive does not have it"

_VERSION = re.compile(r"v(\d+)[/:]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What a check gave."""

    report: VerifyReport
    checked: Checked
    change: FindingChange


class Verifier:
    """Verifies packages, and keeps the outcome; for operators who ask and for the fixity service alike."""

    def __init__(self, archive: Archive, store: Store, clock: Clock) -> None:
        self._archive = archive
        self._store = store
        self._clock = clock

    async def verify(self, package_id: str, version: int | None = None, *, by: str, pace: Pace | None = None) -> Check:
        """Read a whole package, and keep the outcome with its versions, as a finding, and in its log.

        What seems wrong is read once more before it counts: a commit, or a disk that goes away meanwhile, looks like
        damage to one reading. Another check may judge while this one reads, also of another daemon, as behind a repair:
        its word is the newer one. Raises `StorageUnavailable`, `PackageBusy` and what `pace` raises; then nothing is
        kept.
        """
        since = await self._store.judged(package_id)
        known = await self._store.package(package_id)
        began = self._clock()
        report, kind = await asyncio.to_thread(self._read, package_id, version, known, pace)
        lost = set(_beyond_head(report, known, version))
        sound = kind is None or all(problem.what == _LOST for problem in report.problems)
        covered = [each.version for each in known if version in (None, each.version)]
        checked = Checked(
            package_id=package_id,
            at=began,
            versions={number: sound and number not in lost for number in covered},
            kind=kind,
            version=_first_version(report),
            problems=tuple({"path": each.path, "what": each.what} for each in report.problems[:_NAMED]),
            problem_count=len(report.problems),
        )
        change = await self._store.record_check(checked, by=by, since=since)
        if change is FindingChange.OVERTAKEN:
            raise PackageBusy(f"Another check of the package {package_id} has ended while this one read. Try again.")
        if kind is not FindingKind.MISSING or report.objects:
            await self._log(package_id, report)
        if change in (FindingChange.OPENED, FindingChange.CHANGED):
            log.error("package_damaged", package=package_id, kind=kind, problems=len(report.problems))
        return Check(report=report, checked=checked, change=change)

    def _read(
        self, package_id: str, version: int | None, known: Sequence[PackageVersion], pace: Pace | None
    ) -> tuple[VerifyReport, FindingKind | None]:
        report, kind = self._once(package_id, version, known, pace)
        if kind is None:
            return report, None
        head = self._head(package_id)
        report, kind = self._once(package_id, version, known, pace)
        if kind is not None:
            self._archive.check_present()  # raises where the archive is away
            if self._head(package_id) != head:
                raise PackageBusy(f"The package {package_id} was written while it was checked. Try again.")
        return report, kind

    def _once(
        self, package_id: str, version: int | None, known: Sequence[PackageVersion], pace: Pace | None
    ) -> tuple[VerifyReport, FindingKind | None]:
        try:
            report = self._archive.verify(package_id, version, pace=pace)
        except PackageDamaged as error:
            report = _empty(package_id)
            report.problem(".", str(error))
            return report, FindingKind.DAMAGED
        except NoSuchPackage as error:
            report = _empty(package_id)
            report.problem(".", str(error))
            return report, FindingKind.MISSING
        lost = _beyond_head(report, known, version)
        for number in lost:
            report.problem(f"v{number}", _LOST)
        return report, FindingKind.MISSING if lost else None if report.valid else FindingKind.DAMAGED

    def _head(self, package_id: str) -> int | None:
        try:
            head = self._archive.head(package_id)
        except PackageDamaged:
            return None
        return None if head is None else head.version

    async def _log(self, package_id: str, report: VerifyReport) -> None:
        said = {key: value for key, value in report.to_json().items() if key != "path"}  # which is this machine's own
        try:
            await asyncio.to_thread(self._archive.log_event, package_id, "fixity", said)
        except PackageError as error:  # an archive that cannot be written now can be checked all the same
            log.warning("fixity_not_logged", package=package_id, reason=str(error))


def _empty(package_id: str) -> VerifyReport:
    return VerifyReport("object", package_id)


def _beyond_head(report: VerifyReport, known: Sequence[PackageVersion], version: int | None) -> list[int]:
    """Return the versions that the store knows and the archive does not: a commit was lost after it had succeeded."""
    if version is not None or not report.objects:
        return []
    head: int = report.objects[0]["version"]
    return [each.version for each in known if each.version > head]


def _first_version(report: VerifyReport) -> int | None:
    """Return the first version that a problem names."""
    found = (_VERSION.match(f"{problem.path}/") for problem in report.problems)
    return min((int(each[1]) for each in found if each), default=None)
