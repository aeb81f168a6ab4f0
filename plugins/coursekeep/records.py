"""The value objects that connectors hand to the framework.

`Term` and `Course` describe what an LMS has. A `Part` is one piece of a course's export: a connector yields parts, and
the framework downloads, hashes, names, redacts, sorts, writes and counts them. A connector only maps.

Times are aware datetimes in UTC. Ids are the LMS's own ids as text, never shortened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from coursekeep.kinds import Kind

__all__ = [
    "Account",
    "CheckStep",
    "Course",
    "CourseQuery",
    "EndOf",
    "Expected",
    "FileAuth",
    "Gap",
    "GapReason",
    "NativeExport",
    "Part",
    "RawPage",
    "Record",
    "RemoteFile",
    "Term",
]


def _aware(name: str, moment: datetime | None) -> None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{name} must be an aware datetime, not {moment!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A period of teaching: a Canvas enrolment term, a Moodle category, a OneRoster academic session."""

    id: str
    name: str
    sis_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None

    def __post_init__(self) -> None:
        _aware("start_at", self.start_at)
        _aware("end_at", self.end_at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A part of the LMS that holds courses and further parts: a Canvas sub-account, a Moodle category."""

    id: str
    name: str
    sis_id: str | None = None
    #: the account above; None for the topmost, or where the credentials see none above
    parent_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """A course as its LMS describes it.

    `ended` and `ended_at` are the connector's judgement by the LMS's own rule, not a filter's: a course may have ended
    without a known moment (`ended` and `ended_at is None`), and may have an end date without having ended.
    """

    id: str
    name: str
    code: str | None = None
    sis_id: str | None = None
    term_id: str | None = None
    term_name: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    #: the LMS's own word for the state, for example `available` or `completed`
    state: str | None = None
    start_at: datetime | None = None
    #: the course's own end date, whether or not it counts
    end_at: datetime | None = None
    term_end_at: datetime | None = None
    ended: bool = False
    #: the moment from which the course counts as ended, or will; None where the LMS knows none
    ended_at: datetime | None = None
    #: address of the course for people; without secrets
    url: str | None = None
    #: id of another course in the same list that is the same, byte for byte; a run that takes both archives one
    same_as: str | None = None

    def __post_init__(self) -> None:
        for name in ("start_at", "end_at", "term_end_at", "ended_at"):
            _aware(name, getattr(self, name))


class EndOf(StrEnum):
    """Whose end a rule counts from."""

    COURSE = "course"
    TERM = "term"
    #: the course's own or its term's, whichever came first: a course of that academic year
    ACADEMIC_YEAR = "academic_year"


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseQuery:
    """Which courses to list. All given conditions must hold; none means every course of the account.

    `ended_before` takes courses that have ended before that moment, counted from the end of `ended_by`. Courses that
    have ended at an unknown moment are taken too: an archive made early does no harm, one never made does.
    """

    term_ids: Sequence[str] = ()
    text: str | None = None
    ended_before: datetime | None = None
    ended_by: EndOf = EndOf.COURSE
    #: account or category to look in; None means the integration's own
    account: str | None = None

    def __post_init__(self) -> None:
        _aware("ended_before", self.ended_before)

    def end_fits(self, course: Course) -> bool:
        """Tell whether a course meets `ended_before`, counted as `ended_by` says; any course where that is not asked.

        For `ACADEMIC_YEAR` the moment is the end of a year, and a course that ends with its year is one of it.
        """
        if self.ended_before is None:
            return True
        if not course.ended:
            return False
        if self.ended_by is EndOf.TERM:
            return course.term_end_at is None or course.term_end_at < self.ended_before
        if course.ended_at is None:
            return True
        if self.ended_by is EndOf.ACADEMIC_YEAR:
            return min(course.ended_at, course.term_end_at or course.ended_at) <= self.ended_before
        return course.ended_at < self.ended_before


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckStep:
    """One named step of a connector's `check()`, with what to do where it failed."""

    name: str
    ok: bool
    detail: str = ""
    #: what an operator should do; empty where `ok`
    remedy: str = ""


class GapReason(StrEnum):
    """Why a part of a course could not be captured. Stable words: they are stored in packages."""

    LOCKED = "locked"  # the LMS lists it, but withholds it
    NO_ACCESS = "no_access"  # the credentials do not allow it
    NOT_FOUND = "not_found"  # listed, but gone when it was asked for
    NOT_OFFERED = "not_offered"  # the LMS has no way to read it
    MALFORMED = "malformed"  # the LMS's answer made no sense, even when asked again
    WRONG_SIZE = "wrong_size"  # the bytes received are not as many as promised
    WRONG_CONTENT = "wrong_content"  # other bytes than promised, for example a log-in page
    TOO_LARGE = "too_large"  # larger than the operator allows
    NOT_READ = "not_read"  # the LMS has it, but the connector does not read it
    NATIVE_ONLY = "native_only"  # kept in the LMS's own export, but not read into records
    EXPORT_FAILED = "export_failed"  # the LMS's own export ended in an error
    UNEXPLAINED = "unexplained"  # the numbers do not add up, and nobody said why


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One normalised record of a course, for ``records/<kind>.jsonl``.

    `data` holds the fields of the kind's model in `coursekeep.kinds`, without its `id`. The framework validates it,
    so a misspelt field fails loudly in the connector's tests. Two records of one kind and id must be equal.
    """

    kind: Kind
    id: str
    data: Mapping[str, Any]


class FileAuth(StrEnum):
    """How a file is to be asked for."""

    NONE = "none"  # the address is enough (signed, or public)
    TOKEN = "token"  # noqa: S105  # not a secret: with the integration's credentials, on the integration's host only
    EITHER = "either"  # not to be known beforehand: by the address, then once the other way


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """A file to download into ``files/<group>/<id>/<safe name>``.

    The framework streams it, compares size and digest where given, follows redirects without credentials on other
    hosts, and asks the connector for a fresh address (`Connector.refresh_file`) when the old one has expired. What
    cannot be had becomes a gap of kind `files`, as does a file without address: the LMS lists it, but withholds it.
    """

    #: what it belongs to, in the plural: `course`, `submissions`, `discussions`, `pages`
    group: str
    #: unique within the course over all groups
    id: str
    name: str
    #: empty where it is `withheld`
    url: str
    auth: FileAuth = FileAuth.TOKEN
    #: bytes, as the LMS says; None or 0 where it does not know
    size: int | None = None
    #: `algorithm:hex`, as the LMS says
    digest: str | None = None
    content_type: str | None = None
    #: folder path in the LMS, for people
    folder: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    #: whom it belongs to, as ids of `people`
    person_id: str | None = None
    #: further fields for the file's record: `hidden`, `locked`, `usage_rights` ...
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: why the LMS lists the file but gives no address for it; `url` is empty then, and the framework names the gap
    withheld: GapReason | None = None

    def __post_init__(self) -> None:
        if bool(self.url) == (self.withheld is not None):
            raise ValueError(f"file {self.id}: either an address or a reason why it is withheld")


@dataclass(frozen=True, kw_only=True, slots=True)
class RawPage:
    """What the LMS answered, for ``native/api/<endpoint>.jsonl``, one item per line, sorted by id.

    `body` is the parsed JSON: a list gives one line an item, anything else one line. `endpoint` is a short stable name
    of letters, digits and `_`; pages of one endpoint may come in any order.
    """

    endpoint: str
    number: int
    body: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeExport:
    """The LMS's own export of the course, stored untouched as ``native/export/<safe name>``."""

    name: str
    url: str
    auth: FileAuth = FileAuth.TOKEN
    size: int | None = None
    #: `common_cartridge`, `moodle_backup` ...
    format: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """How many records of a kind the LMS says there are. Several for one kind add up.

    `basis` says how the number is known, for people: `folders.files_count`, `listed`.
    """

    kind: Kind
    count: int
    basis: str = "listed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A part of the course that could not be captured. Named in the package and shown with the item."""

    kind: Kind
    reason: GapReason
    #: what is missing: the object's id, or None for the kind as a whole
    id: str | None = None
    detail: str = ""
    #: how many expected records this gap accounts for; 0 where it is only a part of one, None where unknown
    count: int | None = 1


Part = Record | RemoteFile | RawPage | NativeExport | Expected | Gap
