"""Assignments, quizzes and forums: what students did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coursekeep_campus.moodle.arguments import Field, Listed, Struct
from coursekeep_campus.moodle.call import Call, Function
from coursekeep_campus.moodle.errors import WsError, forbidden, missing
from coursekeep_campus.moodle.model import Activity, Doc

__all__ = ["FUNCTIONS"]


def _assignments(call: Call) -> Any:
    """Answer the assignments; of a course without enrolment only where that is asked for."""
    courses, warnings = [], []
    for course_id in call.args["courseids"]:
        course = call.site.courses.get(course_id)
        enrolled = course is not None and any(one.user_id == call.caller.user_id for one in course.enrolments)
        if course is None or not call.enters(course) or not (enrolled or call.args["includenotenrolledcourses"]):
            message = "User is not enrolled or does not have requested capability"
            warnings.append({"item": "course", "itemid": course_id, "warningcode": "2", "message": message})
            continue
        courses.append(
            {
                "id": course.id,
                "fullname": course.fullname,
                "shortname": course.shortname,
                "timemodified": course.timemodified,
                "assignments": [one.doc for one in course.of("assign") if one.visible or _hidden(call)],
            }
        )
    return {"courses": courses, "warnings": warnings}


def _hidden(call: Call) -> bool:
    return call.has("moodle/course:viewhiddenactivities")


def _submissions(call: Call) -> Any:
    """Answer the newest attempt of everybody. An unknown assignment is left out without a warning."""
    answer, warnings = [], []
    for number in call.args["assignmentids"]:
        found = call.site.activity("assign", number)
        if found is None:
            continue
        if not call.enters(found[0]) or not call.has("mod/assign:viewgrades"):
            message = "No access rights in module context"
            warnings.append({"item": "assignment", "itemid": number, "warningcode": "1", "message": message})
            continue
        docs = found[1].data["submissions"]
        if docs:
            answer.append({"assignmentid": number, "submissions": docs})
        else:
            warnings.append({"item": "module", "itemid": number, "warningcode": "3", "message": "No submissions found"})
    return {"assignments": answer, "warnings": warnings}


def _grades(call: Call) -> Any:
    answer, warnings = [], []
    for number in call.args["assignmentids"]:
        found = call.site.activity("assign", number)
        if found is None:
            continue
        if not call.enters(found[0]) or not call.has("mod/assign:viewgrades"):
            warnings.append({"item": "assignment", "itemid": number, "warningcode": "1", "message": "No access rights"})
        elif found[1].data["grades"]:
            answer.append({"assignmentid": number, "grades": found[1].data["grades"]})
        else:
            warnings.append({"item": "module", "itemid": number, "warningcode": "3", "message": "No grades found"})
    return {"assignments": answer, "warnings": warnings}


def _status(call: Call) -> Any:
    """Answer one user's standing, with feedback and earlier attempts."""
    _, activity = call.activity("assign", call.args["assignid"])
    call.need("mod/assign:viewgrades")
    user = call.args["userid"]
    status = activity.data["status"].get(user)
    return status or {"gradingsummary": None, "lastattempt": {"submission": None}, "warnings": []}


def _flags(call: Call) -> Any:
    found = [call.activity("assign", number)[1] for number in call.args["assignmentids"]]
    call.need("mod/assign:grade")
    flagged = [{"assignmentid": one.id, "userflags": one.data["flags"]} for one in found if one.data["flags"]]
    return {"assignments": flagged, "warnings": []}


def _mappings(call: Call) -> Any:
    found = [call.activity("assign", number)[1] for number in call.args["assignmentids"]]
    call.need("mod/assign:revealidentities")
    mapped = [{"assignmentid": one.id, "mappings": one.data["mappings"]} for one in found if one.data["mappings"]]
    return {"assignments": mapped, "warnings": []}


def _definitions(call: Call) -> Any:
    areas = []
    for course in call.site.courses.values():
        for one in course.of("assign"):
            if one.cmid in call.args["cmids"] and call.enters(course):
                found = [one.data["rubric"]] if "rubric" in one.data else []
                areas.append({"cmid": one.cmid, "areaname": "submissions", "activemethod": None, "definitions": found})
    return {"areas": areas, "warnings": []}


def _fillings(call: Call) -> Any:
    call.need("moodle/grade:managegradingforms")
    for course in call.site.courses.values():
        for one in course.of("assign"):
            if one.data.get("rubric", {}).get("id") == call.args["definitionid"]:
                return {"instances": one.data["fillings"], "warnings": []}
    raise missing("grading_definitions")


def _attempts(call: Call) -> Any:
    """Answer one user's attempts at a quiz."""
    _, activity = call.activity("quiz", call.args["quizid"])
    user = call.site.users.get(call.args["userid"])
    if user is None:
        raise WsError("invaliduser", "Invalid user")
    if user.deleted:
        raise WsError("userdeleted", "This user account has been deleted")
    if user.id != call.caller.user_id:
        call.need("mod/quiz:viewreports")
    docs = [doc for doc in activity.data["attempts"] if doc["userid"] == user.id]
    if not call.args["includepreviews"]:
        docs = [doc for doc in docs if not doc["preview"]]
    return {"attempts": docs, "warnings": []}


def _review(call: Call) -> Any:
    for course in call.site.courses.values():
        for quiz in course.of("quiz"):
            for doc in quiz.data["attempts"]:
                if doc["id"] == call.args["attemptid"]:
                    return _reviewed(call, quiz, doc)
    raise missing("quiz_attempts")


def _reviewed(call: Call, quiz: Activity, doc: Doc) -> Any:
    call.need("mod/quiz:viewreports")
    if doc["state"] != "finished":
        raise WsError("attemptclosed", "Attempt is still in progress")
    questions = quiz.data["reviews"][doc["id"]]
    return {
        "grade": str(doc["sumgrades"]),
        "attempt": doc,
        "additionaldata": [],
        "questions": questions,
        "warnings": [],
    }


def _discussions(call: Call) -> Any:
    """Answer the discussions of a forum. `id` is the first post, `discussion` the discussion."""
    _, activity = call.activity("forum", call.args["forumid"])
    call.need("mod/forum:viewdiscussion")
    if activity.doc["type"] == "qanda":
        call.need("mod/forum:viewqandawithoutposting")
    docs = activity.data["discussions"]
    if (size := call.args["perpage"]) > 0 and (page := call.args["page"]) >= 0:
        docs = docs[page * size : (page + 1) * size]
    return {"discussions": docs, "warnings": []}


def _posts(call: Call) -> Any:
    """Answer the posts of a discussion, newest first."""
    if call.args["includeinlineattachments"] is not None and call.options.version < "2021051700":
        raise WsError("invalidparameter", "Unexpected keys (includeinlineattachments)")
    for course in call.site.courses.values():
        for forum in course.of("forum"):
            posts = forum.data["posts"].get(call.args["discussionid"])
            if posts is not None:
                if not call.enters(course):
                    raise forbidden("mod/forum:viewdiscussion")
                return {"posts": list(reversed(posts)), "forumid": forum.id, "courseid": course.id, "warnings": []}
    raise missing("forum_discussions")


_IDS = Struct({"assignmentids": Listed(Field(int))})
_OF_ATTEMPTS = Struct(
    {
        "quizid": Field(int),
        "userid": Field(int, 0),
        "status": Field(str, "finished"),
        "includepreviews": Field(bool, False),
    }
)


def _functions() -> Iterable[Function]:
    yield Function(
        "mod_assign_get_assignments",
        Struct(
            {
                "courseids": Listed(Field(int), ()),
                "capabilities": Listed(Field(str), ()),
                "includenotenrolledcourses": Field(bool, False),
            }
        ),
        _assignments,
    )
    yield Function(
        "mod_assign_get_submissions",
        Struct(
            {
                "assignmentids": Listed(Field(int)),
                "status": Field(str, ""),
                "since": Field(int, 0),
                "before": Field(int, 0),
            }
        ),
        _submissions,
    )
    yield Function(
        "mod_assign_get_grades", Struct({"assignmentids": Listed(Field(int)), "since": Field(int, 0)}), _grades
    )
    yield Function(
        "mod_assign_get_submission_status",
        Struct({"assignid": Field(int), "userid": Field(int, 0), "groupid": Field(int, 0)}),
        _status,
    )
    yield Function("mod_assign_get_user_flags", _IDS, _flags)
    yield Function("mod_assign_get_user_mappings", _IDS, _mappings)
    yield Function(
        "core_grading_get_definitions",
        Struct({"cmids": Listed(Field(int)), "areaname": Field(str), "activeonly": Field(bool, False)}),
        _definitions,
    )
    yield Function(
        "core_grading_get_gradingform_instances",
        Struct({"definitionid": Field(int), "since": Field(int, 0)}),
        _fillings,
    )
    yield from _of_quizzes_and_forums()


def _of_quizzes_and_forums() -> Iterable[Function]:
    yield Function("mod_quiz_get_user_attempts", _OF_ATTEMPTS, _attempts)
    yield Function("mod_quiz_get_user_quiz_attempts", _OF_ATTEMPTS, _attempts)
    yield Function("mod_quiz_get_attempt_review", Struct({"attemptid": Field(int), "page": Field(int, -1)}), _review)
    yield Function(
        "mod_forum_get_forum_discussions",
        Struct(
            {
                "forumid": Field(int),
                "sortorder": Field(int, -1),
                "page": Field(int, -1),
                "perpage": Field(int, 0),
                "groupid": Field(int, 0),
            }
        ),
        _discussions,
    )
    yield Function(
        "mod_forum_get_discussion_posts",
        Struct(
            {
                "discussionid": Field(int),
                "sortby": Field(str, "created"),
                "sortdirection": Field(str, "DESC"),
                "includeinlineattachments": Field(bool, None),
            }
        ),
        _posts,
    )


FUNCTIONS = tuple(_functions())
