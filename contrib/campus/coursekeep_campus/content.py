"""What is inside a course: pure data.

What the server must reason about is typed. What it only serves is a `Doc`: a dictionary in the very shape in which
Canvas answers. Addresses in docs begin with `ORIGIN`, which the server replaces by its own address when it answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "ORIGIN",
    "Bytes",
    "Content",
    "Doc",
    "GroupSpace",
    "Page",
    "Person",
    "Storage",
    "StoredFile",
    "Submission",
    "Topic",
]

Doc = dict[str, Any]

#: stands for the address of the LMS in every doc
ORIGIN = "@campus-origin@"


class Storage(StrEnum):
    """What happens when a file's bytes are asked for."""

    GOOD = "good"
    MISSING = "missing"  # an HTML page with status 404
    LOGIN = "login"  # a log-in page with status 200: the session behind the address is lost


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A user of the campus; always an obviously made-up or anonymous one."""

    id: int
    name: str
    sortable_name: str
    login: str
    sis_id: str | None = None
    email: str | None = None
    test_student: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bytes:
    """The content of a file: given bytes, or `length` bytes of a repeated block, never held as a whole."""

    data: bytes = b""
    length: int = 0

    @property
    def size(self) -> int:
        """Count the bytes."""
        return self.length or len(self.data)

    def chunks(self, size: int = 1 << 18) -> Iterator[bytes]:
        """Yield the content piece by piece."""
        if not self.length:
            for start in range(0, len(self.data), size):
                yield self.data[start : start + size]
            return
        block = bytes(range(256)) * (size // 256)
        left = self.length
        while left > 0:
            yield block if left >= len(block) else block[:left]
            left -= len(block)


@dataclass(kw_only=True, slots=True)
class StoredFile:
    """A file: what its metadata say (`doc`), its bytes, and how they are served.

    `verifier` is the secret in its address; None where the address has none and the token is needed. `hops` is how many
    redirects lead to the bytes.
    """

    doc: Doc
    content: Bytes
    verifier: str | None = None
    storage: Storage = Storage.GOOD
    hops: int = 1
    #: listed in its folder only, as Canvas does with hidden and submission folders
    folder_only: bool = False

    @property
    def id(self) -> int:
        """Return the file's id."""
        number: int = self.doc["id"]
        return number


@dataclass(kw_only=True, slots=True)
class Page:
    """A wiki page: its doc with the newest body, and all revisions, oldest first."""

    doc: Doc
    revisions: list[Doc] = field(default_factory=list)
    #: slugs of earlier names, which no longer lead here
    front: bool = False


@dataclass(kw_only=True, slots=True)
class Topic:
    """A discussion topic or announcement with its replies.

    `entries` is the materialised tree (`view`), `new_entries` what came after it was built. `unready` is how often
    `/view` answers 503 first. An `anonymous` topic has no replies in the API at all.
    """

    doc: Doc
    announcement: bool = False
    entries: list[Doc] = field(default_factory=list)
    new_entries: list[Doc] = field(default_factory=list)
    participants: list[Doc] = field(default_factory=list)
    unready: int = 0
    anonymous: bool = False
    require_initial_post: bool = False


@dataclass(kw_only=True, slots=True)
class Submission:
    """One student's work on one assignment.

    `more` holds what most submissions lack (body, attachments, comments, rubric assessment ...) under Canvas's names,
    `history` the attempts, oldest first; empty means: the standing attempt only.
    """

    id: int
    user_id: int
    assignment_id: int
    state: str
    score: float | None = None
    grade: str | None = None
    attempt: int | None = None
    type: str | None = None
    submitted_at: str | None = None
    graded_at: str | None = None
    grader_id: int | None = None
    due_at: str | None = None
    late: bool = False
    missing: bool = False
    seconds_late: int = 0
    more: Doc = field(default_factory=dict)
    history: list[Doc] = field(default_factory=list)
    comments: list[Doc] = field(default_factory=list)
    rubric_assessment: Doc | None = None


@dataclass(kw_only=True, slots=True)
class GroupSpace:
    """What a student group keeps for itself."""

    files: list[StoredFile] = field(default_factory=list)
    folders: list[Doc] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    topics: list[Topic] = field(default_factory=list)
    memberships: list[Doc] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Content:
    """Everything inside one course. Lists are in the order in which Canvas would serve them."""

    syllabus: str = ""
    sections: list[Doc] = field(default_factory=list)
    enrollments: list[Doc] = field(default_factory=list)
    people: dict[int, Person] = field(default_factory=dict)
    group_categories: list[Doc] = field(default_factory=list)
    groups: list[Doc] = field(default_factory=list)
    group_spaces: dict[int, GroupSpace] = field(default_factory=dict)
    assignment_groups: list[Doc] = field(default_factory=list)
    assignments: list[Doc] = field(default_factory=list)
    overrides: dict[int, list[Doc]] = field(default_factory=dict)
    peer_reviews: dict[int, list[Doc]] = field(default_factory=dict)
    #: sorted by id
    submissions: list[Submission] = field(default_factory=list)
    grade_changes: list[Doc] = field(default_factory=list)
    rubrics: list[Doc] = field(default_factory=list)
    topics: list[Topic] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    modules: list[Doc] = field(default_factory=list)
    module_items: dict[int, list[Doc]] = field(default_factory=dict)
    quizzes: list[Doc] = field(default_factory=list)
    quiz_questions: dict[int, list[Doc]] = field(default_factory=dict)
    quiz_groups: dict[int, list[Doc]] = field(default_factory=dict)
    quiz_submissions: dict[int, list[Doc]] = field(default_factory=dict)
    #: New Quizzes by assignment id; None where the tool is not provisioned for the course
    new_quizzes: dict[int, Doc] | None = None
    new_quiz_items: dict[int, list[Doc]] = field(default_factory=dict)
    folders: list[Doc] = field(default_factory=list)
    #: folders that are listed, but do not show what is in them
    closed_folders: set[int] = field(default_factory=set)
    files: list[StoredFile] = field(default_factory=list)
    #: attachments of submissions, comments and posts: reachable by id only
    attachments: list[StoredFile] = field(default_factory=list)
    calendar: list[Doc] = field(default_factory=list)
    outcome_groups: list[Doc] = field(default_factory=list)
    outcome_links: list[Doc] = field(default_factory=list)
    outcomes: dict[int, Doc] = field(default_factory=dict)
    outcome_results: list[Doc] = field(default_factory=list)
    settings: Doc = field(default_factory=dict)
    tabs: list[Doc] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    late_policy: Doc | None = None
    grading_periods: list[Doc] = field(default_factory=list)
    grading_standards: list[Doc] = field(default_factory=list)
    gradebook_columns: list[Doc] = field(default_factory=list)
    gradebook_column_data: dict[int, list[Doc]] = field(default_factory=dict)
    external_tools: list[Doc] = field(default_factory=list)
    _by_student: dict[int, list[Submission]] | None = None
    _enrolled: dict[int, list[Doc]] | None = None
    _gradable: list[int] | None = None
    _by_assignment: dict[int, list[Submission]] | None = None

    def submitters(self) -> Set[int]:
        """Return the ids of all who have submissions, from an index made once."""
        if self._by_student is None:
            self.submissions_of_student(0)
        return (self._by_student or {}).keys()

    def submissions_of_student(self, user_id: int) -> list[Submission]:
        """Return a student's submissions, from an index made once."""
        if self._by_student is None:
            self._by_student = {}
            for submission in self.submissions:
                self._by_student.setdefault(submission.user_id, []).append(submission)
        return self._by_student.get(user_id, [])

    def submissions_of_assignment(self, assignment_id: int) -> list[Submission]:
        """Return an assignment's submissions, from an index made once."""
        if self._by_assignment is None:
            self._by_assignment = {}
            for submission in self.submissions:
                self._by_assignment.setdefault(submission.assignment_id, []).append(submission)
        return self._by_assignment.get(assignment_id, [])

    def gradable(self) -> list[int]:
        """Return the ids of all whose submissions are served: students and test students, not those deleted."""
        if self._gradable is None:
            students = ("StudentEnrollment", "StudentViewEnrollment")
            gone = ("deleted", "rejected")
            served = [e for e in self.enrollments if e["type"] in students and e["enrollment_state"] not in gone]
            self._gradable = sorted({doc["user_id"] for doc in served})
        return self._gradable

    def enrollments_of(self, user_id: int) -> list[Doc]:
        """Return a person's enrolments, from an index made once."""
        if self._enrolled is None:
            self._enrolled = {}
            for doc in self.enrollments:
                self._enrolled.setdefault(doc["user_id"], []).append(doc)
        return self._enrolled.get(user_id, [])

    def all_files(self) -> Iterator[StoredFile]:
        """Yield every file of the course, its attachments and its groups."""
        yield from self.files
        yield from self.attachments
        for space in self.group_spaces.values():
            yield from space.files
