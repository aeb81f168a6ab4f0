"""What activities of a Moodle 1.9 backup become: pages, assignments, forums and quizzes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.documents import child, children
from coursekeep_connectors.packages.moodle.texts import facts, identified, plain, said, time_of
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import number, whole

__all__ = ["WORK"]

_BASIS = "moodle.xml"

Attached = Mapping[tuple[str, str], list[str]]


def _resource(package: Package, element: Element, id_: str, attached: Attached) -> Iterator[Part]:
    if said(element, "TYPE") in ("html", "text") or said(element, "ALLTEXT") is not None:
        data: dict[str, Any] = {
            "title": said(element, "NAME"),
            "body_html": said(element, "ALLTEXT"),
            "updated_at": time_of(package, element, "TIMEMODIFIED", f"resource-{id_}"),
            "extra": {"resource": facts(element, "NAME", "ALLTEXT")},
        }
        yield package.sheet.record(Kind.PAGES, f"resource-{id_}", data, basis=_BASIS)


def _assignment(package: Package, element: Element, id_: str, attached: Attached) -> Iterator[Part]:
    own = f"assignment-{id_}"
    data: dict[str, Any] = {
        "title": said(element, "NAME"),
        "description_html": said(element, "DESCRIPTION"),
        "points_possible": number(said(element, "GRADE")),
        "submission_types": [type_] if (type_ := said(element, "ASSIGNMENTTYPE")) else [],
        "unlock_at": time_of(package, element, "TIMEAVAILABLE", own),
        "due_at": time_of(package, element, "TIMEDUE", own),
        "extra": {"assignment": facts(element, "NAME", "DESCRIPTION")},
    }
    yield package.sheet.record(Kind.ASSIGNMENTS, own, data, basis=_BASIS)
    for each in children(child(element, "SUBMISSIONS"), "SUBMISSION"):
        where, person = f"submission-{said(each, 'ID')}", identified(each, "USERID")
        score, comment = number(said(each, "GRADE")), said(each, "SUBMISSIONCOMMENT")
        data = {
            "assignment_id": own,
            "person_id": person,
            "body_html": said(each, "DATA1"),
            "submitted_at": time_of(package, each, "TIMEMODIFIED", where),
            "score": None if score is not None and score < 0 else score,  # -1 is the sign for not graded
            "graded_at": time_of(package, each, "TIMEMARKED", where),
            "grader_id": identified(each, "TEACHER"),
            "file_ids": attached.get((id_, person or ""), []),
            "comments": [{"text": comment, "author_id": identified(each, "TEACHER")}] if comment else [],
            "extra": {"submission": facts(each, "DATA1", "SUBMISSIONCOMMENT")},
        }
        yield package.sheet.record(Kind.SUBMISSIONS, where, data, basis=_BASIS)


def _forum(package: Package, element: Element, id_: str, attached: Attached) -> Iterator[Part]:
    for each in children(child(element, "DISCUSSIONS"), "DISCUSSION"):
        own, opening = f"discussion-{said(each, 'ID')}", said(each, "FIRSTPOST")
        posts = list(children(child(each, "POSTS"), "POST"))
        first = next((post for post in posts if said(post, "ID") == opening), None)
        data: dict[str, Any] = {
            "announcement": said(element, "TYPE") == "news",
            "title": said(each, "NAME"),
            "message_html": said(first, "MESSAGE"),
            "author_id": identified(each, "USERID"),
            "posted_at": time_of(package, first, "CREATED", own),
            "last_reply_at": time_of(package, each, "TIMEMODIFIED", own),
            "extra": {"forum_id": id_, "discussion": facts(each), "first_post": facts(first, "MESSAGE")},
        }
        yield package.sheet.record(Kind.DISCUSSIONS, own, data, basis=_BASIS)
        for post in posts:
            if post is not first:
                parent, where = identified(post, "PARENT"), f"post-{said(post, 'ID')}"
                data = {
                    "discussion_id": own,
                    "parent_id": None if parent == opening else parent,
                    "author_id": identified(post, "USERID"),
                    "message_html": said(post, "MESSAGE"),
                    "created_at": time_of(package, post, "CREATED", where),
                    "updated_at": time_of(package, post, "MODIFIED", where),
                    "extra": {"post": facts(post, "MESSAGE")},
                }
                yield package.sheet.record(Kind.POSTS, said(post, "ID") or "", data, basis=_BASIS)


def _quiz(package: Package, element: Element, id_: str, attached: Attached) -> Iterator[Part]:
    own = f"quiz-{id_}"
    attempts = whole(said(element, "ATTEMPTS_NUMBER"))
    data: dict[str, Any] = {
        "title": said(element, "NAME"),
        "description_html": said(element, "INTRO"),
        "quiz_type": "quiz",
        "points_possible": number(said(element, "GRADE")),
        "allowed_attempts": -1 if attempts == 0 else attempts,
        "unlock_at": time_of(package, element, "TIMEOPEN", own),
        "lock_at": time_of(package, element, "TIMECLOSE", own),
        "extra": {"quiz": facts(element, "NAME", "INTRO", "PASSWORD"), **_slots(element)},
    }
    yield package.sheet.record(Kind.QUIZZES, own, data, basis=_BASIS)
    for each in children(child(element, "ATTEMPTS"), "ATTEMPT"):
        where = f"attempt-{said(each, 'ID')}"
        data = {
            "quiz_id": own,
            "person_id": identified(each, "USERID"),
            "attempt": whole(said(each, "ATTEMPTNUM")),
            "started_at": time_of(package, each, "TIMESTART", where),
            "finished_at": time_of(package, each, "TIMEFINISH", where),
            "score": number(said(each, "SUMGRADES")),
            "answers": [plain(state) for state in children(child(each, "STATES"), "STATE")],
            "extra": {"attempt": facts(each)},
        }
        yield package.sheet.record(Kind.QUIZ_ATTEMPTS, said(each, "ID") or "", data, basis=_BASIS)


def _slots(element: Element) -> dict[str, Any]:
    found = [facts(each) for each in children(child(element, "QUESTION_INSTANCES"), "QUESTION_INSTANCE")]
    return {"question_instances": found} if found else {}


#: what reads an activity, by its type
WORK: Mapping[str, Callable[[Package, Element, str, Attached], Iterator[Part]]] = {
    "resource": _resource,
    "assignment": _assignment,
    "forum": _forum,
    "quiz": _quiz,
}
