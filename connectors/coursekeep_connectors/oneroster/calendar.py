"""Academic sessions as terms, and classes as courses that end with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from coursekeep import Account, Course, CourseQuery, MalformedAnswer, NotFound, Term
from coursekeep_connectors.oneroster.roster import Item
from coursekeep_connectors.oneroster.values import begins, ends, ref, refs, text

__all__ = ["Calendar", "Directory", "Session", "account_of", "course_of", "deleted", "ident", "session_of", "taken"]

_DELETED = "tobedeleted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An academic session."""

    id: str
    title: str
    parent_id: str | None
    start_at: datetime | None
    end_at: datetime | None
    deleted: bool


class Calendar:
    """The academic sessions of a source, and how they lie within each other."""

    def __init__(self, sessions: Iterable[Session]) -> None:
        self.sessions: Mapping[str, Session] = {session.id: session for session in sessions}

    def terms(self) -> Iterator[Term]:
        """Yield the sessions as terms, without those that are to be deleted."""
        for session in self.sessions.values():
            if not session.deleted:
                yield Term(
                    id=session.id,
                    name=self.name(session.id),
                    sis_id=session.id,
                    start_at=session.start_at,
                    end_at=session.end_at,
                )

    def above(self, session_id: str) -> Iterator[str]:
        """Yield a session and those it lies in, innermost first, also one that is named but not known."""
        seen: set[str] = set()
        at: str | None = session_id
        while at is not None and at not in seen:
            seen.add(at)
            yield at
            at = self.sessions[at].parent_id if at in self.sessions else None

    def name(self, session_id: str) -> str:
        """Name a session with those it lies in: `2025 / Autumn`."""
        known = [self.sessions[each].title for each in self.above(session_id) if each in self.sessions]
        return " / ".join(reversed(known)) or session_id

    def last(self, session_ids: Sequence[str]) -> Session | None:
        """Return the session that ends last; the first of the list where no end is known; None where none is known."""
        known = [self.sessions[each] for each in session_ids if each in self.sessions]
        dated = [session for session in known if session.end_at is not None]
        if dated:
            return max(dated, key=lambda session: session.end_at.timestamp() if session.end_at else 0.0)
        return known[0] if known else None

    def known_as(self, term_id: str) -> str:
        """Return a term's id as the source writes it; `sis:ID` means the same id."""
        return term_id if term_id in self.sessions else term_id.removeprefix("sis:")

    def within(self, session_ids: Sequence[str], wanted: Sequence[str]) -> bool:
        """Tell whether one of the sessions is wanted, or lies in one that is."""
        return any(each in wanted for session_id in session_ids for each in self.above(session_id))


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """What courses are described with."""

    calendar: Calendar
    #: organisations by id
    orgs: Mapping[str, Account]

    def known(self, query: CourseQuery) -> None:
        """Raise `NotFound` where a term or account of the query does not exist."""
        for term_id in query.term_ids:
            if self.calendar.known_as(term_id) not in self.calendar.sessions:
                raise NotFound(f"there is no academic session {term_id!r}")
        if query.account is not None and query.account not in self.orgs:
            raise NotFound(f"there is no organisation {query.account!r}")

    def below(self, org_id: str | None, top: str) -> bool:
        """Tell whether an organisation is `top`, or part of it."""
        seen: set[str] = set()
        while org_id is not None and org_id not in seen:
            if org_id == top:
                return True
            seen.add(org_id)
            org_id = self.orgs[org_id].parent_id if org_id in self.orgs else None
        return False


def deleted(item: Item) -> bool:
    """Tell whether the source says that an object is to be deleted."""
    return (_readable(item.body.get("status")) or "").lower() == _DELETED


def ident(item: Item) -> str:
    """Return an object's id. Raises ValueError where it has none."""
    found = text(item.body.get("sourcedId"))
    if found is None:
        raise ValueError("sourcedId is empty")
    return found


def session_of(item: Item, zone: ZoneInfo) -> Session:
    """Map an academic session. Raises `MalformedAnswer` for dates that are none, unless it is to be deleted."""
    body, gone = item.body, deleted(item)
    try:
        id_ = ident(item)
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"an academic session makes no sense: {error}", where=item.where) from error
    dates: dict[str, datetime | None] = {}
    for column, read in (("startDate", begins), ("endDate", ends)):
        try:
            dates[column] = read(body.get(column), zone)
        except (TypeError, ValueError, OverflowError):
            if not gone:
                message = f"the academic session {id_!r} has no usable {column}; write it as YYYY-MM-DD"
                raise MalformedAnswer(message, where=item.where) from None
            dates[column] = None
    return Session(
        id=id_,
        title=text(body.get("title")) or id_,
        parent_id=ref(body, "parent"),
        start_at=dates["startDate"],
        end_at=dates["endDate"],
        deleted=gone,
    )


def account_of(item: Item) -> Account:
    """Map an organisation."""
    try:
        id_ = ident(item)
        name = text(item.body.get("name")) or id_
        return Account(id=id_, name=name, sis_id=text(item.body.get("identifier")), parent_id=ref(item.body, "parent"))
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"an organisation makes no sense: {error}", where=item.where) from error


def course_of(item: Item, directory: Directory, now: datetime) -> Course:
    """Map a class. It ends with the last of its sessions; one that is to be deleted counts as ended.

    Raises `MalformedAnswer` for one without an id; other values that make no sense are left out, and end no list.
    """
    body, calendar = item.body, directory.calendar
    try:
        id_ = ident(item)
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"a class makes no sense: {error}", where=item.where) from error
    code, school = _readable(body.get("classCode")), ref(body, "school")
    name = _readable(body.get("title")) or code or id_
    state = _readable(body.get("status"))
    term_ids = refs(body, "terms")
    term = calendar.last(term_ids)
    starts = [calendar.sessions[each].start_at for each in term_ids if each in calendar.sessions]
    end = term.end_at if term else None
    over = end is not None and end < now
    return Course(
        id=id_,
        name=name,
        code=code,
        sis_id=id_,
        term_id=term.id if term else next(iter(term_ids), None),
        term_name=calendar.name(term.id) if term else None,
        account_id=school,
        account_name=directory.orgs[school].name if school is not None and school in directory.orgs else None,
        state=state,
        start_at=min((start for start in starts if start is not None), default=None),
        term_end_at=end,
        ended=over or deleted(item),
        # One that is deleted before its sessions end has ended, and nobody knows when.
        ended_at=None if deleted(item) and not over else end,
    )


def _readable(value: object) -> str | None:
    try:
        return text(value)
    except TypeError:
        return None


def taken(course: Course, item: Item, query: CourseQuery, directory: Directory) -> bool:
    """Tell whether a class meets a query."""
    if query.term_ids:
        wanted = [directory.calendar.known_as(term_id) for term_id in query.term_ids]
        if not directory.calendar.within(refs(item.body, "terms"), wanted):
            return False
    if query.account is not None and not directory.below(course.account_id, query.account):
        return False
    if query.text is not None:
        sought = query.text.strip().casefold()
        if not any(sought in (value or "").casefold() for value in (course.name, course.code, course.id)):
            return False
    return query.end_fits(course)
