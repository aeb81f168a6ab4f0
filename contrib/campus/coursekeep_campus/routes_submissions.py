"""Submissions: by student, flat, and by assignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc, Submission
from coursekeep_campus.replies import ApiError, Raw, Reply, bad_request, not_found
from coursekeep_campus.router import Routes
from coursekeep_campus.submission_shape import render_submission, submission_doc
from coursekeep_campus.times import parse, stamp

__all__ = ["routes"]

routes = Routes()

_Test = Callable[[Submission], bool]


@routes.get("courses/{course}/students/submissions")
def students_submissions(call: Call) -> Reply:
    """List submissions of many students, flat by bookmark or grouped by student.

    Only those of published assignments. `student_ids[]=all` needs the right to see all grades.
    """
    students = _students(call)
    tests = _tests(call)
    if call.flag("grouped"):
        return call.page(students, lambda student: _group(call, student, tests), most=_most(call))
    chosen = set(students)
    if tests or not call.content.submitters() <= chosen:
        found = [s for s in call.content.submissions if s.user_id in chosen and all(test(s) for test in tests)]
    else:
        found = call.content.submissions
    return call.bookmarked(found, lambda s: _render(call, s), key=lambda s: s.id)


def _most(call: Call) -> int:
    return call.state.options.max_per_page


def _students(call: Call) -> list[int]:
    asked = call.values("student_ids")
    assert call.course
    if not asked:
        # Without ids Canvas serves the caller's own submissions; the campus's callers have none.
        return []
    if asked == ["all"]:
        call.need_admin()
        return _by_enrollment_state(call, call.content.gradable())
    if len(asked) > call.state.options.max_per_page:
        raise bad_request({"error": "too many students"})
    wanted = set(asked)
    return [number for number in call.content.gradable() if str(number) in wanted]


def _by_enrollment_state(call: Call, students: list[int]) -> list[int]:
    state = call.value("enrollment_state")
    if state not in ("active", "concluded"):
        return students
    ended = {"completed", "inactive"}
    over = {doc["user_id"] for doc in call.content.enrollments if doc["enrollment_state"] in ended}
    return [number for number in students if (number in over) is (state == "concluded")]


def _tests(call: Call) -> list[_Test]:
    published = {doc["id"] for doc in call.content.assignments if doc["published"]}
    tests: list[_Test] = []
    if asked := call.values("assignment_ids"):
        wanted = {int(text) for text in asked if text.isdecimal()}
        if len(wanted) < len(asked) or wanted - {doc["id"] for doc in call.content.assignments}:
            raise ApiError(403, {"error": "invalid assignment ids requested"})
        published &= wanted
    if asked or len(published) < len(call.content.assignments):
        tests.append(lambda s: s.assignment_id in published)
    return [*tests, *_state_tests(call)]


def _state_tests(call: Call) -> list[_Test]:
    tests: list[_Test] = []
    if state := call.value("workflow_state"):
        tests.append(lambda s: s.state == state)
    if since := _moment(call, "submitted_since"):
        tests.append(lambda s: s.submitted_at is not None and s.submitted_at >= since)
    if graded := _moment(call, "graded_since"):
        tests.append(lambda s: s.graded_at is not None and s.graded_at >= graded)
    return tests


def _moment(call: Call, name: str) -> str | None:
    text = call.value(name)
    if not text:
        return None
    try:
        return stamp(parse(text))
    except ValueError:
        raise bad_request({"errors": [{"message": f"Invalid {name} parameter: must be ISO 8601"}]}) from None


def _group(call: Call, student: int, tests: Sequence[_Test]) -> Raw:
    content = call.content
    submissions = [s for s in content.submissions_of_student(student) if all(test(s) for test in tests)]
    section = next((e["course_section_id"] for e in content.enrollments_of(student)), None)
    pieces = b",".join(_render(call, s) for s in submissions)
    head = Raw(f'{{"user_id":{student},"section_id":{section or "null"},'.encode())
    sis_id = content.people[student].sis_id
    middle = (
        f'"sis_user_id":{_text(sis_id)},"integration_id":null,"submissions":['.encode()
        if call.caller.admin
        else b'"submissions":['
    )
    return Raw(head + middle + pieces + b"]}")


def _text(value: str | None) -> str:
    return "null" if value is None else f'"{value}"'


def _render(call: Call, submission: Submission) -> Raw:
    return render_submission(call.course, submission, call.includes)


@routes.get("courses/{course}/assignments/{assignment}/submissions")
def assignment_submissions(call: Call) -> Reply:
    """List the submissions to one assignment."""
    number = call.number("assignment")
    call.find(call.content.assignments, number)
    visible = set(call.content.gradable())
    tests = _state_tests(call)
    submissions = call.content.submissions_of_assignment(number)
    found = [s for s in submissions if s.user_id in visible and all(test(s) for test in tests)]
    return call.page(found, lambda s: _render(call, s))


@routes.get("courses/{course}/assignments/{assignment}/submissions/{user}")
def submission(call: Call) -> Reply:
    """Show one submission."""
    number, user = call.number("assignment"), call.number("user")
    for found in call.content.submissions_of_assignment(number):
        if found.user_id == user:
            doc: Doc = submission_doc(call.course, found, call.includes)
            return call.reply(doc)
    raise not_found()
