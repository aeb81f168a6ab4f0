"""What becomes of every kind of content of Canvas."""

from __future__ import annotations

from coursekeep import Coverage, Kind

__all__ = ["COVERAGE"]

COVERAGE = Coverage(
    of="Canvas",
    captured={
        Kind.PEOPLE: "",
        Kind.SECTIONS: "",
        Kind.ENROLLMENTS: "",
        Kind.GROUPS: "",
        Kind.STRUCTURE: "",
        Kind.PAGES: "",
        Kind.PAGE_REVISIONS: "without the right to edit: `no_access`",
        Kind.ASSIGNMENT_GROUPS: "",
        Kind.ASSIGNMENTS: "",
        Kind.RUBRICS: "",
        Kind.SUBMISSIONS: "work inside external tools: `not_offered`",
        Kind.GRADES: "",
        Kind.GRADE_HISTORY: "",
        Kind.QUIZZES: "",
        Kind.QUIZ_QUESTIONS: "of New Quizzes, where Canvas hands them out to no one: `not_offered`",
        Kind.QUIZ_ATTEMPTS: "answers in New Quizzes: `not_offered`; the scores are kept",
        Kind.DISCUSSIONS: "announcements too",
        Kind.POSTS: "in anonymous discussions: `not_offered`",
        Kind.CALENDAR_EVENTS: "",
        Kind.OUTCOMES: "",
        Kind.OUTCOME_RESULTS: "",
        Kind.COMPLETIONS: "progress through modules; other completion: `not_offered`",
        Kind.SETTINGS: "syllabus, tabs, tools, features, grading standards",
        Kind.FILES: "locked ones: `locked`",
        Kind.NATIVE_EXPORTS: "a Common Cartridge; a failed export: `export_failed`",
    },
    not_offered={
        Kind.ACTIVITIES: "Canvas has no activities beyond assignments, quizzes and discussions",
        Kind.RESPONSES: "surveys are quizzes, and their answers attempts",
        Kind.BADGES: "badges are a separate product, Canvas Credentials",
    },
)
