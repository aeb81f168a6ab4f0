"""People, groups, grades, completion, competencies and badges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coursekeep_campus.moodle.arguments import Field, Listed, Struct
from coursekeep_campus.moodle.call import Call, Function
from coursekeep_campus.moodle.errors import WsError, invalid
from coursekeep_campus.moodle.model import Doc, Enrolment, MoodleCourse, User

__all__ = ["FUNCTIONS"]

_ROLES = {"manager": 1, "editingteacher": 3, "teacher": 4, "student": 5}


def _user(call: Call, user: User) -> Doc:
    doc: Doc = {"id": user.id, "fullname": user.fullname, "firstname": user.firstname, "lastname": user.lastname}
    if call.has("moodle/site:viewuseridentity"):
        doc |= {"username": user.username, "email": user.email, "idnumber": user.idnumber}
    return {key: value for key, value in doc.items() if value}


def _enrolled(call: Call) -> Any:
    """Answer enrolled people, suspended ones too, with nothing that tells them apart."""
    course = call.course(call.args["courseid"])
    options = {option["name"]: option["value"] for option in call.args["options"]}
    if int(options.get("onlyactive", 0)) or int(options.get("onlysuspended", 0)):
        call.need("moodle/course:enrolreview")
    if "onlysuspended" in options and call.options.version < "2021051700":
        raise invalid("onlysuspended is no option")
    enrolments = [one for one in course.enrolments if _meets(one, options)]
    if not call.has("moodle/course:viewparticipants"):
        return []
    if options.get("sortby") == "id":
        enrolments.sort(key=lambda one: one.user_id)
    first, most = int(options.get("limitfrom", 0)), int(options.get("limitnumber", 0))
    enrolments = enrolments[first : first + most] if most else enrolments[first:]
    wanted = {field.strip() for field in options.get("userfields", "").split(",")} - {""}
    users = [(one, call.site.users[one.user_id]) for one in enrolments]
    return [_participant(call, course, one, user, wanted) for one, user in users if not user.deleted]


def _meets(one: Enrolment, options: dict[str, str]) -> bool:
    if int(options.get("onlyactive", 0)) and one.suspended:
        return False
    return not (int(options.get("onlysuspended", 0)) and not one.suspended)


def _participant(call: Call, course: MoodleCourse, one: Enrolment, user: User, wanted: set[str]) -> Doc:
    groups = [group for group in course.groups if one.user_id in course.members.get(group["id"], ())]
    doc = {
        **_user(call, user),
        "lastcourseaccess": course.enddate - 86_400 if not one.suspended else 0,
        "roles": [{"roleid": _ROLES[r], "name": r, "shortname": r, "sortorder": 0} for r in one.roles],
        "groups": [{"id": group["id"], "name": group["name"], "description": ""} for group in groups],
        "enrolledcourses": [{"id": course.id, "fullname": course.fullname, "shortname": course.shortname}],
    }
    return {key: value for key, value in doc.items() if not wanted or key in wanted | {"id", "fullname"}}


def _users(call: Call) -> Any:
    if call.args["field"] != "id":
        raise invalid("only ids are asked for here")
    users = (call.site.users.get(int(value)) for value in call.args["values"])
    return [_user(call, user) for user in users if user is not None and not user.deleted]


def _groups(call: Call) -> Any:
    course = call.course(call.args["courseid"])
    call.need("moodle/course:managegroups")
    return course.groups


def _members(call: Call) -> Any:
    call.need("moodle/course:managegroups")
    courses = call.site.courses.values()
    return [
        {"groupid": group, "userids": users}
        for course in courses
        for group, users in course.members.items()
        if group in call.args["groupids"]
    ]


def _groupings(call: Call) -> Any:
    course = call.course(call.args["courseid"])
    call.need("moodle/course:managegroups")
    return [{key: value for key, value in doc.items() if key != "groups"} for doc in course.groupings]


def _groupings_whole(call: Call) -> Any:
    call.need("moodle/course:managegroups")
    wanted, with_groups = call.args["groupingids"], call.args["returngroups"]
    docs = [doc for course in call.site.courses.values() for doc in course.groupings if doc["id"] in wanted]
    return [{key: value for key, value in doc.items() if with_groups or key != "groups"} for doc in docs]


def _grades(call: Call) -> Any:
    """Answer the grade items of everybody; suspended people only to those who may see them."""
    course = call.course(call.args["courseid"], wrapped=False)
    call.need("gradereport/user:view")
    call.need("moodle/grade:viewall")
    hidden = {one.user_id for one in course.enrolments if one.suspended}
    if call.has("moodle/course:viewsuspendedusers"):
        hidden = set()
    asked = call.args["userid"]
    users = [one.user_id for one in course.enrolments if one.user_id in course.grades and one.user_id not in hidden]
    report = [
        {
            "courseid": course.id,
            "courseidnumber": course.idnumber,
            "userid": user,
            "userfullname": call.site.users[user].fullname,
            "useridnumber": call.site.users[user].idnumber,
            "maxdepth": 2,
            "gradeitems": course.grades[user],
        }
        for user in users
        if not asked or user == asked
    ]
    return {"usergrades": report, "warnings": []}


def _statuses(call: Call) -> Any:
    course = call.course(call.args["courseid"])
    call.need("report/progress:view")
    return {"statuses": course.statuses.get(call.args["userid"], []), "warnings": []}


def _completion(call: Call) -> Any:
    course = call.course(call.args["courseid"])
    if not course.completions:
        raise WsError("nocriteriaset", "No completion criteria set for this course")
    if call.args["userid"] not in course.completions:
        raise WsError("usernotenroled", "User is not enrolled in this course")
    call.need("report/completion:view")
    return {"completionstatus": course.completions[call.args["userid"]], "warnings": []}


def _badges(call: Call) -> Any:
    course = call.course(call.args["courseid"])
    call.need("moodle/badges:viewotherbadges")
    return {"badges": course.badges.get(call.args["userid"], []), "warnings": []}


def _competencies(call: Call) -> Any:
    """Answer the competencies of a course; another number of the course than all other functions take."""
    _need_competencies(call)
    course = call.course(call.args["id"])
    call.need("moodle/competency:coursecompetencyview")
    return course.competencies


def _ratings(call: Call) -> Any:
    """Answer one student's ratings in all competencies of the course, those that nobody gave too."""
    _need_competencies(call)
    course = call.course(call.args["courseid"])
    user = call.args["userid"]
    if not any(one.user_id == user and "student" in one.roles for one in course.enrolments):
        raise WsError("codingerror", "Coding error detected: invaliduser", "core\\exception\\coding_exception")
    call.need("moodle/competency:coursecompetencyview")
    call.need("moodle/competency:usercompetencyview")
    rows = [{"usercompetencycourse": rating, "competency": {}} for rating in course.ratings.get(user, [])]
    return {"courseid": course.id, "user": {"id": user}, "usercompetencies": rows, "pushratingstouserplans": True}


def _need_competencies(call: Call) -> None:
    if not call.options.competencies:
        raise WsError("competenciesarenotenabled", "Competencies are not enabled.")


def _notes(call: Call) -> Any:
    course = call.course(call.args["courseid"])
    call.need("moodle/notes:view")
    return {
        "sitenotes": [],
        "coursenotes": course.notes,
        "personalnotes": [],
        "canmanagesystemnotes": False,
        "warnings": [],
    }


_COURSE = Struct({"courseid": Field(int)})
_OF_USER = Struct({"courseid": Field(int), "userid": Field(int)})
_PAIR = Struct({"name": Field(str), "value": Field(str)})


def _functions() -> Iterable[Function]:
    yield Function(
        "core_enrol_get_enrolled_users", Struct({"courseid": Field(int), "options": Listed(_PAIR, ())}), _enrolled
    )
    yield Function("core_user_get_users_by_field", Struct({"field": Field(str), "values": Listed(Field(str))}), _users)
    yield Function("core_group_get_course_groups", _COURSE, _groups)
    yield Function("core_group_get_group_members", Struct({"groupids": Listed(Field(int))}), _members)
    yield Function("core_group_get_course_groupings", _COURSE, _groupings)
    yield Function(
        "core_group_get_groupings",
        Struct({"groupingids": Listed(Field(int)), "returngroups": Field(bool, False)}),
        _groupings_whole,
    )
    yield Function(
        "gradereport_user_get_grade_items",
        Struct({"courseid": Field(int), "userid": Field(int, 0), "groupid": Field(int, 0)}),
        _grades,
    )
    yield Function("core_completion_get_activities_completion_status", _OF_USER, _statuses)
    yield Function("core_completion_get_course_completion_status", _OF_USER, _completion)
    yield Function(
        "core_badges_get_user_badges",
        Struct(
            {
                "userid": Field(int, 0),
                "courseid": Field(int, 0),
                "page": Field(int, 0),
                "perpage": Field(int, 0),
                "search": Field(str, ""),
                "onlypublic": Field(bool, False),
            }
        ),
        _badges,
    )
    yield Function("core_competency_list_course_competencies", Struct({"id": Field(int)}), _competencies)
    yield Function(
        "report_competency_data_for_report",
        Struct({"courseid": Field(int), "userid": Field(int), "moduleid": Field(int)}),
        _ratings,
    )
    yield Function("core_notes_get_course_notes", Struct({"courseid": Field(int), "userid": Field(int, 0)}), _notes)


FUNCTIONS = tuple(_functions())
