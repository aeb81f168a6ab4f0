"""The site, its categories and courses, and what a course holds."""

from __future__ import annotations

from html import escape
from typing import Any

from coursekeep_campus.moodle.arguments import Field, Listed, Struct
from coursekeep_campus.moodle.call import Call, Function
from coursekeep_campus.moodle.errors import forbidden, invalid, not_enterable
from coursekeep_campus.moodle.model import ORIGIN, Activity, Doc, MoodleCourse

__all__ = ["FUNCTIONS"]

_PUBLIC = ("id", "fullname", "displayname", "shortname", "categoryid", "categoryname", "summary", "summaryformat",
           "summaryfiles", "overviewfiles", "contacts", "enrollmentmethods", "customfields")  # fmt: skip
_MANAGERS = ("idnumber", "timecreated", "timemodified")


def _info(call: Call) -> Any:
    return {
        "sitename": "Example Moodle",
        "username": call.caller.name,
        "userid": call.caller.user_id,
        "siteurl": ORIGIN,
        "functions": [{"name": name, "version": call.options.version} for name in call.functions],
        "downloadfiles": int(call.caller.downloads),
        "uploadfiles": 1,
        "release": call.options.release,
        "version": call.options.version,
        "userprivateaccesskey": "5ecretprivatekey0000000000000001",
        "userissiteadmin": False,
        "siteid": 1,
    }


def _categories(call: Call) -> Any:
    """Answer all categories that the caller may see, or those that meet the criteria."""
    docs = []
    for category in call.site.categories.values():
        if not category.visible and not call.has("moodle/category:viewhiddencategories"):
            continue
        doc = {
            "id": category.id,
            "name": escape(category.name) if not call.raw else category.name,
            "description": "",
            "descriptionformat": 1,
            "parent": category.parent,
            "sortorder": category.id * 10_000,
            "coursecount": sum(course.category == category.id for course in call.site.courses.values()),
            "depth": _path(call, category.id).count("/"),
            "path": _path(call, category.id),
        }
        if call.has("moodle/category:manage"):
            doc |= {"idnumber": category.idnumber, "visible": category.visible, "timemodified": call.site.now}
        docs.append(doc)
    return docs


def _path(call: Call, category_id: int) -> str:
    parts: list[str] = []
    while category_id:
        parts.append(str(category_id))
        category_id = call.site.categories[category_id].parent
    return "/" + "/".join(reversed(parts))


def _doc(call: Call, course: MoodleCourse) -> Doc:
    """Return a course as it is described to somebody who manages it."""
    category = call.site.categories[course.category]
    named = (lambda text: text) if call.raw else escape
    return {
        "id": course.id,
        "shortname": named(course.shortname),
        "categoryid": course.category,
        "categoryname": named(category.name),
        "categorysortorder": course.id,
        "fullname": named(course.fullname),
        "displayname": named(course.fullname),
        "idnumber": course.idnumber,
        "summary": f"<p>About {named(course.fullname)}</p>",
        "summaryformat": 1,
        "summaryfiles": [],
        "overviewfiles": [],
        "contacts": [],
        "enrollmentmethods": ["manual"],
        "customfields": course.customfields,
        "format": "topics",
        "showgrades": 1,
        "newsitems": 5,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "visible": course.visible,
        "groupmode": 0,
        "enablecompletion": course.completion,
        "lang": "",
        "theme": "",
        "timecreated": course.timecreated,
        "timemodified": course.timemodified,
        "courseformatoptions": [{"name": "hiddensections", "value": 1}],
    }


def _shown(call: Call, course: MoodleCourse) -> Doc:
    doc = _doc(call, course)
    if not call.enters(course):
        return {key: doc[key] for key in _PUBLIC}
    if not call.has("moodle/course:update"):
        return {key: value for key, value in doc.items() if key not in _MANAGERS}
    return doc


def _courses(call: Call) -> Any:
    """Answer full records, in no order. One course that may not be seen fails the whole call."""
    ids = call.args["options"]["ids"]
    wanted = [call.site.courses[one] for one in ids if one in call.site.courses]
    if not ids:
        wanted = sorted(call.site.courses.values(), key=lambda course: (course.id * 7919) % 101)
    docs = []
    for course in wanted:
        if not call.enters(course):
            raise not_enterable(course.id)
        if not call.has("moodle/course:view"):
            raise forbidden("View courses without participation")
        docs.append(_shown(call, course))
    if not ids:
        front = {"id": 1, "shortname": "Front", "fullname": "Example Moodle", "categoryid": 0, "format": "site"}
        docs.insert(1, front | {"startdate": 0, "enddate": 0, "visible": 1, "numsections": 1})
    return docs


def _by_field(call: Call) -> Any:
    """Answer what may be seen, and leave out the rest without a word."""
    field, value = call.args["field"], call.args["value"]
    found = []
    for course in call.site.courses.values():
        facts = {
            "": "",
            "id": str(course.id),
            "shortname": course.shortname,
            "idnumber": course.idnumber,
            "category": str(course.category),
        }
        if field == "ids":
            matches = str(course.id) in value.split(",")
        elif field in facts:
            matches = not field or facts[field] == value
        else:
            raise invalid("Invalid field name")
        if matches and call.sees(course):
            found.append(_shown(call, course))
    return {"courses": found, "warnings": []}


def _mine(call: Call) -> Any:
    courses = call.site.courses.values()
    mine = [c for c in courses if any(one.user_id == call.args["userid"] for one in c.enrolments) and call.sees(c)]
    keys = ("id", "shortname", "fullname", "displayname", "idnumber", "visible", "format", "startdate", "enddate")
    return [{key: _doc(call, course)[key] for key in keys} | {"category": course.category} for course in mine]


def _contents(call: Call) -> Any:
    """Answer the sections with their modules; what is hidden from the caller is missing."""
    course = call.course(call.args["courseid"])
    options = {option["name"]: option["value"] for option in call.args["options"]}
    if unknown := set(options) - {"excludemodules", "excludecontents", "includestealthmodules", "sectionid", "cmid"}:
        raise invalid(f"{unknown} are no options")
    answer = []
    for section in course.sections:
        if not section["visible"] and not call.has("moodle/course:viewhiddensections"):
            continue
        modules = []
        for activity in course.activities:
            if activity.section == section["id"] and "excludemodules" not in options:
                if not activity.visible and not call.has("moodle/course:viewhiddenactivities"):
                    continue
                modules.append(_module(call, activity, without="excludecontents" in options))
        answer.append({**section, "modules": modules})
    return answer


def _module(call: Call, activity: Activity, *, without: bool) -> Doc:
    doc: Doc = {
        "id": activity.cmid,
        "url": f"{ORIGIN}/mod/{activity.modname}/view.php?id={activity.cmid}",
        "name": activity.doc["name"] if call.raw else escape(activity.doc["name"]),
        "instance": activity.id,
        "visible": activity.visible,
        "uservisible": activity.uservisible,
        "visibleoncoursepage": 1,
        "modname": activity.modname,
        "modplural": f"{activity.modname}s",
        "availability": None,
        "indent": 0,
        "customdata": '""',
        "completion": 1,
        "dates": [],
    }
    if call.options.version >= "2020110900":
        doc["contextid"] = activity.context
    if not activity.uservisible:
        doc["availabilityinfo"] = "Not available unless: <b>you</b> belong to a group"
    if activity.modname == "label":
        doc.pop("url")
        doc["description"] = activity.doc["intro"]
    if activity.contents is not None and activity.uservisible and not without:
        doc["contents"] = activity.contents
        sizes = [item.get("filesize") or 0 for item in activity.contents]
        doc["contentsinfo"] = {"filescount": len(sizes), "filessize": sum(sizes), "lastmodified": 0, "mimetypes": []}
    return doc


def _backups(call: Call) -> Any:
    """Answer the files of a file area: only course backups are looked for here."""
    args = call.args
    course = call.site.courses.get(args["instanceid"])
    if course is None or args["contextlevel"] != "course" or args["component"] != "backup":
        return {"parents": [], "files": []}
    if not call.enters(course):
        raise not_enterable(course.id)
    for capability in ("moodle/restore:viewautomatedfilearea", "moodle/backup:downloadfile"):
        call.need(capability)
    files = [
        {
            "contextid": 900_000 + course.id,
            "component": "backup",
            "filearea": backup.area,
            "itemid": 0,
            "filepath": "/",
            "filename": backup.filename,
            "isdir": False,
            "url": f"{ORIGIN}/pluginfile.php/{backup.file.path}",
            "timemodified": backup.timemodified,
            "filesize": backup.file.content.size,
        }
        for backup in course.backups
        if backup.area == args["filearea"]
    ]
    return {"parents": [], "files": files}


def _events(call: Call) -> Any:
    ids = call.args["events"]["courseids"]
    return {"events": [doc for one in ids for doc in call.course(one).events], "warnings": []}


_TEXT = Field(str, "")
_PAIR = Struct({"name": Field(str), "value": Field(str)})

FUNCTIONS = (
    Function("core_webservice_get_site_info", Struct({"serviceshortnames": Listed(Field(str), ())}), _info),
    Function(
        "core_course_get_categories",
        Struct(
            {
                "criteria": Listed(Struct({"key": Field(str), "value": Field(str)}), ()),
                "addsubcategories": Field(bool, True),
            }
        ),
        _categories,
    ),
    Function(
        "core_course_get_courses", Struct({"options": Struct({"ids": Listed(Field(int), ())}, {"ids": ()})}), _courses
    ),
    Function("core_course_get_courses_by_field", Struct({"field": _TEXT, "value": _TEXT}), _by_field),
    Function(
        "core_enrol_get_users_courses", Struct({"userid": Field(int), "returnusercount": Field(bool, True)}), _mine
    ),
    Function("core_course_get_contents", Struct({"courseid": Field(int), "options": Listed(_PAIR, ())}), _contents),
    Function(
        "core_files_get_files",
        Struct(
            {
                "contextid": Field(int),
                "component": Field(str),
                "filearea": Field(str),
                "itemid": Field(int),
                "filepath": Field(str),
                "filename": Field(str),
                "modified": Field(int, None),
                "contextlevel": Field(str, None),
                "instanceid": Field(int, None),
            }
        ),
        _backups,
    ),
    Function(
        "core_calendar_get_calendar_events",
        Struct(
            {
                "events": Struct({"courseids": Listed(Field(int), ()), "eventids": Listed(Field(int), ())}),
                "options": Struct(
                    {
                        "userevents": Field(bool, True),
                        "siteevents": Field(bool, True),
                        "timestart": Field(int, 0),
                        "timeend": Field(int, 0),
                        "ignorehidden": Field(bool, True),
                    },
                    {},
                ),
            }
        ),
        _events,
    ),
)
