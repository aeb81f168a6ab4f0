"""The gradebook: its items, and everybody's results."""

from __future__ import annotations

from typing import Any

from coursekeep import Gap, GapReason, Kind, Record
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, number, objects, pick, text

__all__ = ["grades"]

_FUNCTION = "gradereport_user_get_grade_items"
_ITEM = (
    "id", "itemname", "itemtype", "itemmodule", "iteminstance", "itemnumber", "idnumber", "categoryid", "outcomeid",
    "scaleid", "locked", "cmid", "weightraw", "grademin", "grademax",
)  # fmt: skip
_RESULT = (
    "graderaw", "gradeformatted", "gradedatesubmitted", "gradedategraded", "gradeishidden", "gradeislocked",
    "gradeisoverridden", "gradehiddenbydate", "lettergradeformatted", "percentageformatted", "feedback",
    "feedbackformat", "status", "weightformatted", "rank", "numusers",
)  # fmt: skip
#: what a gradebook has besides, and no web service gives
_UNTOLD = (
    (Kind.ASSIGNMENT_GROUPS, "no web service of Moodle's gives the tree of grade categories; course backups hold it"),
    (Kind.GRADE_HISTORY, "no web service of Moodle's gives the history of grades; course backups may hold it"),
)


async def grades(reading: Reading) -> Parts:
    """Yield the items of the gradebook as a setting, and one record for everybody in it."""
    reading.expect(Kind.GRADES, 0)
    body, reports = await reading.listing(_FUNCTION, {"courseid": reading.course.id, "userid": 0}, key="usergrades")
    for report in reports:
        yield reading.raw("grade_items", report, of=text(report.get("userid")))
    for part in reading.warned(body, Kind.GRADES):
        yield part
    items: dict[str, Json] = {}
    for report in reports:
        reading.refer(report.get("userid"), report.get("userfullname"))
        for part in reading.mapped(Kind.GRADES, report, _grade, of=text(report.get("userid"))):
            yield part
        for item in objects(report.get("gradeitems")):
            items.setdefault(text(item.get("id")) or "", pick(item, *_ITEM))
    if items:
        reading.expect(Kind.SETTINGS)
        yield Record(kind=Kind.SETTINGS, id="grade_items", data={"value": [items[key] for key in sorted(items)]})
        for kind, detail in _UNTOLD:
            yield Gap(kind=kind, reason=GapReason.NOT_OFFERED, id="gradebook", detail=detail, count=None)
    graded = {text(report.get("userid")) for report in reports}
    left_out = sorted(reading.students - graded)
    if left_out:
        reading.expect(Kind.GRADES, len(left_out), "enrolled students")
        detail = f"the gradebook tells nothing of {len(left_out)} enrolled people; for suspended ones the account needs"
        detail += f" moodle/course:viewsuspendedusers: {', '.join(left_out[:20])}"
        yield Gap(kind=Kind.GRADES, reason=GapReason.UNEXPLAINED, id="left_out", detail=detail, count=len(left_out))


def _grade(report: Json) -> Record:
    listed = objects(report.get("gradeitems"))
    total: Json = next((item for item in listed if item.get("itemtype") == "course"), {})
    results: list[dict[str, Any]] = [
        {"item_id": ident(item), **pick(item, *_RESULT)} for item in listed if item.get("itemtype") != "course"
    ]
    data = {
        "person_id": ident(report, "userid"),
        "final_score": number(total.get("graderaw")),
        "final_grade": _shown(total),
        "extra": {"items": results, "course": pick(total, *_RESULT)},
    }
    return Record(kind=Kind.GRADES, id=ident(report, "userid"), data=data)


def _shown(item: Json) -> str | None:
    """Return a grade as shown; a dash says that there is none."""
    found = text(item.get("gradeformatted"))
    return None if found in (None, "", "-") else found
