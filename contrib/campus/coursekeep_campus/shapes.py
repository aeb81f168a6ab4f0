"""The docs that several sources of content make: one function for each thing that Canvas describes.

Fields are the arguments that differ; all others get the value Canvas gives them by default.
"""

from __future__ import annotations

import mimetypes
from datetime import datetime
from urllib.parse import quote_plus

from coursekeep_campus.model import ORIGIN, Doc, Person
from coursekeep_campus.times import stamp

__all__ = [
    "assignment_doc",
    "assignment_group_doc",
    "course_settings",
    "course_tabs",
    "enrollment_doc",
    "entry_doc",
    "file_doc",
    "folder_doc",
    "item_doc",
    "module_doc",
    "page_doc",
    "quiz_doc",
    "section_doc",
    "topic_doc",
    "user_doc",
]

_MIME_CLASSES = {"application/pdf": "pdf", "text/plain": "text", "text/html": "html", "application/zip": "zip"}


def user_doc(person: Person) -> Doc:
    """Describe a person as lists of users do, without what must be asked for."""
    return {
        "id": person.id,
        "name": person.name,
        "created_at": "2020-01-01T00:00:00Z",
        "sortable_name": person.sortable_name,
        "short_name": person.name,
        "sis_user_id": person.sis_id,
        "integration_id": None,
        "login_id": person.login,
    }


def section_doc(id_: int, course_id: int, name: str, **fields: object) -> Doc:
    """Describe a section."""
    return {
        "id": id_,
        "course_id": course_id,
        "name": name,
        "start_at": None,
        "end_at": None,
        "created_at": "2020-01-01T00:00:00Z",
        "restrict_enrollments_to_section_dates": None,
        "nonxlist_course_id": None,
        "sis_section_id": None,
        "sis_course_id": None,
        "integration_id": None,
        **fields,
    }


def enrollment_doc(id_: int, course_id: int, section_id: int, person: Person, role: str, **fields: object) -> Doc:
    """Describe an enrolment, with its person; students carry grades."""
    doc: Doc = {
        "id": id_,
        "user_id": person.id,
        "course_id": course_id,
        "type": role,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "associated_user_id": None,
        "start_at": None,
        "end_at": None,
        "course_section_id": section_id,
        "root_account_id": 1,
        "limit_privileges_to_course_section": False,
        "enrollment_state": "active",
        "role": role,
        "role_id": _ROLE_IDS[role],
        "last_activity_at": None,
        "last_attended_at": None,
        "total_activity_time": 0,
        "sis_account_id": None,
        "sis_course_id": None,
        "sis_section_id": None,
        "sis_user_id": person.sis_id,
        "html_url": f"{ORIGIN}/courses/{course_id}/users/{person.id}",
        "user": user_doc(person),
        **fields,
    }
    if role in ("StudentEnrollment", "StudentViewEnrollment"):
        doc.setdefault("grades", grades_doc(course_id, person.id, None, None))
    return doc


_ROLE_IDS = {
    "StudentEnrollment": 3,
    "TeacherEnrollment": 4,
    "TaEnrollment": 5,
    "DesignerEnrollment": 6,
    "ObserverEnrollment": 7,
    "StudentViewEnrollment": 3,
}


def grades_doc(course_id: int, user_id: int, current: float | None, final: float | None) -> Doc:
    """Describe the course grade of a student."""
    return {
        "html_url": f"{ORIGIN}/courses/{course_id}/grades/{user_id}",
        "current_grade": None,
        "current_score": current,
        "final_grade": None,
        "final_score": final,
        "unposted_current_score": current,
        "unposted_current_grade": None,
        "unposted_final_score": final,
        "unposted_final_grade": None,
    }


def assignment_group_doc(id_: int, name: str, position: int, weight: float = 0.0, **fields: object) -> Doc:
    """Describe an assignment group."""
    return {
        "id": id_,
        "name": name,
        "position": position,
        "group_weight": weight,
        "sis_source_id": None,
        "integration_data": {},
        "rules": {},
        **fields,
    }


def assignment_doc(id_: int, course_id: int, group_id: int, name: str, **fields: object) -> Doc:
    """Describe an assignment."""
    return {
        "id": id_,
        "description": None,
        "due_at": None,
        "unlock_at": None,
        "lock_at": None,
        "points_possible": 100.0,
        "grading_type": "points",
        "assignment_group_id": group_id,
        "grading_standard_id": None,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "peer_reviews": False,
        "automatic_peer_reviews": False,
        "position": 1,
        "grade_group_students_individually": False,
        "anonymous_peer_reviews": False,
        "group_category_id": None,
        "post_to_sis": False,
        "moderated_grading": False,
        "omit_from_final_grade": False,
        "anonymous_grading": False,
        "allowed_attempts": -1,
        "course_id": course_id,
        "name": name,
        "submission_types": ["online_text_entry"],
        "has_submitted_submissions": True,
        "is_quiz_assignment": False,
        "is_quiz_lti_assignment": False,
        "muted": False,
        "html_url": f"{ORIGIN}/courses/{course_id}/assignments/{id_}",
        "published": True,
        "only_visible_to_overrides": False,
        "locked_for_user": False,
        "submissions_download_url": f"{ORIGIN}/courses/{course_id}/assignments/{id_}/submissions?zip=1",
        "post_manually": False,
        "workflow_state": "published",
        **fields,
    }


def page_doc(id_: int, slug: str, title: str, body: str | None, moment: datetime, **fields: object) -> Doc:
    """Describe a wiki page with its body."""
    return {
        "title": title,
        "created_at": stamp(moment),
        "url": slug,
        "editing_roles": "teachers",
        "page_id": id_,
        "published": True,
        "hide_from_students": False,
        "front_page": False,
        "todo_date": None,
        "updated_at": stamp(moment),
        "locked_for_user": False,
        "body": body,
        **fields,
    }


def topic_doc(id_: int, course_id: int, title: str, message: str, moment: datetime, **fields: object) -> Doc:
    """Describe a discussion topic."""
    return {
        "id": id_,
        "title": title,
        "message": message,
        "last_reply_at": stamp(moment),
        "created_at": stamp(moment),
        "posted_at": stamp(moment),
        "delayed_post_at": None,
        "lock_at": None,
        "assignment_id": None,
        "root_topic_id": None,
        "position": None,
        "podcast_has_student_posts": False,
        "discussion_type": "threaded",
        "allow_rating": True,
        "only_graders_can_rate": False,
        "sort_by_rating": False,
        "is_section_specific": False,
        "anonymous_state": None,
        "user_name": None,
        "discussion_subentry_count": 0,
        "require_initial_post": None,
        "podcast_url": None,
        "read_state": "read",
        "unread_count": 0,
        "subscribed": False,
        "attachments": [],
        "published": True,
        "locked": False,
        "pinned": False,
        "group_category_id": None,
        "topic_children": [],
        "group_topic_children": [],
        "html_url": f"{ORIGIN}/courses/{course_id}/discussion_topics/{id_}",
        "url": f"{ORIGIN}/courses/{course_id}/discussion_topics/{id_}",
        "author": {},
        **fields,
    }


def entry_doc(id_: int, user_id: int, message: str, moment: datetime, **fields: object) -> Doc:
    """Describe a reply in a materialised view; `replies` is left out where there are none."""
    return {
        "id": id_,
        "user_id": user_id,
        "parent_id": None,
        "created_at": stamp(moment),
        "updated_at": stamp(moment),
        "rating_count": None,
        "rating_sum": None,
        "message": message,
        **fields,
    }


def module_doc(id_: int, course_id: int, name: str, position: int, count: int, **fields: object) -> Doc:
    """Describe a module without its items."""
    return {
        "id": id_,
        "name": name,
        "position": position,
        "unlock_at": None,
        "require_sequential_progress": False,
        "publish_final_grade": False,
        "prerequisite_module_ids": [],
        "published": True,
        "items_count": count,
        "items_url": f"{ORIGIN}/api/v1/courses/{course_id}/modules/{id_}/items",
        **fields,
    }


def item_doc(id_: int, course_id: int, module_id: int, position: int, title: str, kind: str, **fields: object) -> Doc:
    """Describe a module item."""
    return {
        "id": id_,
        "title": title,
        "position": position,
        "indent": 0,
        "quiz_lti": False,
        "type": kind,
        "module_id": module_id,
        "html_url": f"{ORIGIN}/courses/{course_id}/modules/items/{id_}",
        "published": True,
        **fields,
    }


def quiz_doc(id_: int, course_id: int, title: str, **fields: object) -> Doc:
    """Describe a classic quiz."""
    return {
        "id": id_,
        "title": title,
        "html_url": f"{ORIGIN}/courses/{course_id}/quizzes/{id_}",
        "description": "",
        "quiz_type": "assignment",
        "time_limit": None,
        "timer_autosubmit_disabled": False,
        "shuffle_answers": False,
        "show_correct_answers": True,
        "scoring_policy": "keep_highest",
        "allowed_attempts": 1,
        "one_question_at_a_time": False,
        "question_count": 0,
        "points_possible": 0.0,
        "cant_go_back": False,
        "access_code": None,
        "ip_filter": None,
        "due_at": None,
        "lock_at": None,
        "unlock_at": None,
        "published": True,
        "locked_for_user": False,
        "hide_results": None,
        "version_number": 1,
        "question_types": [],
        "has_access_code": False,
        "assignment_id": None,
        "all_dates": [],
        **fields,
    }


def folder_doc(id_: int, course_id: int, full_name: str, parent_id: int | None, **fields: object) -> Doc:
    """Describe a folder."""
    return {
        "id": id_,
        "name": full_name.rpartition("/")[2],
        "full_name": full_name,
        "context_id": course_id,
        "context_type": "Course",
        "parent_folder_id": parent_id,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "lock_at": None,
        "unlock_at": None,
        "position": 1,
        "locked": False,
        "folders_url": f"{ORIGIN}/api/v1/folders/{id_}/folders",
        "files_url": f"{ORIGIN}/api/v1/folders/{id_}/files",
        "files_count": 0,
        "folders_count": 0,
        "hidden": None,
        "locked_for_user": False,
        "hidden_for_user": False,
        "for_submissions": False,
        "can_upload": False,
        **fields,
    }


def file_doc(
    id_: int, name: str, size: int, moment: datetime, *, verifier: str | None, content_type: str = "", **fields: object
) -> Doc:
    """Describe a file. Its address carries a verifier, where there is one."""
    kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    secret = f"&verifier={verifier}" if verifier else ""
    return {
        "id": id_,
        "folder_id": None,
        "display_name": name,
        "filename": quote_plus(name),
        "upload_status": "success",
        "content-type": kind,
        "url": f"{ORIGIN}/files/{id_}/download?download_frd=1{secret}",
        "size": size,
        "created_at": stamp(moment),
        "updated_at": stamp(moment),
        "unlock_at": None,
        "locked": False,
        "hidden": False,
        "lock_at": None,
        "hidden_for_user": False,
        "thumbnail_url": None,
        "modified_at": stamp(moment),
        "mime_class": _MIME_CLASSES.get(
            kind, kind.partition("/")[0] if kind.startswith(("image", "video")) else "file"
        ),
        "media_entry_id": None,
        "locked_for_user": False,
        **fields,
    }


def course_settings() -> Doc:
    """Return the settings of a new course."""
    return {
        "allow_final_grade_override": False,
        "allow_student_discussion_topics": True,
        "allow_student_forum_attachments": True,
        "allow_student_discussion_editing": True,
        "allow_student_discussion_reporting": True,
        "allow_student_organized_groups": True,
        "grading_standard_enabled": False,
        "grading_standard_id": None,
        "hide_final_grades": False,
        "hide_distribution_graphs": False,
        "lock_all_announcements": False,
        "usage_rights_required": False,
        "restrict_student_past_view": False,
        "restrict_student_future_view": False,
        "show_announcements_on_home_page": False,
        "home_page_announcement_limit": 0,
        "syllabus_course_summary": True,
        "image_url": None,
        "image_id": None,
        "course_color": None,
        "friendly_name": None,
        "default_due_time": "23:59:59",
    }


_TABS = {
    "home": "Home",
    "announcements": "Announcements",
    "assignments": "Assignments",
    "discussions": "Discussions",
    "grades": "Grades",
    "people": "People",
    "pages": "Pages",
    "files": "Files",
    "syllabus": "Syllabus",
    "outcomes": "Outcomes",
    "quizzes": "Quizzes",
    "modules": "Modules",
}


def course_tabs(course_id: int, hidden: frozenset[str] = frozenset()) -> list[Doc]:
    """List the tabs of a course; hidden ones stay visible to teachers and administrators."""
    tabs: list[Doc] = []
    for position, (name, label) in enumerate(_TABS.items(), 1):
        tab: Doc = {
            "id": name,
            "html_url": f"/courses/{course_id}" + ("" if name == "home" else f"/{name}"),
            "full_url": f"{ORIGIN}/courses/{course_id}" + ("" if name == "home" else f"/{name}"),
            "position": position,
            "visibility": "admins" if name in hidden else "public",
            "label": label,
            "type": "internal",
        }
        if name in hidden:
            tab["hidden"] = True
        tabs.append(tab)
    return tabs
