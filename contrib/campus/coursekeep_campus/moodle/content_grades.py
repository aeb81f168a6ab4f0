"""How it ended: the gradebook, completion, competencies and badges."""

from __future__ import annotations

from typing import Any

from coursekeep_campus.moodle.builder import Builder
from coursekeep_campus.moodle.model import Activity, Doc, MoodleCourse

__all__ = ["grade"]


def grade(builder: Builder) -> None:
    """Put every student's results into the gradebook; one of them was never graded."""
    course = builder.course
    course_item, manual = builder.id(), builder.id()
    assigns = [(one, builder.id()) for one in course.of("assign")]
    quizzes = [(one, builder.id()) for one in course.of("quiz")]
    for place, user in enumerate(_students(course)):
        items = [_item(builder, item, one.doc["name"], "mod", one, 50.0 + place) for one, item in assigns[:1]]
        items += [_item(builder, item, one.doc["name"], "mod", one, None) for one, item in [*assigns[1:], *quizzes]]
        items.append(_item(builder, manual, "Attendance", "manual", None, 5.0))
        items.append(_item(builder, course_item, None, "course", None, None if place == 7 else 70.0 + place))
        course.grades[user] = items
    _complete(builder)
    _rate(builder)


def _item(builder: Builder, item: int, name: str | None, type_: str, one: Activity | None, raw: float | None) -> Doc:
    found: dict[str, Any] = {
        "id": item,
        "itemname": name,
        "itemtype": type_,
        "itemmodule": one.modname if one else None,
        "iteminstance": one.id if one else builder.course.id,
        "itemnumber": 0,
        "idnumber": "",
        "categoryid": builder.course.id,
        "outcomeid": None,
        "scaleid": None,
        "locked": False,
        "graderaw": raw,
        "gradedatesubmitted": None,
        "gradedategraded": None if raw is None else builder.at(60),
        "gradehiddenbydate": False,
        "gradeneedsupdate": False,
        "gradeishidden": False,
        "gradeislocked": False,
        "gradeisoverridden": False,
        "gradeformatted": "-" if raw is None else f"{raw:.2f}",
        "grademin": 0,
        "grademax": 100,
        "rangeformatted": "0&ndash;100",
        "percentageformatted": "-" if raw is None else f"{raw:.2f} %",
        "feedback": "<p>Well done</p>" if raw else "",
        "feedbackformat": 1,
    }
    if one is not None:
        found["cmid"] = one.cmid
    return found


def _complete(builder: Builder) -> None:
    course = builder.course
    for place, user in enumerate(builder.students):
        course.statuses[user] = [
            {
                "cmid": one.cmid,
                "modname": one.modname,
                "instance": one.id,
                "state": int(place % 2 == 0),
                "timecompleted": builder.at(25) if place % 2 == 0 else 0,
                "tracking": 1,
                "overrideby": None,
                "valueused": False,
                "details": [],
            }
            for one in course.activities[:4]
        ]
        criterion = {"type": 4, "title": "Activity", "status": "Yes", "complete": True, "timecompleted": builder.at(26)}
        course.completions[user] = {"completed": place % 2 == 0, "aggregation": 1, "completions": [criterion]}
        if place == 0:
            badge = {"id": builder.id(), "name": "Diligent", "description": "Did everything", "courseid": course.id}
            rest = {"uniquehash": f"made-up-{user}", "dateissued": builder.at(70), "dateexpire": None, "status": 1}
            course.badges[user] = [{**badge, **rest, "issuerid": builder.id(), "visible": 1}]


def _rate(builder: Builder) -> None:
    """Rate students in two competencies, one below the other; every third of them was never rated."""
    course = builder.course
    framework, parent, child = builder.id(), builder.id(), builder.id()
    for place, (id_, above) in enumerate(((parent, 0), (child, parent))):
        about = {"shortname": f"Reasoning {place}", "idnumber": f"R-{place}", "description": "<p>To reason</p>"}
        rest = {"descriptionformat": 1, "sortorder": place, "parentid": above, "competencyframeworkid": framework}
        path = f"/0/{parent}/" if above else "/0/"
        unset = {"ruleoutcome": 0, "ruletype": None, "ruleconfig": None, "scaleid": None, "scaleconfiguration": None}
        made = {"timecreated": builder.at(0), "timemodified": builder.at(0), "usermodified": builder.teacher}
        competency = {"id": id_, **about, **rest, "path": path, **unset, **made}
        inside = {"id": builder.id(), "courseid": course.id, "competencyid": id_, "sortorder": place, "ruleoutcome": 1}
        course.competencies.append({"competency": competency, "coursecompetency": {**inside, **made}})
    for place, user in enumerate(_students(course)):
        grade = None if place % 3 == 2 else place % 2 + 1
        course.ratings[user] = [_rating(builder, user, id_, grade) for id_ in (parent, child)]


def _students(course: MoodleCourse) -> list[int]:
    return [one.user_id for one in course.enrolments if "student" in one.roles]


def _rating(builder: Builder, user: int, competency: int, grade: int | None) -> Doc:
    """Give a rating; one that nobody gave has no id of its own."""
    of = {"userid": user, "courseid": builder.course.id, "competencyid": competency}
    names = {"gradename": "-", "proficiencyname": "No"}
    if grade is not None:
        names = {"gradename": ("Not yet", "Competent")[grade - 1], "proficiencyname": ("No", "Yes")[grade - 1]}
    return {
        "id": 0 if grade is None else builder.id(),
        **of,
        "grade": grade,
        "proficiency": None if grade is None else grade == 2,
        "timecreated": builder.at(61),
        "timemodified": builder.at(61),
        "usermodified": builder.teacher,
        **names,
    }
