"""The docs of people and their work: users, sections, enrolments, grades, assignments, quizzes.

Fields are the arguments that differ; all others get the value Canvas gives them by default.
"""

from __future__ import annotations

from coursekeep_campus.content import ORIGIN, Doc, Person

__all__ = [
    "assignment_doc",
    "assignment_group_doc",
    "enrollment_doc",
    "grades_doc",
    "quiz_doc",
    "section_doc",
    "user_doc",
]


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
