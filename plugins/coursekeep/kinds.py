"""The normalised records of a package: one kind, one file, one model.

The models are the contract between connectors, packages and whoever opens a package in twenty years: the JSON Schemas
in every package are made from them. Fields are named as neutrally as the LMSs allow; what does not fit stays in the
LMS's own answers under ``native/api``. Every field but the id may be null: null means that the LMS did not say.
HTML stays as the LMS gave it, without secrets. Times are RFC 3339 UTC text. Ids of other records are text.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

__all__ = ["MODELS", "SCHEMA_VERSION", "Kind", "KindModel"]

#: raised when a field changes its meaning or disappears; new fields do not raise it
SCHEMA_VERSION = 1


class Kind(StrEnum):
    """The kinds of records, each the name of a file in ``records/``."""

    PEOPLE = "people"
    SECTIONS = "sections"
    ENROLLMENTS = "enrollments"
    GROUPS = "groups"
    STRUCTURE = "structure"
    PAGES = "pages"
    PAGE_REVISIONS = "page_revisions"
    ASSIGNMENT_GROUPS = "assignment_groups"
    ASSIGNMENTS = "assignments"
    RUBRICS = "rubrics"
    SUBMISSIONS = "submissions"
    GRADES = "grades"
    GRADE_HISTORY = "grade_history"
    QUIZZES = "quizzes"
    QUIZ_QUESTIONS = "quiz_questions"
    QUIZ_ATTEMPTS = "quiz_attempts"
    DISCUSSIONS = "discussions"
    POSTS = "posts"
    ACTIVITIES = "activities"
    RESPONSES = "responses"
    CALENDAR_EVENTS = "calendar_events"
    OUTCOMES = "outcomes"
    OUTCOME_RESULTS = "outcome_results"
    COMPLETIONS = "completions"
    BADGES = "badges"
    SETTINGS = "settings"
    FILES = "files"
    NATIVE_EXPORTS = "native_exports"


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return moment


Time = Annotated[datetime, AfterValidator(_utc)]
Json = JsonValue


class KindModel(BaseModel):
    """Base of all kinds: unknown fields are refused, so that a misspelt one cannot vanish."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    id: str = Field(description="The LMS's id, unique among records of this kind in this package.")


class Person(KindModel):
    """A person with any relation to the course: enrolled, formerly enrolled, or author of something in it."""

    name: str | None = Field(None, description="Full name as shown by the LMS.")
    sortable_name: str | None = None
    short_name: str | None = None
    login_id: str | None = None
    sis_id: str | None = Field(None, description="Id in the student information system.")
    email: str | None = None
    pronouns: str | None = None
    test_student: bool | None = Field(None, description="True for the LMS's artificial preview student.")


class Section(KindModel):
    """A section (teaching group with its own roster) of the course."""

    name: str | None = None
    sis_id: str | None = None
    start_at: Time | None = None
    end_at: Time | None = None
    dates_restrict_access: bool | None = Field(None, description="True where the section's dates govern access.")
    original_course_id: str | None = Field(None, description="Course that a cross-listed section comes from.")


class Enrollment(KindModel):
    """One person's role in one section, in whatever state, ended and deleted ones too."""

    person_id: str
    section_id: str | None = None
    role: str = Field(description="student, teacher, assistant, designer, observer, test_student or other.")
    role_name: str | None = Field(None, description="The institution's own name of the role.")
    state: str = Field(description="The LMS's word: active, invited, completed, inactive, rejected, deleted ...")
    observed_person_id: str | None = Field(None, description="Whom an observer observes.")
    start_at: Time | None = None
    end_at: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    last_activity_at: Time | None = None
    total_activity_seconds: int | None = None
    sis_id: str | None = None


class Group(KindModel):
    """A group of students and its members."""

    name: str | None = None
    description: str | None = None
    category_id: str | None = None
    category_name: str | None = None
    member_ids: list[str] = Field(default_factory=list, description="Ids of people.")
    memberships: list[dict[str, Json]] = Field(default_factory=list, description="Members with their state.")
    max_members: int | None = None
    sis_id: str | None = None


class StructureNode(KindModel):
    """A node of the course's outline: a module (or section, week, folder) or an item in one."""

    node: str = Field(description="module or item.")
    parent_id: str | None = Field(None, description="Id of the node it belongs to; null at the top.")
    position: int | None = None
    indent: int | None = None
    title: str | None = None
    item_type: str | None = Field(None, description="page, file, assignment, quiz, discussion, url, tool, label ...")
    target_kind: str | None = Field(None, description="Kind of the record that it points to.")
    target_id: str | None = None
    url: str | None = Field(None, description="External address, where it is a link.")
    published: bool | None = None
    unlock_at: Time | None = None
    requirement: dict[str, Json] | None = Field(None, description="What completes it.")
    prerequisite_ids: list[str] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class Page(KindModel):
    """A page with its newest body."""

    slug: str | None = Field(None, description="Name in addresses; changes when a page is renamed.")
    title: str | None = None
    body_html: str | None = None
    published: bool | None = None
    front_page: bool | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    editor_id: str | None = Field(None, description="Who edited it last.")
    editing_roles: str | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class PageRevision(KindModel):
    """One earlier or the newest state of a page. The id is `<page id>-<revision id>`."""

    page_id: str
    revision: int | None = None
    latest: bool | None = None
    title: str | None = None
    slug: str | None = None
    body_html: str | None = None
    updated_at: Time | None = None
    editor_id: str | None = None


class AssignmentGroup(KindModel):
    """A weighted group (category) of assignments."""

    name: str | None = None
    position: int | None = None
    weight: float | None = Field(None, description="Percent of the final grade, 0 to 100.")
    rules: dict[str, Json] = Field(default_factory=dict, description="Drop rules.")
    sis_id: str | None = None


class Assignment(KindModel):
    """Something to be graded: assignment, graded quiz or graded discussion."""

    group_id: str | None = Field(None, description="Id of its assignment group.")
    title: str | None = None
    description_html: str | None = None
    position: int | None = None
    points_possible: float | None = None
    grading_type: str | None = None
    submission_types: list[str] = Field(default_factory=list)
    allowed_attempts: int | None = Field(None, description="-1 means no limit.")
    unlock_at: Time | None = None
    due_at: Time | None = None
    lock_at: Time | None = None
    published: bool | None = None
    omit_from_final_grade: bool | None = None
    anonymous_grading: bool | None = None
    group_category_id: str | None = None
    quiz_id: str | None = None
    discussion_id: str | None = None
    rubric_id: str | None = None
    overrides: list[dict[str, Json]] = Field(default_factory=list, description="Other dates for some.")
    tool_url: str | None = Field(None, description="External tool that delivers it.")
    sis_id: str | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Rubric(KindModel):
    """A rubric and its criteria."""

    title: str | None = None
    points_possible: float | None = None
    free_form_comments: bool | None = None
    criteria: list[dict[str, Json]] = Field(default_factory=list)
    associations: list[dict[str, Json]] = Field(default_factory=list)
    assessments: list[dict[str, Json]] = Field(default_factory=list)


class Submission(KindModel):
    """One person's work on one assignment: the standing result and every attempt before it."""

    assignment_id: str
    person_id: str | None = None
    anonymous_id: str | None = None
    state: str | None = Field(None, description="The LMS's word: unsubmitted, submitted, graded ...")
    attempt: int | None = None
    type: str | None = None
    body_html: str | None = None
    url: str | None = None
    submitted_at: Time | None = None
    score: float | None = None
    grade: str | None = None
    entered_score: float | None = None
    entered_grade: str | None = None
    graded_at: Time | None = None
    posted_at: Time | None = None
    grader_id: str | None = Field(None, description="A person, or the LMS's sign for automatic grading.")
    late: bool | None = None
    missing: bool | None = None
    excused: bool | None = None
    points_deducted: float | None = None
    seconds_late: int | None = None
    file_ids: list[str] = Field(default_factory=list, description="Attachments of the standing attempt.")
    media: dict[str, Json] | None = None
    attempts: list[dict[str, Json]] = Field(
        default_factory=list, description="Every attempt, oldest first, each with its own fields and file_ids."
    )
    comments: list[dict[str, Json]] = Field(default_factory=list)
    rubric_assessment: dict[str, Json] | None = None
    group_id: str | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Grade(KindModel):
    """Course grade of one enrolment, as the LMS computed or a teacher overrode it."""

    enrollment_id: str | None = None
    person_id: str
    current_score: float | None = None
    current_grade: str | None = None
    final_score: float | None = None
    final_grade: str | None = None
    override_score: float | None = None
    override_grade: str | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class GradeChange(KindModel):
    """One recorded change of a grade."""

    submission_id: str | None = None
    assignment_id: str | None = None
    person_id: str | None = None
    grader_id: str | None = None
    at: Time | None = None
    event: str | None = None
    score_before: float | None = None
    score_after: float | None = None
    grade_before: str | None = None
    grade_after: str | None = None
    attempt: int | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Quiz(KindModel):
    """A quiz's settings."""

    title: str | None = None
    description_html: str | None = None
    quiz_type: str | None = None
    engine: str | None = Field(None, description="Where an LMS has several: classic, new.")
    assignment_id: str | None = None
    points_possible: float | None = None
    question_count: int | None = None
    time_limit_seconds: int | None = None
    allowed_attempts: int | None = Field(None, description="-1 means no limit.")
    scoring_policy: str | None = None
    unlock_at: Time | None = None
    due_at: Time | None = None
    lock_at: Time | None = None
    published: bool | None = None
    groups: list[dict[str, Json]] = Field(default_factory=list, description="Question groups drawn from.")
    extra: dict[str, Json] = Field(default_factory=dict)


class QuizQuestion(KindModel):
    """One question with its answers."""

    quiz_id: str
    group_id: str | None = None
    position: int | None = None
    name: str | None = None
    type: str | None = None
    text_html: str | None = None
    points_possible: float | None = None
    answers: list[Json] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class QuizAttempt(KindModel):
    """One person's attempt at a quiz, with answers. The id is unique per attempt."""

    quiz_id: str
    person_id: str | None = None
    submission_id: str | None = None
    attempt: int | None = None
    state: str | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    end_at: Time | None = None
    score: float | None = None
    kept_score: float | None = None
    seconds_spent: int | None = None
    answers: list[Json] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class Discussion(KindModel):
    """A discussion topic or announcement."""

    announcement: bool = False
    title: str | None = None
    message_html: str | None = None
    author_id: str | None = None
    posted_at: Time | None = None
    delayed_post_at: Time | None = None
    lock_at: Time | None = None
    last_reply_at: Time | None = None
    published: bool | None = None
    locked: bool | None = None
    pinned: bool | None = None
    kind: str | None = Field(None, description="The LMS's word: threaded, side_comment ...")
    assignment_id: str | None = None
    group_id: str | None = Field(None, description="Group that the topic belongs to.")
    parent_id: str | None = Field(None, description="Course topic that a group topic comes from.")
    file_ids: list[str] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class Post(KindModel):
    """A reply in a discussion. A deleted one keeps its place, without its message."""

    discussion_id: str
    parent_id: str | None = Field(None, description="Post that it answers; null at the top.")
    author_id: str | None = None
    editor_id: str | None = None
    message_html: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    deleted: bool = False
    rating: float | None = None
    file_ids: list[str] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class Activity(KindModel):
    """An activity that is no assignment, quiz, page or discussion: choice, survey, database, glossary, lesson ..."""

    type: str | None = Field(None, description="The LMS's word: choice, feedback, data, forum, scorm ...")
    title: str | None = None
    description_html: str | None = None
    open_at: Time | None = None
    close_at: Time | None = None
    points_possible: float | None = None
    published: bool | None = None
    parts: list[dict[str, Json]] = Field(
        default_factory=list, description="What it is made of: options, questions, fields, pages, in their order."
    )
    file_ids: list[str] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class Response(KindModel):
    """What somebody entered or reached in an activity: a choice, answers, an entry, an assessment, an attempt."""

    activity_id: str
    person_id: str | None = Field(None, description="Null where the LMS keeps it anonymous, or it is a group's.")
    group_id: str | None = None
    type: str | None = Field(None, description="choice, answers, entry, assessment, attempt ...")
    title: str | None = None
    body_html: str | None = None
    attempt: int | None = None
    state: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    score: float | None = None
    answers: list[Json] = Field(default_factory=list)
    about_id: str | None = Field(None, description="Response or submission that this one is about.")
    file_ids: list[str] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class CalendarEvent(KindModel):
    """An event in the course's calendar."""

    title: str | None = None
    description_html: str | None = None
    type: str | None = None
    start_at: Time | None = None
    end_at: Time | None = None
    all_day: bool | None = None
    location: str | None = None
    section_id: str | None = None
    state: str | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Outcome(KindModel):
    """A learning outcome or a group of them."""

    node: str = Field(description="group or outcome.")
    parent_id: str | None = None
    title: str | None = None
    description_html: str | None = None
    points_possible: float | None = None
    mastery_points: float | None = None
    ratings: list[dict[str, Json]] = Field(default_factory=list)
    extra: dict[str, Json] = Field(default_factory=dict)


class OutcomeResult(KindModel):
    """One person's result for one outcome."""

    outcome_id: str | None = None
    person_id: str | None = None
    score: float | None = None
    mastery: bool | None = None
    assessed_at: Time | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Completion(KindModel):
    """A person's completion of a part of the course, or of the whole of it."""

    person_id: str
    target_kind: str | None = None
    target_id: str | None = None
    state: str | None = None
    at: Time | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Badge(KindModel):
    """A badge of the course, or one awarded to a person."""

    name: str | None = None
    description: str | None = None
    person_id: str | None = None
    awarded_at: Time | None = None
    extra: dict[str, Json] = Field(default_factory=dict)


class Setting(KindModel):
    """A named part of the course's configuration; the id is its name: `settings`, `tabs`, `late_policy`."""

    value: Json = None


class StoredFile(KindModel):
    """A file of the package, with its original name. Written by the framework, not by connectors."""

    group: str
    name: str = Field(description="Original name in the LMS.")
    path: str | None = Field(None, description="Path below data/ of this package; null where the bytes are a gap.")
    size: int | None = Field(None, description="Bytes stored.")
    sha512: str | None = None
    content_type: str | None = None
    folder: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    person_id: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class StoredExport(KindModel):
    """The LMS's own export of the course. Written by the framework, not by connectors."""

    name: str
    path: str | None = None
    size: int | None = None
    sha512: str | None = None
    format: str = ""


#: the model of every kind
MODELS: dict[Kind, type[KindModel]] = {
    Kind.PEOPLE: Person,
    Kind.SECTIONS: Section,
    Kind.ENROLLMENTS: Enrollment,
    Kind.GROUPS: Group,
    Kind.STRUCTURE: StructureNode,
    Kind.PAGES: Page,
    Kind.PAGE_REVISIONS: PageRevision,
    Kind.ASSIGNMENT_GROUPS: AssignmentGroup,
    Kind.ASSIGNMENTS: Assignment,
    Kind.RUBRICS: Rubric,
    Kind.SUBMISSIONS: Submission,
    Kind.GRADES: Grade,
    Kind.GRADE_HISTORY: GradeChange,
    Kind.QUIZZES: Quiz,
    Kind.QUIZ_QUESTIONS: QuizQuestion,
    Kind.QUIZ_ATTEMPTS: QuizAttempt,
    Kind.DISCUSSIONS: Discussion,
    Kind.POSTS: Post,
    Kind.ACTIVITIES: Activity,
    Kind.RESPONSES: Response,
    Kind.CALENDAR_EVENTS: CalendarEvent,
    Kind.OUTCOMES: Outcome,
    Kind.OUTCOME_RESULTS: OutcomeResult,
    Kind.COMPLETIONS: Completion,
    Kind.BADGES: Badge,
    Kind.SETTINGS: Setting,
    Kind.FILES: StoredFile,
    Kind.NATIVE_EXPORTS: StoredExport,
}
