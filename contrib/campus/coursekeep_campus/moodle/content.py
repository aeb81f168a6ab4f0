"""A generated Moodle: numbered people, a few categories, and courses that hold every standard activity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from coursekeep_campus.content import Bytes
from coursekeep_campus.moodle import content_activities, content_grades, content_material, content_work
from coursekeep_campus.moodle.builder import DAY, Builder
from coursekeep_campus.moodle.model import Backup, Category, Enrolment, Moodle, MoodleCourse, StoredFile, User

__all__ = ["moodle_content"]

_SUBJECTS = ("Algebra", "Botany", "Chemistry", "Drama", "Ecology", "French", "Geology", "History")
_CLOSED = ("forbidden", "lobby")
#: an id beyond what a double holds exactly
_HUGE = 9_007_199_254_740_993


def moodle_content(
    *, seed: int = 1, courses: int = 12, now: datetime | None = None, closed: Sequence[str] = _CLOSED
) -> Moodle:
    """Return a site with so many readable courses, two of three ended, and some that are closed to the archive.

    `forbidden` may not be seen at all, `lobby` is listed with its public face only.

    The same seed, number and day give the same site.
    """
    today = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    site = Moodle(now=int(today.timestamp()))
    _people(site)
    _categories(site)
    ended = max(1, courses * 2 // 3)
    for number in range(courses):
        _course(site, seed, number, ended=number < ended)
    for place, name in enumerate(closed):
        course = _course(site, seed, courses + place, ended=True)
        course.closed, course.lobby, course.visible = name == "forbidden", name == "lobby", int(name == "lobby")
    _know(site, ended, courses, closed)
    return site


def _people(site: Moodle) -> None:
    site.users[2] = User(id=2, username="archive", firstname="Archive", lastname="Account")
    site.users[3] = User(id=3, username="suspended", firstname="Suspended", lastname="Account")
    for number in range(1, 9):
        name = f"t{number:02d}"
        site.users[10 + number] = User(
            id=10 + number, username=name, firstname="Teacher", lastname=f"{number:02d}", email=f"{name}@example.edu"
        )
    for number in range(1, 121):
        name = f"s{number:04d}"
        site.users[1000 + number] = User(
            id=1000 + number,
            username=name,
            firstname="Student",
            lastname=f"{number:04d}",
            idnumber=f"S{number:04d}",
            email=f"{name}@students.example.edu",
        )
    site.users[2001] = User(id=2001, username="gone", firstname="Former", lastname="Student")
    site.users[2002] = User(id=2002, username="deleted", firstname="Deleted", lastname="User", deleted=True)
    site.users[_HUGE] = User(id=_HUGE, username="huge", firstname="Huge", lastname="Number")


def _categories(site: Moodle) -> None:
    made = (
        Category(id=1, name="Science & Arts", idnumber="SCI"),
        Category(id=2, name="Winter term", idnumber="W", parent=1),
        Category(id=3, name="Summer term", idnumber="S", parent=1),
        Category(id=4, name="Hidden past", idnumber="OLD", visible=0),
    )
    site.categories = {category.id: category for category in made}


def _course(site: Moodle, seed: int, number: int, *, ended: bool) -> MoodleCourse:
    subject = _SUBJECTS[number % len(_SUBJECTS)]
    start = site.now - (300 if ended else 20) * DAY
    term = ("W", "S")[number % 2]
    course = MoodleCourse(
        id=21 + number,
        shortname=f"{subject[:3].upper()}-{number}",
        fullname=f"{subject} <{number}> & more",
        category=2 + number % 3,
        idnumber=f"2026-{term}-{subject[:3].upper()}{number}",
        startdate=start,
        # every fourth of the running courses has no end at all
        enddate=start + 120 * DAY if ended else 0 if number % 4 == 0 else site.now + 90 * DAY,
        # ended courses are hidden as a rule
        visible=int(not ended or number % 3 != 0),
        timecreated=start - 30 * DAY,
        timemodified=start + 110 * DAY if ended else site.now - DAY,
        customfields=[
            {"name": "Term", "shortname": "term", "type": "text", "value": f"2026{term}", "valueraw": f"2026{term}"}
        ],
    )
    site.courses[course.id] = course
    first = (number * 7 + seed) % 100
    students = [1001 + first + place for place in range(8)]
    builder = Builder(site, course, students=students, teacher=11 + number % 8)
    _enrol(builder, number)
    _fill(builder, number)
    return course


def _enrol(builder: Builder, number: int) -> None:
    course = builder.course
    course.enrolments.append(Enrolment(user_id=builder.teacher, roles=("editingteacher",)))
    for place, user in enumerate(builder.students):
        roles = ("student", "teacher") if place == 5 else () if place == 4 else ("student",)
        course.enrolments.append(Enrolment(user_id=user, roles=roles, suspended=place in (2, 6)))
    if number == 1:
        course.enrolments.append(Enrolment(user_id=_HUGE))
    for place, letter in enumerate("AB"):
        group = builder.id()
        about = {"courseid": course.id, "description": "<p>A group</p>", "descriptionformat": 1, "idnumber": ""}
        name = f"Group {letter}"
        course.groups.append({"id": group, "name": name, **about, "enrolmentkey": "join-me-secretly"})
        course.members[group] = builder.students[place * 4 : place * 4 + 4]
    grouping = {"id": builder.id(), "courseid": course.id, "name": "Both groups", "description": ""}
    course.groupings.append({**grouping, "descriptionformat": 1, "idnumber": "", "groups": course.groups})


def _fill(builder: Builder, number: int) -> None:
    sections = [builder.section("New section" if place == 3 else f"Topic {place}") for place in range(4)]
    sections.append(builder.section("Hidden topic", visible=0))
    content_material.fill(builder, sections)
    content_work.fill(builder, sections)
    content_activities.fill(builder, sections)
    content_grades.grade(builder)
    _backup(builder, number)


def _backup(builder: Builder, number: int) -> None:
    """Give every second course automated backups, of which the second is newer."""
    course = builder.course
    if number % 2:
        return
    for day in (100, 110):
        name = f"backup-moodle2-course-{course.id}-{course.shortname.lower()}-2026{day}.mbz"
        data = b"\x1f\x8b" + name.encode() * 30
        path = f"{900_000 + course.id}/backup/automated/{name}"
        mimetype = "application/vnd.moodle.backup"
        stored = StoredFile(path=path, content=Bytes(data=data), mimetype=mimetype, timemodified=builder.at(day))
        builder.site.files[path] = stored
        builder.site.homes[path] = course.id
        course.backups.append(Backup(filename=name, area="automated", timemodified=builder.at(day), file=stored))


def _know(site: Moodle, ended: int, readable: int, closed: Sequence[str]) -> None:
    ids = list(site.courses)
    first = site.courses[ids[0]]
    site.known = {
        "ended": ids[:ended],
        "running": ids[ended:readable],
        **dict(zip(closed, ids[readable:], strict=True)),
        "unknown": 999_999,
        "huge_user": _HUGE,
        "teacher": next(one.user_id for one in first.enrolments if "editingteacher" in one.roles),
        "student": next(one.user_id for one in first.enrolments if one.roles == ("student",)),
    }
