"""What a Moodle campus holds: pure data, in the shapes in which Moodle's web services answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from coursekeep_campus.content import Bytes

__all__ = [
    "ORIGIN",
    "Activity",
    "Backup",
    "Category",
    "Doc",
    "Enrolment",
    "Moodle",
    "MoodleCourse",
    "StoredFile",
    "User",
]

Doc = dict[str, Any]

#: stands for the address of the site in every doc
ORIGIN = "@moodle-origin@"


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user; always an obviously made-up one."""

    id: int
    username: str
    firstname: str
    lastname: str
    idnumber: str = ""
    email: str = ""
    #: deleted users are described by nothing
    deleted: bool = False

    @property
    def fullname(self) -> str:
        """Return the name as shown."""
        return f"{self.firstname} {self.lastname}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """A course category."""

    id: int
    name: str
    idnumber: str = ""
    parent: int = 0
    visible: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """One user's enrolment, with the short names of his or her roles."""

    user_id: int
    roles: tuple[str, ...] = ("student",)
    suspended: bool = False


@dataclass(kw_only=True, slots=True)
class StoredFile:
    """A file in Moodle's file pool, by its address below `pluginfile.php`."""

    path: str
    content: Bytes
    mimetype: str
    timemodified: int
    #: generated pages have neither size nor digest in their listing and answer
    generated: bool = False
    #: what is sent in its place: `login` (a log-in page), `refused` (JSON with status 200), `missing` (404)
    trap: str = ""

    @property
    def name(self) -> str:
        """Return the file's own name."""
        return self.path.rsplit("/", 1)[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """A course backup that Moodle made by itself."""

    filename: str
    area: str
    timemodified: int
    file: StoredFile


@dataclass(kw_only=True, slots=True)
class Activity:
    """A course module with its instance: `doc` is what the function of its type answers, `data` all below it."""

    cmid: int
    id: int
    modname: str
    doc: Doc
    section: int
    visible: int = 1
    uservisible: bool = True
    contents: list[Doc] | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> int:
        """Return the id of its context."""
        return 500_000 + self.cmid


@dataclass(kw_only=True, slots=True)
class MoodleCourse:
    """One course with everything in it."""

    id: int
    shortname: str
    fullname: str
    category: int
    idnumber: str
    startdate: int
    enddate: int
    visible: int = 1
    timecreated: int = 0
    timemodified: int = 0
    completion: int = 1
    #: the service account may not read it, whatever its role elsewhere
    closed: bool = False
    #: listed with its public fields, but not to be entered
    lobby: bool = False
    customfields: list[Doc] = field(default_factory=list)
    sections: list[Doc] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    enrolments: list[Enrolment] = field(default_factory=list)
    groups: list[Doc] = field(default_factory=list)
    members: dict[int, list[int]] = field(default_factory=dict)
    groupings: list[Doc] = field(default_factory=list)
    #: user id to the course's grade items with that user's results
    grades: dict[int, list[Doc]] = field(default_factory=dict)
    #: user id to statuses of activities, and to the completion of the course
    statuses: dict[int, list[Doc]] = field(default_factory=dict)
    completions: dict[int, Doc] = field(default_factory=dict)
    badges: dict[int, list[Doc]] = field(default_factory=dict)
    #: competencies of the course, each with its place in it; and user id to ratings in all of them
    competencies: list[Doc] = field(default_factory=list)
    ratings: dict[int, list[Doc]] = field(default_factory=dict)
    events: list[Doc] = field(default_factory=list)
    notes: list[Doc] = field(default_factory=list)
    backups: list[Backup] = field(default_factory=list)

    def of(self, modname: str) -> list[Activity]:
        """Return the activities of one type."""
        return [activity for activity in self.activities if activity.modname == modname]


@dataclass(kw_only=True, slots=True)
class Moodle:
    """A whole site."""

    now: int
    users: dict[int, User] = field(default_factory=dict)
    categories: dict[int, Category] = field(default_factory=dict)
    courses: dict[int, MoodleCourse] = field(default_factory=dict)
    #: path below pluginfile.php, not encoded, to the file
    files: dict[str, StoredFile] = field(default_factory=dict)
    #: path to the id of the course that the file belongs to
    homes: dict[str, int] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)

    def activity(self, modname: str, instance: int) -> tuple[MoodleCourse, Activity] | None:
        """Find an activity by type and instance."""
        for course in self.courses.values():
            for activity in course.activities:
                if activity.modname == modname and activity.id == instance:
                    return course, activity
        return None
