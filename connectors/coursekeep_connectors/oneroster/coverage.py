"""What becomes of every kind of content of OneRoster, which carries rosters and grades alone."""

from __future__ import annotations

from coursekeep import Coverage, Kind

__all__ = ["COVERAGE"]

_CAPTURED = {
    Kind.PEOPLE: "those who are referred to, but in no file: `not_found`",
    Kind.ENROLLMENTS: "",
    Kind.ASSIGNMENT_GROUPS: "categories",
    Kind.ASSIGNMENTS: "line items",
    Kind.SUBMISSIONS: "results: score, state and comment, not the work itself",
    Kind.SETTINGS: "class, course, school, academic sessions, score scales",
}
_ELSEWHERE = "OneRoster carries no content"

COVERAGE = Coverage(
    of="OneRoster",
    captured=_CAPTURED,
    not_offered={
        **{kind: _ELSEWHERE for kind in Kind if kind not in _CAPTURED},
        Kind.SECTIONS: "a class is a course of its own",
        Kind.GRADES: "grades of a whole class are no part of OneRoster",
        Kind.OUTCOMES: "learning objectives are kept as they are, in `native/api`",
    },
)
