"""How a course is described, in lists and by itself."""

from __future__ import annotations

from coursekeep_campus.call import Call, uuid_of
from coursekeep_campus.content import ORIGIN, Doc
from coursekeep_campus.model import Course
from coursekeep_campus.times import stamp

__all__ = ["course_doc"]

_STATES = {"created": "unpublished", "claimed": "unpublished"}


def course_doc(call: Call, course: Course, *, listed: bool = False) -> Doc:
    """Describe a course with what `include[]` asks for; lists leave some of it out without a word."""
    doc: Doc = {
        "id": course.id,
        "name": course.nickname or course.name,
        "account_id": course.account_id,
        "uuid": uuid_of(course),
        "start_at": stamp(course.start_at),
        "grading_standard_id": None,
        "is_public": False,
        "created_at": stamp(course.created_at),
        "course_code": course.code,
        "default_view": "modules",
        "root_account_id": call.campus.root_id,
        "enrollment_term_id": course.term_id,
        "license": "private",
        "grade_passback_setting": None,
        "end_at": stamp(course.end_at),
        "public_syllabus": False,
        "public_syllabus_to_auth": False,
        "storage_quota_mb": 500,
        "is_public_to_auth_users": False,
        "homeroom_course": False,
        "course_color": None,
        "friendly_name": None,
        "apply_assignment_group_weights": course.apply_weights,
        "calendar": {"ics": f"{ORIGIN}/feeds/calendars/course_made-up-secret-{course.id}.ics"},
        "time_zone": "Etc/UTC",
        "blueprint": course.blueprint,
        "template": False,
        "sis_course_id": course.sis_id,
        "sis_import_id": None,
        "integration_id": None,
        "enrollments": [],
        "hide_final_grades": False,
        "workflow_state": _STATES.get(course.state, course.state),
        "restrict_enrollments_to_course_dates": course.restrict_to_dates,
    }
    if course.nickname:
        doc["original_name"] = course.name
    _add_included(call, course, doc)
    if not listed:
        _add_shown(call, course, doc)
    return doc


def _add_included(call: Call, course: Course, doc: Doc) -> None:
    campus, wanted = call.campus, call.includes
    if "term" in wanted:
        doc["term"] = campus.describe_term(campus.terms[course.term_id])
    if "concluded" in wanted:
        doc["concluded"] = campus.has_ended(course)
    if "account_name" in wanted or "account" in wanted:
        account = campus.accounts[course.account_id]
        doc["account_name"] = account.name
        doc["account"] = {"id": account.id, "name": account.name, "parent_account_id": account.parent_id}
    if "total_students" in wanted:
        doc["total_students"] = course.student_count
    if "teachers" in wanted:
        doc["teachers"] = [
            {"id": t.id, "anonymous_id": f"t{t.id}", "display_name": t.name, "avatar_image_url": None}
            for t in course.teachers
        ]
    if "storage_quota_used_mb" in wanted:
        doc["storage_quota_used_mb"] = 0.1
    if "syllabus_body" in wanted:
        doc["syllabus_body"] = course.content.syllabus


def _add_shown(call: Call, course: Course, doc: Doc) -> None:
    wanted = call.includes
    if "public_description" in wanted:
        doc["public_description"] = None
    if "course_image" in wanted:
        doc["image_download_url"] = None
    if "banner_image" in wanted:
        doc["banner_image_download_url"] = None
    if "tabs" in wanted:
        doc["tabs"] = course.content.tabs
    if "sections" in wanted:
        doc["sections"] = [
            {
                "id": s["id"],
                "name": s["name"],
                "start_at": s["start_at"],
                "end_at": s["end_at"],
                "enrollment_role": None,
            }
            for s in course.content.sections
        ]
