"""Terms and courses as an LMS lists them, found and judged."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

from coursekeep.errors import MalformedAnswer, NoAccess, NotFound, Unavailable
from coursekeep.http import LmsClient
from coursekeep.records import Course, CourseQuery, Term
from coursekeep.rest.fields import NONSENSE, Doubt, Field, From, Shape, Source, compiled, complaint, shape_of
from coursekeep.rest.listing import Courses, Terms
from coursekeep.rest.paging import Paging
from coursekeep.rest.places import Json, fill, fill_params, look, steps

__all__ = ["Catalogue"]

T = TypeVar("T", Term, Course)

#: seconds for which terms are remembered, so that a thousand courses are not described with a thousand readings
_REMEMBERED = 120.0
_DENIED = (NoAccess, NotFound, Unavailable, MalformedAnswer)


class Catalogue:
    """Reads what a connector declares of terms and courses."""

    def __init__(
        self,
        client: LmsClient,
        *,
        terms: Terms | None,
        courses: Courses,
        paging: Paging,
        settings: Mapping[str, str],
        zone: ZoneInfo | None,
    ) -> None:
        self._client = client
        self._terms = terms
        self._courses = courses
        self._paging = paging
        self._settings = settings
        self._zone = zone
        self._term_fields = _compiled(terms.fields, Term) if terms is not None else ()
        self._course_fields = _compiled(courses.fields, Course)
        self._known: tuple[float, dict[str, Term]] | None = None

    @property
    def has_terms(self) -> bool:
        """Tell whether the connector declares where terms are listed."""
        return self._terms is not None

    async def terms(self) -> AsyncGenerator[Term]:
        """Yield all terms, each id once; none where the connector declares none."""
        if self._terms is None:
            return
        seen: set[str] = set()
        async with aclosing(self._list(self._terms, {})) as items:
            async for item, where in items:
                term = _built(Term, _values(self._term_fields, item, where, self._zone), where)
                if term.id not in seen:
                    seen.add(term.id)
                    yield term

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course]:
        """Yield the courses for a query, each id once. Raises `NotFound` for a term or account that does not exist."""
        terms = await self._described(needed=bool(query.term_ids))
        wanted = self._wanted(query, terms)
        if query.account is not None and "account_id" not in self._courses.fields:
            raise NotFound(f"there is no account {query.account!r}: this LMS has none, or the connector tells of none")
        seen: set[str] = set()
        async with aclosing(self._narrowed(query, wanted)) as items:
            async for item, where in items:
                course = self._course(item, where, terms)
                if course.id not in seen and self._taken(course, query, wanted):
                    seen.add(course.id)
                    yield course

    async def course(self, course_id: str) -> Course | None:
        """Return one course by LMS id, or by SIS id with the prefix `sis:`."""
        if course_id.startswith("sis:") and "sis_id" in self._courses.fields:
            return await self._by_sis(course_id.removeprefix("sis:"))
        try:
            item, where = await self.one(course_id)
        except NotFound:
            return None
        return self._course(item, where, await self._described())

    async def one(self, course_id: str) -> tuple[Json, str]:
        """Return the LMS's answer for one course, and the call that it came from.

        Raises `NotFound` where it does not exist, `MalformedAnswer` where the answer is about another.
        """
        if course_id.strip() in ("", ".", ".."):
            raise NotFound(f"no course has the id {course_id!r}")
        item, where = await self._get(self._courses.one, {"course_id": course_id})
        named = [each for each in self._course_fields if each.name == "id"]
        if _values(named, item, where, self._zone)["id"] != course_id:
            raise MalformedAnswer("the LMS answered with another course than the one asked for", where=where)
        return item, where

    async def _by_sis(self, sis_id: str) -> Course | None:
        if self._courses.one_by_sis is not None:
            if sis_id.strip() in ("", ".", ".."):
                return None
            try:
                item, where = await self._get(self._courses.one_by_sis, {"sis_id": sis_id})
            except NotFound:
                return None
            return self._course(item, where, await self._described())
        async with aclosing(self.courses(CourseQuery())) as courses:
            async for course in courses:
                if course.sis_id == sis_id:
                    return course
        return None

    async def _get(self, path: str, values: Mapping[str, str]) -> tuple[Json, str]:
        answer = await self._client.get(fill(path, {**self._settings, **values}))
        key = self._courses.one_key
        item = answer.body if key is None else look(answer.body, key)
        if not isinstance(item, Mapping):
            raise MalformedAnswer("the answer holds no course", where=answer.where)
        return item, answer.where

    async def _narrowed(self, query: CourseQuery, wanted: Sequence[str]) -> AsyncGenerator[tuple[Json, str]]:
        """Read the list as far as the LMS can narrow it down; whatever else is asked for is judged here."""
        declared = self._courses
        asked: list[dict[str, str]] = [{}]
        if declared.term_parameter is not None and wanted:
            asked = [{declared.term_parameter: term_id} for term_id in wanted]
        for params in asked:
            if declared.text_parameter is not None and query.text:
                params[declared.text_parameter] = query.text
            async with aclosing(self._list(declared, params)) as items:
                async for each in items:
                    yield each

    async def _list(self, declared: Terms | Courses, params: Mapping[str, str]) -> AsyncGenerator[tuple[Json, str]]:
        paging = declared.paging or self._paging
        path = fill(declared.path, self._settings)
        own = fill_params(declared.params, self._settings)
        key = None if declared.key is None else steps(declared.key)
        pages = self._client.pages(path, {**paging.first(), **own, **params}, key=key, following=paging.following)
        async with aclosing(pages) as stream:
            async for page in stream:
                for item in page.items:
                    if not isinstance(item, Mapping):
                        raise MalformedAnswer("an entry of the list is no object", where=f"GET {path}")
                    yield item, f"GET {path}"

    def _wanted(self, query: CourseQuery, terms: Mapping[str, Term]) -> list[str]:
        """Return the ids of the terms of a query; `sis:ID` names a term by its SIS id."""
        if self._terms is None and "term_id" in self._courses.fields:
            return list(query.term_ids)
        by_sis = {f"sis:{term.sis_id}": term.id for term in terms.values() if term.sis_id is not None}
        wanted = [by_sis.get(term_id, term_id) for term_id in query.term_ids]
        for term_id in wanted:
            if term_id not in terms:
                raise NotFound(f"there is no term {term_id!r}")
        return wanted

    def _taken(self, course: Course, query: CourseQuery, wanted: Sequence[str]) -> bool:
        if wanted and course.term_id not in wanted:
            return False
        if query.account is not None and course.account_id != query.account:
            return False
        if query.text and self._courses.text_parameter is None:
            sought = query.text.strip().casefold()
            said = (course.name, course.code, course.sis_id, course.id)
            if not any(sought in (each or "").casefold() for each in said):
                return False
        return query.end_fits(course)

    def _course(self, item: Json, where: str, terms: Mapping[str, Term]) -> Course:
        values = _values(self._course_fields, item, where, self._zone)
        term = terms.get(str(values.get("term_id")))
        if term is not None:
            values["term_name"] = values.get("term_name") or term.name
            values["term_end_at"] = values.get("term_end_at") or term.end_at
        values |= self._courses.ends.judge(values, values.get("state"), datetime.now(UTC))
        return _built(Course, values, where)

    async def _described(self, *, needed: bool = False) -> dict[str, Term]:
        """Return the terms by id, read again after a while.

        Raises what keeps them from being read where they are needed, or the end of courses depends on them.
        """
        if self._terms is None:
            return {}
        if self._known is None or time.monotonic() - self._known[0] > _REMEMBERED:
            try:
                self._known = (time.monotonic(), {term.id: term async for term in self.terms()})
            except _DENIED:
                if needed or "term_end_at" in self._courses.ends.dates:
                    raise
                return {}
        return self._known[1]


def _compiled(given: Mapping[str, Source], model: type[Term] | type[Course]) -> tuple[Field, ...]:
    hints = get_type_hints(model)
    known = {each.name for each in fields(model)}
    return tuple(compiled(name, source, shape_of(hints[name])) for name, source in given.items() if name in known)


def _values(columns: Sequence[Field], item: Json, where: str, zone: ZoneInfo | None) -> dict[str, Any]:
    """Return the fields of a term or course.

    Raises `MalformedAnswer` where one makes no sense: a wrong date would leave a course out in silence.
    """
    given = From(item=item, parent={})
    values: dict[str, Any] = {}
    for column in columns:
        try:
            found = column.value(given, zone)
            if isinstance(found, datetime) and column.name.endswith("end_at") and _day_only(column.read(given)):
                found += timedelta(days=1)  # a day ends with its last moment
            elif column.shape is Shape.TEXT and not isinstance(found, str | None):
                raise Doubt("is no text")
            values[column.name] = found
        except NONSENSE as error:
            message = f"{column.name} of a term or course {complaint(error)}"
            raise MalformedAnswer(message, where=where) from None
    return values


def _day_only(value: Any) -> bool:
    return isinstance(value, str) and len(value.strip()) <= len("YYYY-MM-DD")


def _built(model: type[T], values: Mapping[str, Any], where: str) -> T:
    for name in ("id", "name"):
        if not values.get(name):
            raise MalformedAnswer(f"a term or course has no {name}", where=where)
    return model(**values)
