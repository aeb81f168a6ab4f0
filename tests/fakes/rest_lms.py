"""A small LMS by script, and connectors that declare what a test wants of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fakes.scripted_server import Answer, ScriptedServer, answer_json
from pydantic import SecretStr

from coursekeep import NO_RETRY, ConnectorSettings, Kind
from coursekeep.rest import Courses, Endpoint, NextUrl, RestConnector, Stream
from coursekeep.testing import Export, collect

__all__ = ["COURSE", "adds_up", "export_of", "listing", "make_connector", "pages_stream", "serve_course"]

COURSE = {"id": 1, "name": "Botany", "end": "2026-01-31T00:00:00Z"}

COURSES = Courses(
    path="/courses", key="items", one="/courses/{course_id}", fields={"id": "id", "name": "name", "end_at": "end"}
)


def make_connector(url: str, *streams: Endpoint, **declared: Any) -> RestConnector[ConnectorSettings]:
    """Make a connector to an LMS at `url` with these streams; `declared` replaces other declarations."""
    body = {"name": "small", "title": "Small", "paging": NextUrl("next?"), "course_list": COURSES, "streams": streams}
    cls = type("Small", (RestConnector,), {**body, **declared})
    made: RestConnector[ConnectorSettings] = cls(
        ConnectorSettings(base_url=url, token=SecretStr("made-up")), retry=NO_RETRY
    )
    return made


def pages_stream(**more: Any) -> Stream:
    """Declare a list of pages."""
    declared: dict[str, Any] = {
        "name": "pages",
        "path": "/courses/{course_id}/pages",
        "key": "items",
        "kind": Kind.PAGES,
        "fields": {"title": "title"},
    }
    return Stream(**{**declared, **more})


def listing(*items: Any, following: str | None = None, **more: Any) -> Answer:
    """Answer with one page of a list."""
    return answer_json({"items": list(items), "next": following, **more})


def serve_course(server: ScriptedServer, course: dict[str, Any] | None = None) -> None:
    """Let the server know a course."""
    found = course or COURSE
    server.on("/courses", listing(found))
    server.on(f"/courses/{found['id']}", answer_json(found))


def export_of(connector: RestConnector[Any], course_id: str = "1") -> Export:
    """Export a course into memory."""

    async def main() -> Export:
        async with connector:
            course = await connector.course(course_id)
            assert course is not None
            return await collect(connector, course)

    return asyncio.run(main())


def adds_up(export: Export, kinds: Sequence[Kind]) -> bool:
    """Tell whether expected is captured and gaps, for kinds without gaps of unknown size."""
    for kind in kinds:
        expected = [each.count for each in export.expected if each.kind is kind]
        gaps = [gap.count for gap in export.gaps_of(kind)]
        if not expected or sum(expected) != export.captured(kind) + sum(count or 0 for count in gaps):
            return False
    return True
