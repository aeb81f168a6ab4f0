"""A connector for Slate, a small made-up LMS. Copy it, and replace what Slate answers by what yours does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coursekeep import Connector, ConnectorSettings, Kind, hookimpl
from coursekeep.rest import Courses, Files, NextUrl, RestConnector, Stream, Terms

__all__ = ["Slate", "register_connectors"]


class Slate(RestConnector[ConnectorSettings]):
    """Reads courses out of Slate."""

    name = "slate"
    title = "Slate"
    paging = NextUrl("next")
    probe = "/api/me"
    term_list = Terms(path="/api/terms", key="items", fields={"id": "id", "name": "name", "end_at": "end"})
    course_list = Courses(
        path="/api/courses",
        key="items",
        one="/api/courses/{course_id}",
        fields={"id": "id", "name": "name", "term_id": "term", "end_at": "end"},
    )
    streams = (
        Stream(
            name="people",
            path="/api/courses/{course_id}/people",
            key="items",
            kind=Kind.PEOPLE,
            fields={"name": "name", "email": "mail"},
        ),
        Stream(
            name="members",
            path="/api/courses/{course_id}/members",
            key="items",
            kind=Kind.ENROLLMENTS,
            fields={"person_id": "person", "role": "role", "state": "state"},
        ),
        Stream(
            name="pages",
            path="/api/courses/{course_id}/pages",
            key="items",
            kind=Kind.PAGES,
            fields={"title": "title", "body_html": "html", "updated_at": "changed"},
        ),
        Files(name="files", path="/api/courses/{course_id}/files", key="items", size="size"),
    )


@hookimpl
def register_connectors() -> Sequence[type[Connector[Any]]]:
    """Give the connector to Coursekeep."""
    return [Slate]
