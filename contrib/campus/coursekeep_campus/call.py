"""One request as a handler sees it: who asks, for which course, with which parameters, and how to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from coursekeep_campus.content import Content, Doc
from coursekeep_campus.model import Access, Campus, Course
from coursekeep_campus.paging import PageOf, by_bookmark, by_number, join, window_of
from coursekeep_campus.replies import Reply, disabled, dump, no_right, not_found
from coursekeep_campus.tokens import Caller

if TYPE_CHECKING:
    from coursekeep_campus.state import State

__all__ = ["Call"]

T = TypeVar("T")


def _same(item: Any) -> Any:
    return item


def _id_of(item: Any) -> int:
    number: int = item["id"]
    return number


@dataclass
class Call:
    """A request. Handlers raise `ApiError` through the helpers here and return a `Reply`."""

    state: State
    caller: Caller
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    names: dict[str, str]
    form: Sequence[tuple[str, str]] = ()
    part: str | None = None
    authorized: bool = True
    _lists: dict[str, list[str]] = field(default_factory=dict)

    @property
    def campus(self) -> Campus:
        """Return the campus that is asked."""
        return self.state.campus

    def values(self, name: str) -> list[str]:
        """Return all values of a list parameter: `name[]`, in whatever notation."""
        if not self._lists:
            for key, value in (*self.query, *self.form):
                self._lists.setdefault(key.removesuffix("[]"), []).append(value)
        return self._lists.get(name, [])

    def value(self, name: str, default: str = "") -> str:
        """Return one parameter; of several the last, as Rails does."""
        values = self.values(name)
        return values[-1] if values else default

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is switched on."""
        return self.value(name).lower() in ("1", "true", "t", "yes", "on")

    def numbers(self, name: str) -> list[int]:
        """Return a list parameter as numbers. Raises 404 for what is none."""
        try:
            return [int(value) for value in self.values(name)]
        except ValueError:
            raise not_found() from None

    @cached_property
    def includes(self) -> frozenset[str]:
        """Return what `include[]` asks for."""
        return frozenset(self.values("include"))

    @cached_property
    def course(self) -> Course:
        """Find the course of the path, and refuse who has no right to it."""
        course = self.find_course(self.names["course"])
        if course.state == "deleted":
            raise not_found()
        if course.access is not Access.OPEN or not (self.caller.admin or course.taught):
            raise self.no_right()
        if self.part in course.disabled:
            raise disabled()
        return course

    @property
    def content(self) -> Content:
        """Return the content of the path's course."""
        return self.course.content

    def enter(self, course: object) -> None:
        """Take another course than that of the path, by id; refused in the same way."""
        self.names["course"] = str(course)
        self.__dict__.pop("course", None)
        assert self.course

    def find_course(self, text: str) -> Course:
        """Find a course by id, `sis_course_id:`, `hex:sis_course_id:` or `uuid:`."""
        campus = self.campus
        course: Course | None = None
        if text.isdecimal():
            course = campus.courses.get(int(text))
        elif text.startswith("sis_course_id:"):
            course = campus.by_sis_id(text.removeprefix("sis_course_id:"))
        elif text.startswith("hex:sis_course_id:"):
            course = campus.by_sis_id(_unhex(text.removeprefix("hex:sis_course_id:")))
        elif text.startswith("uuid:"):
            course = next((c for c in campus.courses.values() if uuid_of(c) == text.removeprefix("uuid:")), None)
        if course is None:
            raise not_found()
        return course

    def number(self, name: str) -> int:
        """Return a variable of the path as a number. Raises 404 for what is none."""
        text = self.names[name]
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def no_right(self) -> Exception:
        """Make the answer to a user without the right, in the style of this server."""
        return no_right(self.state.options.no_right_status)

    def need_admin(self) -> None:
        """Refuse everybody but administrators."""
        if not self.caller.admin:
            raise self.no_right()

    def find(self, docs: Iterable[Doc], number: int) -> Doc:
        """Return the doc with an id. Raises 404."""
        for doc in docs:
            if doc["id"] == number:
                return doc
        raise not_found()

    def reply(self, value: Any, *, status: int = 200, cost: float = 0.0) -> Reply:
        """Answer with one value."""
        return Reply(dump(value), status, cost=cost)

    def page(
        self,
        items: Sequence[T],
        render: Callable[[T], Any] = _same,
        *,
        keep: Callable[[T], bool] | None = None,
        wrap: str | None = None,
        total: bool = True,
        most: int | None = None,
    ) -> Reply:
        """Answer with a page of a list that is paged by number."""
        window = window_of(self.path, self.query, most or self.state.options.max_per_page)
        return self._paged(by_number(items, window, render, keep, total=total), wrap)

    def bookmarked(
        self, items: Sequence[T], render: Callable[[T], Any] = _same, *, key: Callable[[T], int] = _id_of
    ) -> Reply:
        """Answer with a page of a list that is paged by bookmark; `items` are sorted by `key`."""
        window = window_of(self.path, self.query, self.state.options.max_per_page)
        return self._paged(by_bookmark(items, window, render, key), None)

    def _paged(self, page: PageOf, wrap: str | None) -> Reply:
        return Reply(join(page.pieces, wrap), headers={"link": page.link}, cost=0.002 * len(page.pieces))


def uuid_of(course: Course) -> str:
    """Return the made-up uuid of a course."""
    return f"campus-course-{course.id:020d}"


def _unhex(text: str) -> str:
    try:
        return bytes.fromhex(text).decode()
    except ValueError:
        raise not_found() from None
