"""Finding courses without losing those that are hidden or closed.

`core_course_get_courses` has them all, but fails as a whole where one may not be seen, and comes in no order.
`core_course_get_courses_by_field` leaves out without a word what may not be seen. The account's own enrolments know
courses that neither tells of. So the first is asked, and where it fails, the others are put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from coursekeep import MalformedAnswer, NoAccess, NotFound, Unavailable
from coursekeep_connectors.moodle.calls import Calls
from coursekeep_connectors.moodle.courses import Categories
from coursekeep_connectors.moodle.values import Json, ident, objects, text

__all__ = ["all_courses", "by_field", "categories_of", "one_course"]

_FRONT = "1"
_ALL, _FIELD, _MINE = "core_course_get_courses", "core_course_get_courses_by_field", "core_enrol_get_users_courses"


async def categories_of(calls: Calls) -> Categories:
    """Return the categories that the token sees; none where it may see none."""
    try:
        return Categories.of(await calls.call("core_course_get_categories"))
    except (NoAccess, Unavailable):
        return Categories()


async def all_courses(calls: Calls) -> tuple[list[Json], bool]:
    """Return every course that can be found, by id, and whether Moodle has told all of them.

    Raises `Unavailable` or `NoAccess` where nothing can be listed at all.
    """
    try:
        found = _real(await calls.call(_ALL))
    except (NoAccess, Unavailable, MalformedAnswer):
        return await _piecemeal(calls), False
    # The full records lack names of categories and custom fields, which terms may be made of.
    described: Mapping[str, Json] = {}
    with suppress(NoAccess, Unavailable):
        described = _real(await by_field(calls))
    return _sorted(
        {key: {**described.get(key, {}), **item} for key, item in found.items()} | _rest(described, found)
    ), True


def _rest(described: Mapping[str, Json], found: Mapping[str, Json]) -> dict[str, Json]:
    return {key: item for key, item in described.items() if key not in found}


async def _piecemeal(calls: Calls) -> list[Json]:
    found: dict[str, Json] = {}
    try:
        found = _real(await by_field(calls))
    except Unavailable:
        if not await calls.has(_MINE):
            raise
    if await calls.has(_MINE):
        # What the tolerant list has told is not lost over the account's own enrolments.
        with suppress(*((NoAccess, NotFound, MalformedAnswer) if found else ())):
            user = (await calls.info()).user_id
            mine = _real(await calls.call(_MINE, {"userid": user, "returnusercount": False}))
            found |= _rest(mine, found)
    return _sorted(found)


async def by_field(calls: Calls, field: str | None = None, value: str | None = None) -> list[Json]:
    """Return the courses that a field finds; all that may be seen without one."""
    body = await calls.call(_FIELD, {"field": field, "value": value})
    if not isinstance(body, dict):
        raise MalformedAnswer("an object was expected", where=_FIELD)
    return objects(body.get("courses"))


async def one_course(calls: Calls, field: str, value: str) -> Json | None:
    """Return one course, or None where it does not exist; raises `NoAccess` where it may not be seen.

    An empty answer means either, so that the course's contents are asked for: their error tells which.
    """
    items = list(_real(await by_field(calls, field, value)).values())
    if len(items) > 1:
        raise MalformedAnswer(f"Moodle has {len(items)} courses with this {field}", where=_FIELD)
    if items and "format" in items[0]:
        return items[0]
    if field != "id":
        return items[0] if items else None
    return await _asked_otherwise(calls, value, items[0] if items else None)


async def _asked_otherwise(calls: Calls, course_id: str, public: Json | None) -> Json | None:
    options = [{"name": "excludemodules", "value": "1"}]
    try:
        await calls.call("core_course_get_contents", {"courseid": course_id, "options": options})
    except NotFound:
        return None
    except NoAccess as error:
        raise NoAccess(
            "the course exists, but the service account may not enter it; it needs moodle/course:view and, for hidden"
            " courses, moodle/course:viewhiddencourses there",
            where=error.where,
        ) from error
    found = _real(await calls.call(_ALL, {"options": {"ids": [course_id]}}))
    return found.get(course_id, public)


def _real(body: Any) -> dict[str, Json]:
    """Return the courses of an answer by id, without the site's own front page."""
    try:
        items = {ident(item): item for item in objects(body)}
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"Moodle listed courses that make no sense: {error}") from error
    return {key: item for key, item in items.items() if key != _FRONT and text(item.get("format")) != "site"}


def _sorted(found: Mapping[str, Json]) -> list[Json]:
    return [found[key] for key in sorted(found, key=lambda key: (len(key), key))]
