"""Traps in people: more of them than a page holds, enrolments that are over, sections from elsewhere."""

from __future__ import annotations

from datetime import timedelta

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import Person
from coursekeep_campus.times import stamp

__all__ = ["cross_listed", "crowd", "enrollment_states"]


def _extra(number: int, word: str = "Extra") -> Person:
    name = f"{word} {number:04d}"
    login = f"{word[0].lower()}{number:04d}"
    return Person(id=6000 + number, name=name, sortable_name=name, login=login, sis_id=login.upper())


def crowd(builder: Builder) -> None:
    """Enrol more people than one page holds, with test students among them, so that pages come short."""
    for number in range(1, 131):
        builder.enroll(_extra(number), "StudentEnrollment")
    for number in range(2, 14):
        name = f"Student, Test {number:02d}"
        test = Person(
            id=6500 + number, name=f"Test Student {number:02d}", sortable_name=name, login="", test_student=True
        )
        builder.enroll(test, "StudentViewEnrollment")


def enrollment_states(builder: Builder) -> None:
    """Enrol people in every state and role; most are missing where nobody asks for them."""
    for number, state in enumerate(
        ("invited", "creation_pending", "inactive", "completed", "rejected", "deleted"), 201
    ):
        doc = builder.enroll(_extra(number), "StudentEnrollment", enrollment_state=state)
        if state in ("completed", "deleted", "inactive"):
            doc["end_at"] = stamp(builder.day(40))
    builder.enroll(_extra(210, "Assistant"), "TaEnrollment", limit_privileges_to_course_section=True)
    builder.enroll(_extra(211, "Designer"), "DesignerEnrollment")
    observed = builder.students[0].id
    builder.enroll(_extra(212, "Observer"), "ObserverEnrollment", associated_user_id=observed)
    # One person in two sections: two enrolments, one user.
    builder.enroll(builder.students[0], "StudentEnrollment", builder.content.sections[1])


def cross_listed(builder: Builder) -> None:
    """Bring a section in from another course, and let another one extend access beyond the course's end."""
    section = builder.section("Guests", nonxlist_course_id=builder.course.id + 1)
    builder.enroll(_extra(220, "Guest"), "StudentEnrollment", section)
    end = stamp(builder.now + timedelta(days=90))
    builder.section("Extended", end_at=end, restrict_enrollments_to_section_dates=True)
