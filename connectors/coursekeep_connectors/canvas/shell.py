"""The course itself and its configuration: settings, tabs, late policy, grading, gradebook columns, tools."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from coursekeep import Kind, MalformedAnswer, NotFound, Record, Unavailable
from coursekeep_connectors.canvas.reading import Params, Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident

__all__ = ["COURSE_INCLUDES", "configuration", "gradebook_columns", "shell"]

COURSE_INCLUDES = (
    "syllabus_body", "term", "account", "concluded", "total_students", "storage_quota_used_mb", "public_description",
    "course_image", "banner_image", "tabs",
)  # fmt: skip

#: name of the setting and the endpoint: parameters, and the key of lists that are wrapped
_LISTS: dict[str, tuple[str, Params, str | None]] = {
    "tabs": ("tabs", (), None),
    "features_enabled": ("features/enabled", (), None),
    "grading_periods": ("grading_periods", (), "grading_periods"),
    "grading_standards": ("grading_standards", (), None),
    "external_tools": ("external_tools", (), None),
    "collaborations": ("collaborations", (), None),
    "conferences": ("conferences", (), "conferences"),
    "blueprint_subscriptions": ("blueprint_subscriptions", (), None),
}
_OBJECTS = ("settings", "late_policy")


async def shell(reading: Reading, item: Json) -> Parts:
    """Yield the course as Canvas describes it, the syllabus apart."""
    yield reading.raw("course", item)
    yield _setting(reading, "course", {key: value for key, value in item.items() if key != "syllabus_body"})
    if item.get("syllabus_body"):
        yield _setting(reading, "syllabus", {"body_html": item["syllabus_body"]})


async def configuration(reading: Reading) -> Parts:
    """Yield the parts of the configuration; one that a course does not have is left out."""
    for name in _OBJECTS:
        async with aclosing(reading.guarded(_object(reading, name), Kind.SETTINGS, of=name, count=0)) as parts:
            async for part in parts:
                yield part
    for name in _LISTS:
        async with aclosing(reading.guarded(_list(reading, name), Kind.SETTINGS, of=name, count=0)) as parts:
            async for part in parts:
                yield part


async def _object(reading: Reading, name: str) -> Parts:
    try:
        found = await reading.get(f"{reading.base}/{name}")
    except (NotFound, Unavailable):
        return
    yield reading.raw(name, found, of=name)
    yield _setting(reading, name, found.get(name, found))


async def _list(reading: Reading, name: str) -> Parts:
    path, params, key = _LISTS[name]
    found: list[Any] = []
    number = 0
    try:
        # Features are plain names, not objects, so this does not go through Reading.pages.
        async for page in reading.client.pages(f"{reading.base}/{path}", params, key=key):
            number += 1
            found.extend(page.items)
            yield reading.raw(name, page.items, of=f"{name}-{number}")
    except (NotFound, Unavailable):
        return
    yield _setting(reading, name, found)


async def gradebook_columns(reading: Reading) -> Parts:
    """Yield the gradebook's own columns with what is written in them."""
    url = f"{reading.base}/custom_gradebook_columns"
    columns: list[Json] = []
    try:
        async for raw, items in reading.pages(url, [("include_hidden", "true")], endpoint="custom_gradebook_columns"):
            yield raw
            columns.extend(items)
    except (NotFound, Unavailable):
        return
    for column in columns:
        column["data"] = []
        column_id = ident(column)
        async for raw, items in reading.pages(
            f"{url}/{column_id}/data",
            [("include_hidden", "true")],
            endpoint="custom_gradebook_data",
            of=column_id,
            once=False,
        ):
            yield raw
            column["data"].extend(items)
    if columns:
        yield _setting(reading, "custom_gradebook_columns", columns)


def _setting(reading: Reading, name: str, value: Any) -> Record:
    if not isinstance(value, dict | list):
        raise MalformedAnswer(f"the course's {name} are neither object nor list")
    reading.expect(Kind.SETTINGS)
    return Record(kind=Kind.SETTINGS, id=name, data={"value": value})
