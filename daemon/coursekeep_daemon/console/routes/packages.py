"""One package: its versions, what each of them has and lacks, and what an operator does with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.routes.packages import known_versions, read_completeness, verification, zip_answer
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page
from coursekeep_daemon.console.security import Operator, Viewer
from coursekeep_daemon.package import CompletenessStatus, KindCount, NamedGaps, PackageError, StatedCompleteness
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import PackageVersion

__all__ = ["router"]

router = APIRouter()

#: gaps and problems on one page; what has more is better read with a program
_MOST_SHOWN = 500


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What a version says of its own completeness, or why that cannot be read."""

    stated: StatedCompleteness | None = None
    gaps: NamedGaps | None = None
    trouble: str = ""

    @property
    def told(self) -> dict[str, KindCount]:
        """The kinds of content that something is known of."""
        kinds = self.stated.kinds if self.stated else {}
        return {kind: count for kind, count in kinds.items() if count.status is not CompletenessStatus.NOT_SUPPORTED}

    @property
    def untold(self) -> list[str]:
        """The kinds that were not captured, and of which nothing is known to be missing."""
        return [kind for kind in self.stated.kinds if kind not in self.told] if self.stated else []


@router.get("/packages/{package_id}")
async def package_page(package_id: str, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show a package: all versions, and one of them closely."""
    versions = await known_versions(service, package_id)
    shown = _chosen(request.query_params.get("version", ""), versions)
    newest = versions[-1]
    return page(
        request,
        "package.html",
        versions=versions[::-1],
        newest=newest,
        shown=shown,
        course=await service.store.course(newest.integration, newest.course_id),
        inside=await _inside(service, shown),
    )


@router.get("/packages/{package_id}/versions/{version}/download")
async def download(package_id: str, version: int, service: Daemon, visit: Operator) -> Response:
    """Send one version as a zip that holds a BagIt bag."""
    return await zip_answer(service, visit, package_id, version)


@router.post("/packages/{package_id}/verify")
async def verify(package_id: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Read and hash every byte of a package, and say what was found."""
    report = await verification(service, visit, package_id)
    versions = await known_versions(service, package_id)
    return page(
        request,
        "verified.html",
        newest=versions[-1],
        report=report,
        problems=report.problems[:_MOST_SHOWN],
    )


def _chosen(asked: str, versions: Sequence[PackageVersion]) -> PackageVersion:
    """Return the version that the address asks for, the newest without one."""
    if not asked:
        return versions[-1]
    found = next((each for each in versions if str(each.version) == asked), None)
    if found is None:
        known = ", ".join(str(each.version) for each in versions)
        raise Problem(404, "not-found", f"This package has no version {asked[:20]!r}. It has: {known}.")
    return found


async def _inside(service: Service, version: PackageVersion) -> Inside:
    """Read what is in a version. A package that cannot be read still has a page, which says so."""
    try:
        stated, gaps = await run_in_threadpool(
            read_completeness, service, version.package_id, version.version, _MOST_SHOWN
        )
    except PackageError as error:
        return Inside(trouble=str(error))
    return Inside(stated=stated, gaps=gaps)
