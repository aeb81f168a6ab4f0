"""Assignments with every attempt, file, text, grade and feedback.

`mod_assign_get_submissions` and `_grades` know the newest attempt only, and neither tells of feedback: for whoever has
a grade or more than one attempt, the standing is asked for one by one. Work of teams belongs to a group, and its grade
to each member.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from coursekeep import Gap, GapReason, Kind, MalformedAnswer, NoAccess, NotFound, Part, Record, Unavailable
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.outline import Module, Outline
from coursekeep_connectors.moodle.reading import Parts, Reading, reason_of
from coursekeep_connectors.moodle.values import Json, ident, moment, number, objects, person, pick, text, truth, whole

__all__ = ["assignments"]

_EXTRA = (
    "nosubmissions", "submissiondrafts", "requiresubmissionstatement", "teamsubmission", "teamsubmissiongroupingid",
    "requireallteammemberssubmit", "revealidentities", "hidegrader", "attemptreopenmethod", "markingworkflow",
    "markingallocation", "gradingduedate", "timelimit", "configs", "activity", "activityformat", "introformat",
    "gradepenalty", "completionsubmit", "markinganonymous",
)  # fmt: skip
#: no submissions, no grades: an answer, not a loss
_NONE = frozenset({"3"})


@dataclass(kw_only=True, slots=True)
class _Work:
    """What was handed in and graded for one assignment."""

    id: str
    submissions: list[Json] = field(default_factory=list)
    grades: dict[str, Json] = field(default_factory=dict)
    flags: dict[str, Json] = field(default_factory=dict)


async def assignments(reading: Reading, outline: Outline) -> Parts:
    """Yield the assignments, and the work on each."""
    for kind in (Kind.ASSIGNMENTS, Kind.SUBMISSIONS):
        reading.expect(kind, 0)
    modules = outline.of("assign")
    if not modules:
        return
    items = await _listed(reading)
    yield reading.raw("assignments", items[1])
    for part in reading.warned(items[0], Kind.ASSIGNMENTS):
        yield part
    by_id = {text(item.get("id")): item for item in items[1]}
    for module in modules:
        for part in _assignment(reading, module, by_id.get(module.instance)):
            yield part
    streams = (_guarded(reading, module) for module in modules)
    async with aclosing(in_order(streams, width=reading.width)) as parts:
        async for part in parts:
            yield part


async def _listed(reading: Reading) -> tuple[Json, list[Json]]:
    # Without the flag, an account that is not enrolled gets nothing but a warning.
    arguments = {"courseids": [reading.course.id], "includenotenrolledcourses": True}
    body, courses = await reading.listing("mod_assign_get_assignments", arguments, key="courses")
    return body, [item for course in courses for item in objects(course.get("assignments"))]


def _assignment(reading: Reading, module: Module, item: Json | None) -> Iterator[Part]:
    if item is None:
        detail = "the outline has it, but mod_assign_get_assignments does not: only the outline tells of it"
        yield Gap(kind=Kind.ASSIGNMENTS, reason=GapReason.NOT_FOUND, id=module.id, detail=detail, count=0)
    for name in ("introfiles", "introattachments", "activityattachments"):
        yield from reading.attached((item or {}).get(name), group="assignments")
    yield from reading.mapped(Kind.ASSIGNMENTS, item or {}, lambda found: _record(reading, found, module), of=module.id)


def _record(reading: Reading, item: Json, module: Module) -> Record:
    grade = number(item.get("grade"))
    scale = grade is not None and grade < 0
    plugins = [one for one in objects(item.get("configs")) if one.get("subtype") == "assignsubmission"]
    enabled = [
        text(one.get("plugin")) for one in plugins if (one.get("name"), str(one.get("value"))) == ("enabled", "1")
    ]
    attached = [
        file_id
        for name in ("introfiles", "introattachments", "activityattachments")
        for file_id in reading.ids_of(item.get(name))
    ]
    data = {
        "title": text(item.get("name")) or module.name,
        "description_html": text(item.get("intro")) or module.description,
        "points_possible": None if scale else grade,
        "grading_type": None if grade is None else "scale" if scale else "none" if grade == 0 else "points",
        "submission_types": [name for name in enabled if name],
        "allowed_attempts": whole(item.get("maxattempts")),
        "unlock_at": moment(item.get("allowsubmissionsfromdate")),
        "due_at": moment(item.get("duedate")),
        "lock_at": moment(item.get("cutoffdate")),
        "published": module.visible,
        "anonymous_grading": truth(item.get("blindmarking")),
        "extra": {
            **pick(item, *_EXTRA),
            **({"scale_id": str(int(-grade))} if scale and grade is not None else {}),
            **({"file_ids": attached} if attached else {}),
        },
    }
    return Record(kind=Kind.ASSIGNMENTS, id=module.id, data=data)


async def _guarded(reading: Reading, module: Module) -> Parts:
    async with aclosing(reading.guarded(_work(reading, module), Kind.SUBMISSIONS, of=module.id)) as parts:
        async for part in parts:
            yield part


async def _work(reading: Reading, module: Module) -> Parts:
    work = _Work(id=module.instance)
    for function, collect in (
        ("mod_assign_get_submissions", _take_submissions),
        ("mod_assign_get_grades", _take_grades),
        ("mod_assign_get_user_flags", _take_flags),
    ):
        # Without submissions there is nothing; without grades or flags, the submissions are still worth having.
        needed = function == "mod_assign_get_submissions"
        try:
            body, found = await reading.listing(function, {"assignmentids": [module.instance]}, key="assignments")
        except (NoAccess, NotFound, Unavailable, MalformedAnswer) as error:
            if needed:
                raise
            detail = f"{function}: {error}"
            yield Gap(kind=Kind.SUBMISSIONS, reason=reason_of(error), id=module.id, detail=detail, count=0)
            yield reading.files_unknown(error, module.id)
            continue
        yield reading.raw(function, found, of=module.instance)
        for part in reading.warned(body, Kind.SUBMISSIONS, usual=_NONE):
            yield part
        for item in found:
            collect(work, item)
    async with aclosing(_results(reading, module, work)) as parts:
        async for part in parts:
            yield part


def _take_submissions(work: _Work, item: Json) -> None:
    work.submissions += objects(item.get("submissions"))


def _take_grades(work: _Work, item: Json) -> None:
    work.grades |= {ident(grade, "userid"): grade for grade in objects(item.get("grades"))}


def _take_flags(work: _Work, item: Json) -> None:
    work.flags |= {ident(flag, "userid"): flag for flag in objects(item.get("userflags"))}


async def _results(reading: Reading, module: Module, work: _Work) -> Parts:
    """Yield one record for everybody with work or a grade, and for every team."""
    left = dict(work.grades)
    for item in work.submissions:
        owner = person(item.get("userid"))
        grade = left.pop(owner, None) if owner else None
        async with aclosing(_one(reading, module, work, item, owner, grade)) as parts:
            async for part in parts:
                yield part
    # Grades without work of one's own: given outside of Moodle, or to the members of a team.
    for owner, grade in left.items():
        async with aclosing(_one(reading, module, work, None, owner, grade)) as parts:
            async for part in parts:
                yield part


async def _one(
    reading: Reading, module: Module, work: _Work, item: Json | None, owner: str | None, grade: Json | None
) -> Parts:
    reading.refer(owner)
    reading.refer((grade or {}).get("grader"))
    status: Json = {}
    key = f"assign-{(item or {}).get('id')}" if item else f"assign-grade-{(grade or {}).get('id')}"
    if owner and (grade is not None or (whole((item or {}).get("attemptnumber")) or 0) > 0):
        asked = _status(reading, module, owner, status)
        async with aclosing(reading.guarded(asked, Kind.SUBMISSIONS, of=key, count=0)) as parts:
            async for part in parts:
                yield part
    elif owner is None:
        for part in _unread_team(item, key):
            yield part
    try:
        versions = _versions(item, status)
        for version in versions:
            for part in _files(reading, version, owner):
                yield part
        for plugins in _feedback(status):
            for part in _plugin_files(reading, plugins, owner, "feedback"):
                yield part
    except (TypeError, ValueError):
        versions = []  # the record itself will say what is wrong
    flag = work.flags.get(owner or "")
    for part in reading.mapped(
        Kind.SUBMISSIONS,
        item or {},
        lambda found: _submission(reading, found, module, key, owner, grade, versions, status, flag),
        of=key,
    ):
        yield part


def _unread_team(item: Json | None, key: str) -> Iterator[Part]:
    if (whole((item or {}).get("attemptnumber")) or 0) > 0:
        detail = "earlier attempts of a team are told only to its members"
        yield Gap(kind=Kind.SUBMISSIONS, reason=GapReason.NOT_OFFERED, id=key, detail=detail, count=0)


async def _status(reading: Reading, module: Module, owner: str, into: Json) -> Parts:
    found = await reading.call("mod_assign_get_submission_status", {"assignid": module.instance, "userid": owner})
    yield reading.raw("assign_submission_status", found, of=f"{module.instance}-{owner}")
    for part in reading.warned(found, Kind.SUBMISSIONS):
        yield part
    into.update(found)


def _versions(item: Json | None, status: Json) -> list[Json]:
    """Return every attempt, oldest first, the standing one last."""
    earlier = objects(status.get("previousattempts"))
    found = [
        {
            **_object(one.get("submission")),
            "number": whole(one.get("attemptnumber")),
            "grade": _object(one.get("grade")),
            "feedback": objects(one.get("feedbackplugins")),
        }
        for one in earlier
    ]
    found.sort(key=lambda one: one["number"] or 0)
    return [*found, {**item, "number": whole(item.get("attemptnumber"))}] if item is not None else found


def _feedback(status: Json) -> Iterator[list[Json]]:
    yield objects(_object(status.get("feedback")).get("plugins"))


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _files(reading: Reading, version: Json, owner: str | None) -> Iterator[Part]:
    yield from _plugin_files(reading, objects(version.get("plugins")), owner, "submissions")
    yield from _plugin_files(reading, objects(version.get("feedback")), owner, "feedback")


def _plugin_files(reading: Reading, plugins: list[Json], owner: str | None, group: str) -> Iterator[Part]:
    for plugin in plugins:
        for area in objects(plugin.get("fileareas")):
            yield from reading.attached(area.get("files"), group=group, owner=owner)


def _file_ids(reading: Reading, plugins: object) -> list[str]:
    found = (
        file_id
        for plugin in objects(plugins)
        for area in objects(plugin.get("fileareas"))
        for file_id in reading.ids_of(area.get("files"))
    )
    return list(dict.fromkeys(found))


def _text_of(plugins: object, type_: str) -> str | None:
    """Return what was written into a plugin's editor."""
    texts = [
        text(one.get("text")) or ""
        for plugin in objects(plugins)
        if plugin.get("type") == type_
        for one in objects(plugin.get("editorfields"))
    ]
    return "\n".join(texts) or None


def _score(grade: Json | None) -> float | None:
    """Return a grade; -1 says that there is none."""
    found = number((grade or {}).get("grade"))
    return None if found is None or found < 0 else found


def _submission(
    reading: Reading,
    item: Json,
    module: Module,
    key: str,
    owner: str | None,
    grade: Json | None,
    versions: list[Json],
    status: Json,
    flag: Json | None,
) -> Record:
    feedback = next(_feedback(status))
    said = _text_of(feedback, "comments")
    attempt = whole(item.get("attemptnumber"))
    state = text(item.get("status"))
    data = {
        "assignment_id": module.id,
        "person_id": owner,
        "group_id": person(item.get("groupid")),
        "state": state,
        "attempt": None if attempt is None else attempt + 1,
        "body_html": _text_of(item.get("plugins"), "onlinetext"),
        "submitted_at": moment(item.get("timemodified")) if state == "submitted" else None,
        "score": _score(grade),
        "grade": text((grade or {}).get("grade")) if _score(grade) is not None else None,
        "graded_at": moment((grade or {}).get("timemodified")) if _score(grade) is not None else None,
        "grader_id": person((grade or {}).get("grader")),
        "file_ids": _file_ids(reading, item.get("plugins")),
        "attempts": [_attempt(reading, version) for version in versions],
        "comments": [{"comment": said, "file_ids": _file_ids(reading, feedback)}] if said or feedback else [],
        "extra": {
            **pick(item, "gradingstatus", "timecreated", "timestarted"),
            **({"flags": flag} if flag else {}),
            **({"graded_attempt": text(grade.get("attemptnumber"))} if grade else {}),
        },
    }
    return Record(kind=Kind.SUBMISSIONS, id=key, data=data)


def _attempt(reading: Reading, version: Json) -> dict[str, Any]:
    grade = _object(version.get("grade"))
    number_ = version.get("number")
    feedback = version.get("feedback")
    found: dict[str, Any] = {
        "id": text(version.get("id")),
        "attempt": None if number_ is None else number_ + 1,
        "state": text(version.get("status")),
        "submitted_at": _stamp(version.get("timemodified")),
        "created_at": _stamp(version.get("timecreated")),
        "body_html": _text_of(version.get("plugins"), "onlinetext"),
        "file_ids": _file_ids(reading, version.get("plugins")),
        "score": _score(grade),
        "grader_id": person(grade.get("grader")),
        "feedback": _text_of(feedback, "comments"),
        "feedback_file_ids": _file_ids(reading, feedback),
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def _stamp(value: object) -> str | None:
    found = moment(value)
    return None if found is None else found.isoformat().replace("+00:00", "Z")
