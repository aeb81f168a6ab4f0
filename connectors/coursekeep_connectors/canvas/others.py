"""Calendar and outcomes."""

from __future__ import annotations

from contextlib import aclosing

from coursekeep import Kind, Record
from coursekeep_connectors.canvas.reading import Params, Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, objects, pick, text

__all__ = ["calendar", "outcome_results", "outcomes"]


async def calendar(reading: Reading) -> Parts:
    """Yield the course's events of all times and those without a date.

    Canvas's default window is today. Events of type `assignment` are only the assignments' dates again.
    """
    reading.expect(Kind.CALENDAR_EVENTS, 0)
    seen: set[str] = set()
    common: Params = (("type", "event"), ("context_codes[]", f"course_{reading.course.id}"))
    for window in (("all_events", "true"), ("undated", "true")):
        async for raw, items in reading.pages("/api/v1/calendar_events", [*common, window], endpoint="calendar_events"):
            fresh = [item for item in items if str(item.get("id")) not in seen]
            seen.update(str(item.get("id")) for item in fresh)
            yield reading.raw("calendar_events", fresh) if len(fresh) != len(items) else raw
            for item in fresh:
                for part in reading.mapped(Kind.CALENDAR_EVENTS, item, _event):
                    yield part


def _event(item: Json) -> Record:
    code = text(item.get("context_code")) or ""
    data = {
        "title": text(item.get("title")),
        "description_html": text(item.get("description")),
        "type": text(item.get("type")) or "event",
        "start_at": item.get("start_at"),
        "end_at": item.get("end_at"),
        "all_day": item.get("all_day"),
        "location": text(item.get("location_name")),
        "section_id": code.removeprefix("course_section_") if code.startswith("course_section_") else None,
        "state": text(item.get("workflow_state")),
        "extra": pick(item, "location_address", "all_day_date", "child_events", "context_code", "series_uuid", "rrule"),
    }
    return Record(kind=Kind.CALENDAR_EVENTS, id=ident(item), data=data)


async def outcomes(reading: Reading) -> Parts:
    """Yield outcome groups and the outcomes linked into them. Their ids are counted separately in Canvas."""
    url = f"{reading.base}/outcome_groups"
    async with aclosing(reading.listed(Kind.OUTCOMES, url, _group, endpoint="outcome_groups")) as parts:
        async for part in parts:
            yield part
    seen: set[str] = set()
    links = f"{reading.base}/outcome_group_links"
    params = [("outcome_style", "full")]
    async for raw, items in reading.pages(links, params, endpoint="outcome_links"):
        yield raw
        for item in items:
            outcome = item.get("outcome")
            key = str(outcome.get("id")) if isinstance(outcome, dict) else None
            if key in seen:
                continue
            seen.add(str(key))
            for part in reading.mapped(Kind.OUTCOMES, item, _outcome):
                yield part


def _group(item: Json) -> Record:
    parent = item.get("parent_outcome_group")
    data = {
        "node": "group",
        "parent_id": f"group-{ident(parent)}" if isinstance(parent, dict) else None,
        "title": text(item.get("title")),
        "description_html": text(item.get("description")),
    }
    return Record(kind=Kind.OUTCOMES, id=f"group-{ident(item)}", data=data)


def _outcome(link: Json) -> Record:
    item, group = link["outcome"], link.get("outcome_group")
    data = {
        "node": "outcome",
        "parent_id": f"group-{ident(group)}" if isinstance(group, dict) else None,
        "title": text(item.get("title")),
        "description_html": text(item.get("description")),
        "points_possible": item.get("points_possible"),
        "mastery_points": item.get("mastery_points"),
        "ratings": objects(item.get("ratings")),
        "extra": pick(
            item, "display_name", "calculation_method", "calculation_int", "vendor_guid", "friendly_description"
        ),
    }
    return Record(kind=Kind.OUTCOMES, id=f"outcome-{ident(item)}", data=data)


async def outcome_results(reading: Reading) -> Parts:
    """Yield every result."""
    url = f"{reading.base}/outcome_results"
    async with aclosing(
        reading.listed(Kind.OUTCOME_RESULTS, url, _result, endpoint="outcome_results", key="outcome_results")
    ) as parts:
        async for part in parts:
            yield part


def _result(item: Json) -> Record:
    links = item.get("links") if isinstance(item.get("links"), dict) else {}
    assert links is not None
    outcome_id = text(links.get("learning_outcome"))
    data = {
        "outcome_id": f"outcome-{outcome_id}" if outcome_id else None,
        "person_id": text(links.get("user")),
        "score": item.get("score"),
        "mastery": item.get("mastery"),
        "assessed_at": item.get("submitted_or_assessed_at"),
        "extra": pick(item, "percent", "hidden", "hide_points", "possible") | pick(links, "alignment", "assignment"),
    }
    return Record(kind=Kind.OUTCOME_RESULTS, id=ident(item), data=data)
