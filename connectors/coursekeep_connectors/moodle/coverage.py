"""What becomes of every kind of content of Moodle, read through its web services."""

from __future__ import annotations

from coursekeep import Coverage, GapReason, Kind

__all__ = ["COVERAGE"]

_NO_BANK = "no web service gives the question bank; attempts hold the questions as they were shown"

COVERAGE = Coverage(
    of="Moodle",
    captured={
        Kind.PEOPLE: "deleted ones: `not_found`",
        Kind.ENROLLMENTS: "their dates are not offered",
        Kind.GROUPS: "",
        Kind.STRUCTURE: "",
        Kind.PAGES: "pages, labels, books, wikis",
        Kind.ASSIGNMENTS: "",
        Kind.RUBRICS: "",
        Kind.SUBMISSIONS: "earlier attempts of teams: `not_offered`",
        Kind.GRADES: "every item of the gradebook",
        Kind.QUIZZES: "",
        Kind.QUIZ_ATTEMPTS: "answers of attempts still open: `not_offered`",
        Kind.DISCUSSIONS: "",
        Kind.POSTS: "counted, but not handed out: `unexplained`",
        Kind.ACTIVITIES: "all other activities, those of plugins as the outline describes them",
        Kind.RESPONSES: "what people did in them; SCORM tracks, surveys, tools, meetings and plugins: `not_offered`",
        Kind.CALENDAR_EVENTS: "",
        Kind.OUTCOMES: "competencies",
        Kind.OUTCOME_RESULTS: "ratings of competencies",
        Kind.COMPLETIONS: "",
        Kind.BADGES: "badges that were awarded",
        Kind.SETTINGS: "course, site, grade items, groupings, notes",
        Kind.FILES: "of restricted modules: `locked`",
        Kind.NATIVE_EXPORTS: "backups that Moodle made; no web service makes one",
    },
    gaps={
        Kind.ASSIGNMENT_GROUPS: (GapReason.NOT_OFFERED, "no web service gives the tree of grade categories"),
        Kind.GRADE_HISTORY: (GapReason.NOT_OFFERED, "no web service gives the history of grades; backups may hold it"),
        Kind.PAGE_REVISIONS: (GapReason.NOT_OFFERED, "no web service gives earlier states of wiki pages"),
        Kind.QUIZ_QUESTIONS: (GapReason.NOT_OFFERED, _NO_BANK),
    },
    not_offered={
        Kind.SECTIONS: "Moodle has none; groups stand for them",
    },
)
