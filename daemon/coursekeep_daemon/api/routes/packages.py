"""The catalogue of courses, and the packages that hold them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from coursekeep_daemon.api import models
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing, Paging, listing
from coursekeep_daemon.api.package_models import Completeness, KindCount, NamedGap
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Caller, Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.package import NamedGaps, StatedCompleteness
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import records

__all__ = ["known_versions", "read_completeness", "router", "verification", "zip_answer"]

router = APIRouter(tags=["packages"])


class CourseFilter(Paging):
    """Which courses to list."""

    search: str | None = Field(None, max_length=200, description="Text in name, code or SIS id.")
    integration: str | None = Field(None, description="Only courses of this integration.")
    archived: bool | None = Field(None, description="Only courses that have a package; `false`: that have none.")


class PackageFilter(Paging):
    """Which packages to list."""

    search: str | None = Field(None, max_length=200, description="Text in the course's name or id.")


@router.get("/courses", summary="Search the catalogue")
async def list_courses(
    request: Request, response: Response, service: Daemon, caller: Reader, asked: Annotated[CourseFilter, Query()]
) -> Listing[models.CatalogueCourse]:
    """List the courses that the daemon has seen in an LMS, each with its newest package."""
    with domain_errors():
        part = await service.store.courses(**asked.model_dump())
    return listing(request, response, part, models.CatalogueCourse.model_validate)


@router.get("/packages", summary="List packages")
async def list_packages(
    request: Request, response: Response, service: Daemon, caller: Reader, asked: Annotated[PackageFilter, Query()]
) -> Listing[models.PackageVersion]:
    """List the packages, each by its newest version."""
    with domain_errors():
        part = await service.store.packages(**asked.model_dump())
    return listing(request, response, part, models.PackageVersion.model_validate)


@router.get("/packages/{package_id}", summary="Show a package")
async def show_package(package_id: str, service: Daemon, caller: Reader) -> models.Package:
    """Show a package with all its versions."""
    versions = await known_versions(service, package_id)
    return models.Package(
        package_id=package_id, versions=[models.PackageVersion.model_validate(each) for each in versions]
    )


@router.get("/packages/{package_id}/versions/{version}/completeness", summary="Show how complete a version is")
async def show_completeness(
    package_id: str,
    version: int,
    service: Daemon,
    caller: Reader,
    limit: Annotated[int, Query(ge=0, le=10_000, description="Most gaps to name.")] = 500,
) -> Completeness:
    """Show expected against captured for every kind of content, and the gaps with their reasons.

    Both are read from the package, and compared with its checksums.
    """
    await known_versions(service, package_id, version)
    with domain_errors():
        stated, gaps = await run_in_threadpool(read_completeness, service, package_id, version, limit)
    return Completeness(
        package_id=package_id,
        version=version,
        status=stated.status,
        gaps=gaps.total,
        kinds={kind: KindCount.model_validate(count) for kind, count in stated.kinds.items()},
        named_gaps=[NamedGap.model_validate(gap) for gap in gaps.first],
    )


@router.get(
    "/packages/{package_id}/versions/{version}/download",
    summary="Download a package version",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def download_package(package_id: str, version: int, service: Daemon, caller: Operator) -> StreamingResponse:
    """Download one version as a zip that holds a BagIt bag.

    A package holds personal data of everybody in the course, so scope `read` is not enough, and each download is
    an audit event.
    """
    return await zip_answer(service, caller, package_id, version)


@router.post("/packages/{package_id}/verify", summary="Verify a package")
async def verify_package(
    package_id: str,
    service: Daemon,
    caller: Operator,
    version: Annotated[int | None, Query(ge=1, description="Only this version; else the whole package.")] = None,
) -> models.Verification:
    """Read and hash every byte of a package, and compare. The outcome is kept with its versions."""
    return await verification(service, caller, package_id, version)


# What the console does too


async def known_versions(
    service: Service, package_id: str, version: int | None = None
) -> Sequence[records.PackageVersion]:
    """Return the versions of a package, oldest first. Raises a problem where it, or this version, is not there."""
    versions = await service.store.package(package_id)
    if not versions:
        where = "The list of packages shows all. Their ids begin with urn:uuid:."
        raise Problem(404, "not-found", f"There is no package {package_id!r}. {where}")
    if version is not None and version not in {each.version for each in versions}:
        known = ", ".join(str(each.version) for each in versions)
        raise Problem(404, "not-found", f"Package {package_id!r} has no version {version}. It has: {known}.")
    return versions


def read_completeness(
    service: Service, package_id: str, version: int, limit: int
) -> tuple[StatedCompleteness, NamedGaps]:
    """Read what a version says of its completeness, and its first gaps. Reads files: to be called in a thread."""
    return service.archive.completeness(package_id, version), service.archive.gaps(package_id, version, limit=limit)


async def zip_answer(service: Service, caller: Caller, package_id: str, version: int) -> StreamingResponse:
    """Answer with a version as a zip, piece by piece, and note who took it."""
    async with caller.audited("package.download", f"{package_id} v{version}"):
        await known_versions(service, package_id, version)
        with domain_errors():
            pieces = await run_in_threadpool(service.archive.iter_zip, package_id, version)
            # the first piece is made before the answer begins: what cannot be read is a problem, not a broken zip
            first = await run_in_threadpool(next, pieces, b"")
    name = f"{package_id.rpartition(':')[2]}-v{version}.zip"
    return StreamingResponse(
        _chained(first, pieces),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def verification(
    service: Service, caller: Caller, package_id: str, version: int | None = None
) -> models.Verification:
    """Verify a package, and note who asked for it."""
    target = package_id if version is None else f"{package_id} v{version}"
    async with caller.audited("package.verify", target) as entry:
        await known_versions(service, package_id, version)
        with domain_errors():
            report = models.Verification.model_validate(
                await service.verify_package(package_id, version, by=caller.name)
            )
        entry.detail["valid"] = report.valid
    return report


async def _chained(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in iterate_in_threadpool(rest):
        yield piece
