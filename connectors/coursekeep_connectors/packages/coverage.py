"""What becomes of every kind of content, format by format. The file itself is always kept, whole."""

from __future__ import annotations

from collections.abc import Mapping

from coursekeep import Coverage, GapReason, Kind

__all__ = ["COVERAGE"]

_NATIVE = "the package file, untouched"
_FILES = "those that are listed, but not in the package: `not_found`"
_KEPT_WHOLE = (GapReason.NATIVE_ONLY, "kept in the package file only")
_COUNTED = (GapReason.NATIVE_ONLY, "kept in the package file only, counted")
_WITH_ACTIVITIES = (GapReason.NATIVE_ONLY, "kept in the package file only, named with the activity")


_PLAIN = {
    Kind.STRUCTURE: "",
    Kind.PAGES: "HTML web content",
    Kind.ASSIGNMENTS: "extension for assignments 1.0",
    Kind.QUIZZES: "QTI 1.2",
    Kind.QUIZ_QUESTIONS: "QTI 1.2",
    Kind.DISCUSSIONS: "topics",
    Kind.SETTINGS: "metadata",
    Kind.FILES: _FILES,
    Kind.NATIVE_EXPORTS: _NATIVE,
}
_CANVAS = {
    **_PLAIN,
    Kind.PAGES: "",
    Kind.ASSIGNMENT_GROUPS: "",
    Kind.ASSIGNMENTS: "",
    Kind.RUBRICS: "",
    Kind.QUIZZES: "",
    Kind.QUIZ_QUESTIONS: "question banks too",
    Kind.DISCUSSIONS: "topics and announcements",
    Kind.CALENDAR_EVENTS: "",
    Kind.OUTCOMES: "",
    Kind.SETTINGS: "all documents of `course_settings`",
}
_MOODLE = {
    Kind.PEOPLE: "profile fields beyond names, login, id number and mail: `native_only`",
    Kind.ENROLLMENTS: "",
    Kind.GROUPS: "",
    Kind.STRUCTURE: "",
    Kind.PAGES: "pages, books, glossaries, wikis, lessons",
    Kind.PAGE_REVISIONS: "of wikis",
    Kind.ASSIGNMENT_GROUPS: "grade categories",
    Kind.ASSIGNMENTS: "",
    Kind.RUBRICS: "as graders filled them in",
    Kind.SUBMISSIONS: "every attempt, with feedback",
    Kind.GRADES: "",
    Kind.GRADE_HISTORY: "",
    Kind.QUIZZES: "",
    Kind.QUIZ_QUESTIONS: "all versions of the bank",
    Kind.QUIZ_ATTEMPTS: "",
    Kind.DISCUSSIONS: "",
    Kind.POSTS: "",
    Kind.CALENDAR_EVENTS: "",
    Kind.OUTCOMES: "",
    Kind.COMPLETIONS: "",
    Kind.BADGES: "with awards by hand; a backup holds no others",
    Kind.SETTINGS: "course, backup, scales; blocks, comments, logs: `native_only`, counted",
    Kind.FILES: _FILES,
    Kind.NATIVE_EXPORTS: _NATIVE,
}
#: choices, surveys, databases, workshops, SCORM, H5P
_MOODLE_GAPS = {Kind.ACTIVITIES: _COUNTED, Kind.RESPONSES: _WITH_ACTIVITIES}
_MOODLE_1 = {
    Kind.PEOPLE: "",
    Kind.ENROLLMENTS: "",
    Kind.GROUPS: "",
    Kind.STRUCTURE: "",
    Kind.PAGES: "web pages and texts",
    Kind.ASSIGNMENTS: "",
    Kind.SUBMISSIONS: "",
    Kind.GRADES: "",
    Kind.QUIZZES: "",
    Kind.QUIZ_QUESTIONS: "",
    Kind.QUIZ_ATTEMPTS: "",
    Kind.DISCUSSIONS: "",
    Kind.POSTS: "",
    Kind.CALENDAR_EVENTS: "",
    Kind.SETTINGS: "course, backup; roles, scales, logs: `native_only`, counted",
    Kind.FILES: "",
    Kind.NATIVE_EXPORTS: _NATIVE,
}
_MOODLE_1_GAPS = {
    Kind.PAGE_REVISIONS: _WITH_ACTIVITIES,
    Kind.ASSIGNMENT_GROUPS: _COUNTED,
    Kind.ACTIVITIES: _COUNTED,
    Kind.RESPONSES: _WITH_ACTIVITIES,
    Kind.OUTCOMES: _COUNTED,
    Kind.GRADE_HISTORY: _COUNTED,
}
_FOREIGN = {Kind.STRUCTURE: "", Kind.SETTINGS: "metadata; all else: `native_only`", Kind.NATIVE_EXPORTS: _NATIVE}
_FOREIGN_GAPS = {kind: _KEPT_WHOLE for kind in Kind if kind not in _FOREIGN}


def _format(
    of: str, captured: Mapping[Kind, str], gaps: Mapping[Kind, tuple[GapReason, str]] | None = None
) -> Coverage:
    """Describe a format; kinds that are neither captured nor gaps are not in it."""
    known = {**captured, **(gaps or {})}
    rest = {kind: "not in the format" for kind in Kind if kind not in known}
    return Coverage(of=of, captured=captured, gaps=gaps or {}, not_offered=rest)


COVERAGE = (
    _format("Common Cartridge", _PLAIN),
    _format("Canvas export", _CANVAS),
    _format("Moodle backup, 2.0 to 5.x", _MOODLE, _MOODLE_GAPS),
    _format("Moodle backup, 1.9", _MOODLE_1, _MOODLE_1_GAPS),
    _format("Blackboard, Brightspace", _FOREIGN, _FOREIGN_GAPS),
)
