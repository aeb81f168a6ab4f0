"""A declaration that cannot be meant so is refused where it is written: what, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fakes.rest_lms import COURSES, make_connector, pages_stream
from pydantic import Field

from coursekeep import ConnectorSettings, DeclarationError, HttpSettings, Kind
from coursekeep.rest import (
    BasicAuth,
    BearerAuth,
    Courses,
    EndRule,
    Files,
    HeaderAuth,
    Index,
    LinkHeader,
    Parent,
    Stream,
    Terms,
    Total,
    Unread,
)

CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "field": (lambda: pages_stream(fields={"titel": "t"}), "stream 'pages': fields: pages has no field 'titel'; did"),
    "id as field": (lambda: pages_stream(fields={"id": "id"}), "the id is no field; set id="),
    "needed": (
        lambda: pages_stream(kind=Kind.ENROLLMENTS, fields={"role": "role"}),
        "enrollments needs person_id, state too",
    ),
    "kind": (lambda: pages_stream(kind=Kind.FILES, fields={}), "declare Files"),
    "name": (lambda: pages_stream(name="My Pages"), "lower-case letters"),
    "path": (lambda: pages_stream(path="courses/{course_id}"), "must begin with /"),
    "foreign path": (lambda: pages_stream(path="https://x.example/{course_id}"), "must begin with /"),
    "no course": (lambda: pages_stream(path="/pages"), "write {course_id}"),
    "placeholder": (lambda: pages_stream(path="/{curse_id}/{course_id}"), "{curse_id} is unknown"),
    "course field": (lambda: pages_stream(path="/{course.sisid}"), "did you mean 'sis_id'?"),
    "no parent": (lambda: pages_stream(path="/{course_id}/{parent_id}"), "set parent="),
    "parent field": (lambda: pages_stream(fields={"title": Parent("t")}), "set parent="),
    "parent unused": (lambda: pages_stream(parent="x", path="/{course_id}"), "write {parent_id}"),
    "inside": (lambda: pages_stream(inside="items"), "set parent="),
    "inside and path": (lambda: pages_stream(inside="items", parent="x"), "leave path and the like out"),
    "means 401": (lambda: pages_stream(means={401: "locked"}), "401 cannot be given a meaning"),
    "means 500": (lambda: pages_stream(means={500: "locked"}), "500 cannot be given a meaning"),
    "single": (lambda: pages_stream(single=True, total=Total(at="n")), "neither total nor paging"),
    "total": (lambda: Total(), "`at`"),
    "unread": (lambda: Unread(kind=Kind.PAGES, what=" "), "say what of pages is not read"),
    "header": (lambda: HeaderAuth("X Key"), "'X Key' is no name of a header"),
    "end rule": (lambda: EndRule(dates=("due_at",)), "use end_at and term_end_at"),
    "course fields": (lambda: Terms(path="/t", fields={"id": "id"}), "'name' is needed"),
    "course field name": (
        lambda: Terms(path="/t", fields={"id": "id", "name": "name", "ends_at": "e"}),
        "did you mean 'end_at'?",
    ),
    "ended": (
        lambda: Courses(path="/c", one="/c/{course_id}", fields={"id": "i", "name": "n", "ended": "e"}),
        "follows from `ends`",
    ),
    "one": (lambda: Courses(path="/c", one="/c", fields={"id": "i", "name": "n"}), "write {course_id}"),
    "by sis": (
        lambda: Courses(path="/c", one="/{course_id}", one_by_sis="/s", fields={"id": "i", "name": "n"}),
        "write {sis_id}",
    ),
    "courses of a course": (
        lambda: Courses(path="/{course_id}", one="/{course_id}", fields={"id": "i", "name": "n"}),
        "only {settings.NAME}",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_part_that_cannot_be_is_refused(case: str) -> None:
    """Each declaration judges itself, and names what to write instead."""
    make, says = CASES[case]

    with pytest.raises(DeclarationError, match=re.escape(says)):
        make()


class NoSecret(ConnectorSettings):
    """A secret that is none."""

    key: str = Field("x", title="Key", description="Key.")


TOPICS = pages_stream(name="topics")
BELOW = Stream(
    name="below",
    parent="topics",
    path="/{parent_id}",
    kind=Kind.PAGES,
    fields={"title": "title"},
)
WHOLE: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "no name": ((), {"name": ""}, "name: give a name"),
    "bad name": ((), {"name": "Small LMS"}, "name: give a name"),
    "no title": ((), {"title": " "}, "title: give"),
    "no courses": ((), {"course_list": None}, "course_list: declare"),
    "zone": ((), {"time_zone": "Middle/Earth"}, "time_zone: there is none named 'Middle/Earth'"),
    "probe": ((), {"probe": "me"}, "probe: must begin"),
    "auth": ((), {"auth": BasicAuth()}, "auth: ConnectorSettings has no field 'user'"),
    "auth field": ((), {"auth": BearerAuth("tokn")}, "has no field 'tokn'"),
    "no secret": ((), {"auth": HeaderAuth("X-Key", token="key"), "Settings": NoSecret}, "must be a SecretStr"),
    "no token": ((), {"Settings": HttpSettings}, "auth: HttpSettings has no field 'token'"),
    "two": ((TOPICS, TOPICS), {}, "stream 'topics': there are two"),
    "taken": ((pages_stream(name="course"),), {}, "this name is taken"),
    "parent": ((BELOW,), {}, "there is no stream 'topics' yet"),
    "order": ((BELOW, TOPICS), {}, "it must stand before"),
    "files": ((Files(name="topics", path="/{course_id}"), BELOW), {}, "a list of files"),
    "unread": (
        (TOPICS,),
        {"unread": (Unread(kind=Kind.PAGES, what="old ones"),)},
        "unread: a stream gives pages already",
    ),
    "setting": ((pages_stream(path="/{settings.acount}/{course_id}"),), {}, "has no field 'acount'"),
    "secret": ((pages_stream(params={"t": "{settings.token}"}),), {}, "declare auth"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_connector_that_cannot_be_is_refused(case: str) -> None:
    """What no part can see by itself is refused when the class is made, with the class's name."""
    streams, declared, says = WHOLE[case]

    with pytest.raises(DeclarationError, match=re.escape(says)) as caught:
        make_connector("http://127.0.0.1:9", *streams, **declared)
    assert "Small" in str(caught.value)


def test_a_base_of_connectors_need_not_be_whole() -> None:
    """A class marked as abstract may leave declarations to those that inherit it."""
    from coursekeep.rest import RestConnector

    class Base(RestConnector[ConnectorSettings], abstract=True):
        paging = LinkHeader()

    class Small(Base):
        name = "small"
        title = "Small"
        course_list = COURSES

    assert Small.streams == ()
    with pytest.raises(DeclarationError):
        type("Half", (Base,), {"name": "half"})


def test_an_index_may_be_a_parent() -> None:
    """An index is there to lead to others."""
    index = Index(name="topics", path="/{course_id}", kind=Kind.PAGES)

    assert make_connector("http://127.0.0.1:9", index, BELOW).streams == (index, BELOW)


def test_the_rest_is_every_kind_that_nothing_gives() -> None:
    """`Unread.rest` tells of all kinds but those that streams or `export` give, and those that the LMS lacks."""
    streams = (pages_stream(), Files(name="files", path="/courses/{course_id}/files"))
    told = Unread.rest(streams, what="Not read yet.", lacking=(Kind.BADGES,), by_hand=(Kind.GROUPS,))

    assert {each.kind for each in told} == set(Kind) - {Kind.PAGES, Kind.FILES, Kind.BADGES, Kind.GROUPS}
    assert {each.what for each in told} == {"Not read yet."}
    make_connector("http://127.0.0.1:9", *streams, unread=told)


@pytest.mark.parametrize("name", ["lacking", "by_hand"])
def test_what_a_stream_gives_is_not_lacking(name: str) -> None:
    """A kind that a stream gives cannot be one that the LMS lacks, nor one that is given by hand."""
    given: dict[str, Any] = {name: (Kind.PAGES,)}
    with pytest.raises(DeclarationError, match=f"{name}: a stream gives pages"):
        Unread.rest((pages_stream(),), what="Not read yet.", **given)
