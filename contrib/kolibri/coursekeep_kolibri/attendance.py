"""Attendance that coaches took."""

from __future__ import annotations

from coursekeep import Kind, Record
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.reading import Reading

__all__ = ["read_attendance"]


async def read_attendance(reading: Reading) -> Parts:
    """Yield every taking of attendance, and who was present."""
    ledger = reading.ledger
    sessions = await reading.all("/api/attendance/attendancesession/", {"collection": reading.id})
    yield reading.raw("attendance_sessions", sessions)
    ledger.expect(Kind.ACTIVITIES, len(sessions), "attendance")
    for session in sessions:
        reading.met(session.get("created_by"))
        for part in ledger.mapped(Kind.ACTIVITIES, session, _session):
            yield part
        records = await reading.all("/api/attendance/attendancerecord/", {"attendance_session": session["id"]})
        yield reading.raw("attendance_records", records)
        ledger.expect(Kind.RESPONSES, int(session.get("total_count") or 0), "attendance")
        for record in records:
            reading.met(record.get("user"))
            for part in ledger.mapped(Kind.RESPONSES, record, _record):
                yield part


def _session(item: Item) -> Record:
    data = {
        "type": "attendance",
        "open_at": item["session_start_datetime"],
        "extra": {key: item.get(key) for key in ("created_by", "date_created", "date_modified")},
    }
    return Record(kind=Kind.ACTIVITIES, id=str(item["id"]), data=data)


def _record(item: Item) -> Record:
    data = {
        "activity_id": str(item["attendance_session"]),
        "person_id": item["user"],
        "type": "attendance",
        "state": "present" if item["present"] else "absent",
    }
    return Record(kind=Kind.RESPONSES, id=str(item["id"]), data=data)
