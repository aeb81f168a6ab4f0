"""What becomes of every kind of content of Kolibri."""

from __future__ import annotations

from coursekeep import Coverage, Kind

__all__ = ["COVERAGE"]

_NONE = "Kolibri has none"

COVERAGE = Coverage(
    of="Kolibri",
    captured={
        Kind.PEOPLE: "those whom the signed-in user may not read: `no_access`",
        Kind.ENROLLMENTS: "learners and coaches; only `active` and `deleted`, since Kolibri knows no other state",
        Kind.GROUPS: "",
        Kind.STRUCTURE: "lessons, and courses with units; a course whose channel is gone: `not_found`",
        Kind.ACTIVITIES: "resources and attendance; a resource whose channel is gone: `not_found`",
        Kind.FILES: "of resources; those that are not on the server: `not_found`",
        Kind.QUIZZES: "also drafts, and tests before and after a unit",
        Kind.QUIZ_QUESTIONS: "which item of which exercise; the wording lies in the exercise's file: `native_only`",
        Kind.QUIZ_ATTEMPTS: "with every answer; of learners whom the signed-in user may not read: `no_access`",
        Kind.RESPONSES: "tries at exercises with every answer, and attendance; single visits: `not_offered`",
        Kind.COMPLETIONS: "in Kolibri's words; percentages and the moment of completion: `not_offered`",
        Kind.OUTCOMES: "learning objectives of units",
        Kind.OUTCOME_RESULTS: "right answers for each objective",
        Kind.SETTINGS: "name of the class",
    },
    not_offered={
        Kind.SECTIONS: "a class is a course of its own",
        Kind.PAGES: "texts are resources of channels",
        Kind.PAGE_REVISIONS: _NONE,
        Kind.ASSIGNMENT_GROUPS: _NONE,
        Kind.ASSIGNMENTS: "lessons and quizzes are assigned; to whom stands with them",
        Kind.RUBRICS: _NONE,
        Kind.SUBMISSIONS: "learners hand in nothing but answers",
        Kind.GRADES: _NONE,
        Kind.GRADE_HISTORY: _NONE,
        Kind.DISCUSSIONS: _NONE,
        Kind.POSTS: _NONE,
        Kind.CALENDAR_EVENTS: _NONE,
        Kind.BADGES: _NONE,
        Kind.NATIVE_EXPORTS: "classes cannot be exported, only a whole facility's data synchronised",
    },
)
