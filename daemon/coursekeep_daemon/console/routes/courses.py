"""The catalogue: which courses the daemon has seen, and which of them are archived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.filters import Filter, first_page, next_page
from coursekeep_daemon.console.pages import ITEMS_PER_PAGE, page
from coursekeep_daemon.console.security import Viewer
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import CatalogueCourse, PackageVersion

__all__ = ["LONGEST_SEARCH", "router"]

router = APIRouter()

LONGEST_SEARCH = 200


class Archived(StrEnum):
    """Whether a course has a package."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A course with the newest version of its package, where it has one."""

    course: CatalogueCourse
    newest: PackageVersion | None


@router.get("/courses")
async def courses(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Search the catalogue."""
    asked = Filter.of(request, search=str, integration=str, archived=Archived)
    if len(asked["search"]) > LONGEST_SEARCH:
        raise Problem(422, "invalid", f"The search can have {LONGEST_SEARCH} characters. Use fewer words.")
    wanted = asked.values(visit.zone)
    if "archived" in wanted:
        wanted["archived"] = wanted["archived"] is Archived.YES
    with domain_errors():
        part = await service.store.courses(limit=ITEMS_PER_PAGE, cursor=asked.cursor, **wanted)
        rows = await _with_packages(service, part.items)
        integrations = [each.name for each in await service.store.integrations()]
    return page(
        request,
        "courses.html",
        rows=rows,
        asked=asked,
        longest=LONGEST_SEARCH,
        integrations=integrations,
        next=next_page(request, part.next_cursor),
        first=first_page(request),
    )


async def _with_packages(service: Service, found: Sequence[CatalogueCourse]) -> list[Row]:
    """Put the newest version beside each course: one question for each integration of the list."""
    archived: dict[str, list[str]] = defaultdict(list)
    for course in found:
        if course.package_id is not None:
            archived[course.integration].append(course.course_id)
    newest = {name: await service.store.newest_versions(name, ids) for name, ids in archived.items()}
    return [Row(course=each, newest=newest.get(each.integration, {}).get(each.course_id)) for each in found]
