"""The course's own calendar, and notes that teachers keep about students."""

from __future__ import annotations

from datetime import timedelta

from coursekeep import Kind, Record
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, objects, pick, text, truth, whole

__all__ = ["events", "notes"]


async def events(reading: Reading) -> Parts:
    """Yield the events of the course, hidden ones too."""
    reading.expect(Kind.CALENDAR_EVENTS, 0)
    options = {"userevents": False, "siteevents": False, "ignorehidden": False}
    arguments = {"events": {"courseids": [reading.course.id]}, "options": options}
    body, items = await reading.listing("core_calendar_get_calendar_events", arguments, key="events")
    yield reading.raw("calendar_events", items)
    for part in reading.warned(body, Kind.CALENDAR_EVENTS):
        yield part
    for item in items:
        if text(item.get("courseid")) == reading.course.id:
            reading.refer(item.get("userid"))
            for part in reading.mapped(Kind.CALENDAR_EVENTS, item, _event):
                yield part


def _event(item: Json) -> Record:
    begins = moment(item.get("timestart"))
    lasts = whole(item.get("timeduration"))
    visible = truth(item.get("visible"))
    data = {
        "title": text(item.get("name")),
        "description_html": text(item.get("description")),
        "type": text(item.get("eventtype")),
        "start_at": begins,
        "end_at": begins + timedelta(seconds=lasts) if begins and lasts else None,
        "location": text(item.get("location")) or None,
        "state": None if visible is None else "visible" if visible else "hidden",
        "extra": pick(item, "modulename", "instance", "groupid", "userid", "repeatid", "timemodified"),
    }
    return Record(kind=Kind.CALENDAR_EVENTS, id=ident(item), data=data)


async def notes(reading: Reading) -> Parts:
    """Yield the notes about people of this course, as one setting; the account's own private notes are left out."""
    found = await reading.call("core_notes_get_course_notes", {"courseid": reading.course.id, "userid": 0})
    for part in reading.warned(found, Kind.SETTINGS):
        yield part
    value = objects(found.get("coursenotes"))
    for note in value:
        reading.refer(note.get("userid"))
        reading.refer(note.get("usermodified"))
    if value:
        yield reading.raw("notes", value)
        reading.expect(Kind.SETTINGS)
        yield Record(kind=Kind.SETTINGS, id="notes", data={"value": value})
