"""Builds the content of one course: ids, moments and names come from here, always the same for the same seed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from coursekeep_campus.content import ORIGIN, Bytes, Content, Doc, Page, Person, Storage, StoredFile, Submission, Topic
from coursekeep_campus.grading import course_scores
from coursekeep_campus.model import Course
from coursekeep_campus.shapes import assignment_doc, enrollment_doc, grades_doc, section_doc
from coursekeep_campus.shapes_material import entry_doc, file_doc, folder_doc, item_doc, module_doc, page_doc, topic_doc
from coursekeep_campus.times import stamp

__all__ = ["Builder"]

#: what texts are made of
_WORDS = (
    "method", "result", "sample", "field", "balance", "motion", "archive", "reading",
    "source", "theory", "practice", "model", "measure", "record", "study", "question",
    "answer", "example", "evidence", "language", "structure", "history", "number", "figure",
    "change", "region", "energy", "survey", "draft",
)  # fmt: skip


class Builder:
    """Collects one course's content. `verifiers` says whether its files' addresses carry a secret."""

    def __init__(
        self, course: Course, *, first_id: int, start: datetime, now: datetime, seed: str, verifiers: bool
    ) -> None:
        self.course = course
        self.content = Content()
        self.random = random.Random(seed)  # noqa: S311  # content, not secrets
        self.start = start
        self.now = now
        self.verifiers = verifiers
        self.students: list[Person] = []
        self._next_id = first_id

    def new_id(self) -> int:
        """Return the next id; no two things of a campus share one."""
        self._next_id += 1
        return self._next_id

    def start_ids_at(self, number: int) -> None:
        """Number everything from here on."""
        self._next_id = number

    def day(self, number: float, minutes: int = 0) -> datetime:
        """Return a moment of the course, counted in days from its start."""
        return (self.start + timedelta(days=number, minutes=minutes)).replace(microsecond=0)

    def words(self, count: int) -> str:
        """Return some words."""
        return " ".join(self.random.choice(_WORDS) for _ in range(count))

    def html(self, paragraphs: int = 1) -> str:
        """Return some paragraphs of HTML."""
        return "".join(f"<p>{self.words(18).capitalize()}.</p>" for _ in range(paragraphs))

    def section(self, name: str, **fields: object) -> Doc:
        """Add a section."""
        sis = f"{self.course.sis_id}-{len(self.content.sections) + 1}" if self.course.sis_id else None
        shared = {"sis_section_id": sis, "sis_course_id": self.course.sis_id}
        doc = section_doc(self.new_id(), self.course.id, name, **{**shared, **fields})
        self.content.sections.append(doc)
        return doc

    def enroll(self, person: Person, role: str, section: Doc | None = None, **fields: object) -> Doc:
        """Enrol a person, by default in the first section."""
        section = section or self.content.sections[0]
        moments = {"created_at": stamp(self.day(-7)), "updated_at": stamp(self.day(-6))}
        extra = {**moments, "sis_course_id": self.course.sis_id, "sis_section_id": section["sis_section_id"], **fields}
        doc = enrollment_doc(self.new_id(), self.course.id, section["id"], person, role, **extra)
        self.content.enrollments.append(doc)
        self.content.people[person.id] = person
        return doc

    def assignment(self, name: str, **fields: object) -> Doc:
        """Add an assignment to the first group, due one week after the one before."""
        number = len(self.content.assignments) + 1
        shared: Doc = {"position": number, "due_at": stamp(self.day(14 * number)), "description": self.html()}
        group = self.content.assignment_groups[0]["id"]
        doc = assignment_doc(self.new_id(), self.course.id, group, name, **{**shared, **fields})
        self.content.assignments.append(doc)
        return doc

    def submission(self, assignment: Doc, person: Person, state: str, **fields: object) -> Submission:
        """Add a submission."""
        values: Doc = {"due_at": assignment["due_at"], **fields}
        submission = Submission(
            id=self.new_id(), user_id=person.id, assignment_id=assignment["id"], state=state, **values
        )
        self.content.submissions.append(submission)
        return submission

    def page(self, title: str, body: str | None = None, **fields: object) -> Page:
        """Add a page with its first revision."""
        slug = str(fields.pop("url", None) or title.lower().replace(" ", "-"))
        moment = self.day(len(self.content.pages) + 1)
        doc = page_doc(self.new_id(), slug, title, self.html(2) if body is None else body, moment, **fields)
        page = Page(doc=doc)
        self.revise(page, title, doc["body"], moment)
        self.content.pages.append(page)
        return page

    def revise(self, page: Page, title: str, body: str | None, moment: datetime, slug: str | None = None) -> None:
        """Add a revision to a page, which shows it from then on."""
        for revision in page.revisions:
            revision["latest"] = False
        page.doc.update(title=title, body=body, updated_at=stamp(moment), url=slug or page.doc["url"])
        teacher = self.course.teachers[0]
        editor = {"id": teacher.id, "display_name": teacher.name, "anonymous_id": f"t{teacher.id}"}
        page.doc["last_edited_by"] = editor
        page.revisions.append(
            {
                "revision_id": len(page.revisions) + 1,
                "updated_at": stamp(moment),
                "latest": True,
                "edited_by": editor,
                "url": page.doc["url"],
                "title": title,
                "body": body,
            }
        )

    def topic(self, title: str, *, announcement: bool = False, **fields: object) -> Topic:
        """Add a discussion topic or announcement by the teacher."""
        teacher = self.course.teachers[0]
        shared = {"author": {"id": teacher.id, "display_name": teacher.name}, "user_name": teacher.name}
        moment = self.day(2 + len(self.content.topics))
        message = fields.pop("message", None)
        text = self.html() if message is None else str(message)
        doc = topic_doc(self.new_id(), self.course.id, title, text, moment, **{**shared, **fields})
        if announcement:
            doc["is_announcement"] = True
        topic = Topic(doc=doc, announcement=announcement)
        self.content.topics.append(topic)
        return topic

    def entry(self, topic: Topic, person: Person, parent: Doc | None = None, **fields: object) -> Doc:
        """Add a reply to the built tree of a topic."""
        count = topic.doc["discussion_subentry_count"]
        moment = self.day(5, minutes=count)
        message = str(fields.pop("message", "") or self.html())
        doc = entry_doc(self.new_id(), person.id, message, moment, **fields)
        if parent is None:
            topic.entries.append(doc)
        else:
            doc["parent_id"] = parent["id"]
            parent.setdefault("replies", []).append(doc)
        topic.doc.update(discussion_subentry_count=count + 1, last_reply_at=stamp(moment))
        self.participate(topic, person)
        return doc

    def participate(self, topic: Topic, person: Person) -> None:
        """Name a person among the participants of a topic."""
        if all(p["id"] != person.id for p in topic.participants):
            shown = {"id": person.id, "anonymous_id": f"p{person.id}", "display_name": person.name}
            topic.participants.append({**shown, "avatar_image_url": None})

    def folder(self, name: str, parent: Doc | None = None, **fields: object) -> Doc:
        """Add a folder; the first one is the root."""
        path = name if parent is None else f"{parent['full_name']}/{name}"
        doc = folder_doc(self.new_id(), self.course.id, path, parent["id"] if parent else None, **fields)
        if parent is not None:
            parent["folders_count"] += 1
        self.content.folders.append(doc)
        return doc

    def file(
        self,
        name: str,
        data: bytes | None = None,
        *,
        folder: Doc | None = None,
        storage: Storage = Storage.GOOD,
        attached: bool = False,
        folder_only: bool = False,
        **fields: Any,
    ) -> StoredFile:
        """Add a file to a folder, by default the root, or as an attachment to something."""
        content = Bytes(data=self.bytes() if data is None else data)
        number = self.new_id()
        verifier = f"v{self.random.getrandbits(80):020x}" if self.verifiers else None
        folder = folder or self.content.folders[0]
        place = None if attached else folder["id"]
        doc = file_doc(number, name, content.size, self.day(1), verifier=verifier, **{"folder_id": place, **fields})
        hops = 2 if number % 3 == 0 else 1
        stored = StoredFile(doc=doc, content=content, verifier=verifier, storage=storage, hops=hops)
        stored.folder_only = folder_only
        if attached:
            self.content.attachments.append(stored)
        else:
            folder["files_count"] += 1
            self.content.files.append(stored)
        return stored

    def bytes(self) -> bytes:
        """Return the bytes of a small text file."""
        return (self.words(300 + self.random.randrange(200)) + "\n").encode()

    def module(self, name: str, items: list[tuple[str, str, Doc]]) -> Doc:
        """Add a module; its items are given as (type, title, further fields)."""
        position = len(self.content.modules) + 1
        module = module_doc(self.new_id(), self.course.id, name, position, len(items))
        self.content.modules.append(module)
        self.content.module_items[module["id"]] = [
            item_doc(self.new_id(), self.course.id, module["id"], number, title, kind, **fields)
            for number, (kind, title, fields) in enumerate(items, 1)
        ]
        return module

    def event(self, title: str, start: datetime | None, **fields: object) -> Doc:
        """Add an event to the calendar."""
        number = self.new_id()
        doc: Doc = {
            "id": number,
            "title": title,
            "type": "event",
            "description": self.html(),
            "start_at": stamp(start),
            "end_at": stamp(start + timedelta(hours=1)) if start else None,
            "all_day": False,
            "location_name": "Room 12",
            "context_code": f"course_{self.course.id}",
            "workflow_state": "active",
            "hidden": False,
            "html_url": f"{ORIGIN}/calendar?event_id={number}",
            "created_at": stamp(self.day(0)),
            "updated_at": stamp(self.day(0)),
            **fields,
        }
        self.content.calendar.append(doc)
        return doc

    def finish(self) -> None:
        """Work out what depends on all the rest."""
        content = self.content
        content.enrollments.sort(key=lambda doc: doc["id"])
        content.submissions.sort(key=lambda s: s.id)
        gone = ("deleted", "rejected")
        staying = [doc for doc in content.enrollments if doc["enrollment_state"] not in gone]
        students = {doc["user_id"] for doc in staying if doc["type"] == "StudentEnrollment"}
        self.course.student_count, self.course.enrolled = len(students), len(staying)
        for doc in content.enrollments:
            if doc["type"] == "StudentEnrollment":
                current, final = course_scores(self.course, content, doc["user_id"])
                doc["grades"] = grades_doc(self.course.id, doc["user_id"], current, final)
