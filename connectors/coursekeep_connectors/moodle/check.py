"""What an operator is told before the first course: does the address answer, is the token good and strong enough?

Moodle says nowhere what an account may do. Missing functions are seen in the site's own description of the service;
missing capabilities only by trying, by the example of one course.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded
from coursekeep_connectors.moodle.calls import Calls, SiteInfo
from coursekeep_connectors.moodle.courses import Categories
from coursekeep_connectors.moodle.finding import all_courses, categories_of
from coursekeep_connectors.moodle.needs import NEEDS
from coursekeep_connectors.moodle.probes import probe
from coursekeep_connectors.moodle.settings import MoodleSettings
from coursekeep_connectors.moodle.values import Json, text, whole

__all__ = ["check_moodle"]

Steps = AsyncGenerator[CheckStep, None]

_ADDRESS = "Check the address, the network and the certificate; the answer must come from Moodle itself."
_TOKEN = (
    "In Moodle, open Site administration, Server, Web services, Manage tokens, and make a token for the service account"  # noqa: S105  # advice
    " and the service made for Coursekeep."
)
_SERVICE = "In Moodle, open Site administration, Server, Web services, External services, and"
_HIDDEN = "Give the role moodle/course:view and moodle/course:viewhiddencourses at the level of the system."


async def check_moodle(calls: Calls, settings: MoodleSettings) -> Steps:
    """Yield the steps; those that make no sense after a failed one are left out."""
    try:
        async for step in _steps(calls, settings):
            yield step
    except ConnectorError as error:
        remedy = _TOKEN if isinstance(error, CredentialsNeeded) else _ADDRESS
        yield CheckStep(name="answers", ok=False, detail=str(error), remedy=remedy)


async def _steps(calls: Calls, settings: MoodleSettings) -> Steps:
    try:
        info = await calls.info(fresh=True)
    except CredentialsNeeded as error:
        yield CheckStep(name="address", ok=True, detail=settings.base_url)
        yield CheckStep(name="credentials", ok=False, detail=str(error), remedy=_TOKEN)
        return
    except ConnectorError as error:
        yield CheckStep(name="address", ok=False, detail=str(error), remedy=_ADDRESS)
        return
    yield CheckStep(name="address", ok=True, detail=f"{settings.base_url}, Moodle {info.release}")
    yield CheckStep(name="credentials", ok=True, detail=f"token of user {info.user_id}")
    remedy = f"{_SERVICE} edit the service: tick 'Can download files'."
    detail = "" if info.downloads else "the service does not allow downloads: every file would be a gap"
    yield CheckStep(name="downloads", ok=info.downloads, detail=detail, remedy="" if info.downloads else remedy)
    for step in _functions(info):
        yield step
    if any(need.vital and not info.functions.issuperset(need.functions[:2]) for need in NEEDS):
        return
    async for step in _courses(calls, settings):
        yield step


def _functions(info: SiteInfo) -> Iterator[CheckStep]:
    """Yield a step for each part of a course: whether the service has its functions."""
    for need in NEEDS:
        if not need.offered(info.version):
            continue
        lacking = [name for name in need.functions if name not in info.functions]
        name = f"functions for {need.part}"
        if lacking:
            listed = ", ".join(lacking)
            remedy = f"{_SERVICE} add to the service: {listed}."
            yield CheckStep(name=name, ok=False, detail=f"the service lacks {listed}", remedy=remedy)
        else:
            yield CheckStep(name=name, ok=True)


async def _courses(calls: Calls, settings: MoodleSettings) -> Steps:
    """Look whether all courses are told, hidden ones too, and how much of one can be read."""
    categories = await categories_of(calls)
    items, complete = await all_courses(calls)
    top = settings.category
    if top and top not in categories.items:
        detail = f"Moodle shows no course category {top} to the account"
        yield CheckStep(name="category", ok=False, detail=detail, remedy="Set `category` to the id of one, or give the"
                        " role moodle/category:viewhiddencategories.")  # fmt: skip
        return
    yield _counted(items, categories, complete=complete)
    inside = [item for item in items if "format" in item and _within(item, categories, top)]
    if inside and "idnumber" not in inside[0]:
        # Not a failure: institutions without a student information system have no id numbers.
        detail = "id numbers are not shown to this account; give moodle/course:update if they are needed"
        yield CheckStep(name="id numbers", ok=True, detail=detail)
    if inside:
        async for step in probe(calls, text(inside[0].get("id")) or ""):
            yield step


def _within(item: Json, categories: Categories, top: str) -> bool:
    return not top or categories.within(text(item.get("categoryid")), top)


def _counted(items: list[Json], categories: Categories, *, complete: bool) -> CheckStep:
    counted = sum(whole(item.get("coursecount")) or 0 for item in categories.items.values())
    told = f"{len(items)} courses"
    if complete or counted <= len(items):
        return CheckStep(name="course list", ok=bool(items), detail=told, remedy="" if items else _HIDDEN)
    detail = f"{told}, but the categories count {counted}: the account may not see the others"
    # Who sees one hidden course has the right as such, and the others were closed to the account on purpose.
    sees_hidden = any(item.get("visible") in (0, False) for item in items)
    return CheckStep(name="course list", ok=sees_hidden, detail=detail, remedy="" if sees_hidden else _HIDDEN)
