"""The docs of the course itself: its settings and its tabs."""

from __future__ import annotations

from coursekeep_campus.content import ORIGIN, Doc

__all__ = ["course_settings", "course_tabs"]


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
