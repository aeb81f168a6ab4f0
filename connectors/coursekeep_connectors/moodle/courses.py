"""Moodle's courses and categories as Coursekeep's courses, terms and accounts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from coursekeep import Account, Course, CourseQuery, MalformedAnswer, Term
from coursekeep_connectors.moodle.ended import CourseDates, ending
from coursekeep_connectors.moodle.settings import MoodleSettings
from coursekeep_connectors.moodle.values import Json, ident, moment, objects, text

__all__ = ["WITHHELD", "Categories", "course_of", "is_enterable", "taken", "terms_of"]

#: state of courses that Moodle lists, but does not let in
WITHHELD = "not_enterable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Categories:
    """The tree of course categories, as far as the token sees it."""

    items: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Any) -> Categories:
        """Read the answer of `core_course_get_categories`."""
        try:
            return cls(items={ident(item): item for item in objects(body)})
        except (TypeError, ValueError) as error:
            raise MalformedAnswer(f"Moodle described categories that make no sense: {error}") from error

    def name(self, category_id: str | None) -> str | None:
        """Return a category's name."""
        return text(self.items.get(category_id or "", {}).get("name"))

    def above(self, category_id: str | None) -> list[str]:
        """Return a category and all above it, from the top."""
        path = text(self.items.get(category_id or "", {}).get("path")) or ""
        found = [part for part in path.split("/") if part]
        return found or ([category_id] if category_id else [])

    def within(self, category_id: str | None, top: str) -> bool:
        """Tell whether a category is `top` or lies below it."""
        return top in self.above(category_id)

    def accounts(self, top: str) -> list[Account]:
        """Return all categories, or those below `top`, by id."""
        chosen = [key for key in self.items if not top or self.within(key, top)]
        return [_account(self.items[key], top) for key in sorted(chosen, key=_order)]

    def term(self, category_id: str | None, depth: int) -> str | None:
        """Return the category that is the term: the one at this depth above a course, or its own."""
        if category_id is None or category_id == "0":
            return None
        path = self.above(category_id)
        if not depth:
            return category_id
        return path[depth - 1] if len(path) >= depth else None


def _account(item: Json, top: str) -> Account:
    parent = text(item.get("parent"))
    none_above = parent in (None, "0") or ident(item) == top
    return Account(
        id=ident(item),
        name=text(item.get("name")) or "",
        sis_id=text(item.get("idnumber")) or None,
        parent_id=None if none_above else parent,
    )


def _order(key: str) -> tuple[int, str]:
    return (len(key), key)


def terms_of(settings: MoodleSettings, categories: Categories, courses: Sequence[Course]) -> list[Term]:
    """Return the terms: categories, or what the courses say."""
    if settings.terms_from == "categories":
        accounts = categories.accounts(settings.category)
        depth = settings.term_depth
        found = [
            (one.id, one.name, one.sis_id) for one in accounts if not depth or len(categories.above(one.id)) == depth
        ]
    else:
        names = {course.term_id: course.term_name for course in courses if course.term_id}
        found = [(key, name or key, None) for key, name in sorted(names.items()) if key]
    return [
        Term(id=key, name=name, sis_id=sis_id, end_at=_term_end(settings, key, sis_id)) for key, name, sis_id in found
    ]


def _term_end(settings: MoodleSettings, *names: str | None) -> datetime | None:
    """Return the midnight that closes the last day of a term, named by id or id number."""
    for name in names:
        if name and name in settings.term_ends:
            return datetime.combine(settings.term_ends[name] + timedelta(days=1), time(), UTC)
    return None


def is_enterable(item: Mapping[str, Any]) -> bool:
    """Tell whether Moodle described the course as it does to those who may enter: others see its public face only."""
    return "format" in item or "startdate" in item


def course_of(item: object, settings: MoodleSettings, categories: Categories, now: datetime) -> Course:
    """Map a course; raises `MalformedAnswer` where it makes no sense."""
    try:
        if not isinstance(item, dict):
            raise TypeError("an object was expected")
        return _course(item, settings, categories, now)
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"Moodle described a course that makes no sense: {error}") from error


def _course(item: Json, settings: MoodleSettings, categories: Categories, now: datetime) -> Course:
    course_id = ident(item)
    category = text(item.get("categoryid")) or text(item.get("category"))
    term_id, term_name = _term(item, category, settings, categories)
    sis_ids = [categories.items.get(term_id or "", {}).get("idnumber")] if settings.terms_from == "categories" else []
    term_end = _term_end(settings, term_id, *map(text, sis_ids))
    dates = CourseDates(
        end_at=moment(item.get("enddate")),
        term_end_at=term_end,
        changed_at=moment(item.get("timemodified")),
        idle_days=settings.idle_days,
    )
    verdict = ending(dates, now)
    state = None if item.get("visible") is None else "visible" if item["visible"] in (1, True) else "hidden"
    return Course(
        id=course_id,
        name=text(item.get("fullname")) or "",
        code=text(item.get("shortname")),
        sis_id=text(item.get("idnumber")) or None,
        term_id=term_id,
        term_name=term_name,
        account_id=category,
        account_name=categories.name(category) or text(item.get("categoryname")),
        state=state if is_enterable(item) else WITHHELD,
        start_at=moment(item.get("startdate")),
        end_at=dates.end_at,
        term_end_at=term_end,
        ended=verdict.ended,
        ended_at=verdict.at,
        url=f"{settings.base_url.rstrip('/')}/course/view.php?id={course_id}",
    )


def _term(
    item: Json, category: str | None, settings: MoodleSettings, categories: Categories
) -> tuple[str | None, str | None]:
    """Return id and name of a course's term."""
    if settings.terms_from == "categories":
        found = categories.term(category, settings.term_depth)
        own = text(item.get("categoryname")) if found == category else None
        return found, categories.name(found) or own
    if settings.terms_from == "idnumber":
        match = re.search(settings.term_pattern, text(item.get("idnumber")) or "")
        return (match[0], match[0]) if match and match[0] else (None, None)
    if settings.terms_from == "custom_field":
        for one in objects(item.get("customfields")):
            if one.get("shortname") == settings.term_field:
                raw = text(one.get("valueraw")) or text(one.get("value"))
                return raw or None, text(one.get("value")) or raw or None
    return None, None


def taken(course: Course, query: CourseQuery) -> bool:
    """Tell whether a course meets a query's conditions on text and end.

    A course that Moodle lists, but does not let in, is taken: it then fails visibly, rather than vanish.
    """
    if query.text is not None:
        wanted = query.text.strip().casefold()
        if not any(wanted in (name or "").casefold() for name in (course.name, course.code, course.sis_id)):
            return False
    return course.state == WITHHELD or query.end_fits(course)
