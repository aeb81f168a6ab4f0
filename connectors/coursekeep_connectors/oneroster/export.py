"""Everything that OneRoster knows of one class, area by area."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from zoneinfo import ZoneInfo

from coursekeep import ConnectorError, Gap, GapReason, Kind, MalformedAnswer, NoAccess, NotFound, Unavailable
from coursekeep_connectors.oneroster.ledger import Ledger, Parts, reason_of
from coursekeep_connectors.oneroster.mapping import (
    Mapper,
    assignment,
    category,
    enrollment,
    person,
    setting,
    setting_id,
    submission,
)
from coursekeep_connectors.oneroster.roster import Collection, Item, Missing, Roster
from coursekeep_connectors.oneroster.settings import OneRosterSettings
from coursekeep_connectors.oneroster.values import ref, refs, text

__all__ = ["read_class"]


class _Class:
    """One class being read."""

    def __init__(self, roster: Roster, item: Item, settings: OneRosterSettings) -> None:
        self.roster = roster
        self.item = item
        self.demographics = settings.demographics
        self.zone = ZoneInfo(settings.time_zone)
        self.ledger = Ledger()
        #: users who are referred to, in the order in which they were met
        self.users: dict[str, None] = {}
        self.enrolled: dict[str, None] = {}
        #: True once the whole list of enrolments has been read
        self.all_enrolled = False
        #: why the list of line items could not be read to its end
        self.unread: GapReason | None = None
        self.categories: dict[str, None] = {}
        self.line_items: dict[str, None] = {}
        self.results: dict[str, None] = {}


async def read_class(roster: Roster, item: Item, settings: OneRosterSettings) -> Parts:
    """Yield all parts of a class."""
    class_ = _Class(roster, item, settings)
    ledger = class_.ledger
    # The order matters: results are found by line items, and people by whatever refers to them.
    areas = (
        (_described, (Kind.SETTINGS,)),
        (_enrolled, (Kind.ENROLLMENTS,)),
        (_line_items, (Kind.ASSIGNMENTS,)),
        (_categories, (Kind.ASSIGNMENT_GROUPS,)),
        (_scales, (Kind.SETTINGS,)),
        (_results, (Kind.SUBMISSIONS,)),
        (_people, (Kind.PEOPLE,)),
        (_attached, (Kind.SETTINGS,)),
    )
    for area, kinds in areas:
        async with aclosing(ledger.guarded(area(class_), *kinds)) as parts:
            async for part in parts:
                yield part
    for expected in ledger.expected():
        yield expected


async def _described(class_: _Class) -> Parts:
    """Yield the class, its course, its school, and its academic sessions with those they lie in."""
    ledger, roster, body = class_.ledger, class_.roster, class_.item.body
    yield ledger.raw(Collection.CLASSES, class_.item.raw)
    for part in ledger.mapped(Kind.SETTINGS, class_.item, partial(setting, collection=Collection.CLASSES)):
        yield part
    about = roster.about()
    if about is not None:
        yield ledger.raw("manifest", about)
    for collection, key in ((Collection.COURSES, "course"), (Collection.ORGS, "school")):
        async with aclosing(_referred(class_, collection, ref(body, key))) as parts:
            async for part in parts:
                yield part
    seen: set[str] = set()
    waiting = refs(body, "terms")
    while waiting:
        session_id = waiting.pop(0)
        if session_id in seen:
            continue
        seen.add(session_id)
        async for part in _referred(class_, Collection.SESSIONS, session_id, waiting):
            yield part


async def _referred(class_: _Class, collection: Collection, id_: str | None, parents: list[str] | None = None) -> Parts:
    """Yield an object that the class refers to; notes what it lies in. One that cannot be had is a gap."""
    if id_ is None:
        return
    ledger = class_.ledger
    try:
        item = await class_.roster.one(collection, id_)
    except (NotFound, NoAccess, MalformedAnswer, Unavailable) as error:
        ledger.expect(Kind.SETTINGS, 1, "referred to")
        yield Gap(kind=Kind.SETTINGS, reason=reason_of(error), id=setting_id(collection, id_), detail=f"{id_}: {error}")
        return
    yield ledger.raw(collection, item.raw)
    for part in ledger.mapped(Kind.SETTINGS, item, partial(setting, collection=collection), "referred to"):
        yield part
    parent = ref(item.body, "parent")
    if parents is not None and parent is not None:
        parents.append(parent)


async def _enrolled(class_: _Class) -> Parts:
    def met(item: Item) -> None:
        _note(class_.users, ref(item.body, "user"))
        _note(class_.enrolled, ref(item.body, "user"))

    mapper = partial(enrollment, zone=class_.zone)
    async for part in _listed(class_, Collection.ENROLLMENTS, Kind.ENROLLMENTS, mapper, met):
        yield part
    class_.all_enrolled = True


async def _line_items(class_: _Class) -> Parts:
    def met(item: Item) -> None:
        _note(class_.categories, ref(item.body, "category"))
        _note(class_.line_items, item.body.get("sourcedId"))

    mapper = partial(assignment, zone=class_.zone)
    try:
        async for part in _listed(class_, Collection.LINE_ITEMS, Kind.ASSIGNMENTS, mapper, met):
            yield part
    except (NoAccess, NotFound, MalformedAnswer) as error:
        class_.unread = reason_of(error)
        raise


async def _results(class_: _Class) -> Parts:
    def met(item: Item) -> None:
        _note(class_.users, ref(item.body, "student"))
        _note(class_.results, item.body.get("sourcedId"))

    if class_.unread is not None:
        yield _untold(Kind.SUBMISSIONS, class_.unread)
    async for part in _listed(class_, Collection.RESULTS, Kind.SUBMISSIONS, submission, met):
        yield part


async def _scales(class_: _Class) -> Parts:
    mapper = partial(setting, collection=Collection.SCORE_SCALES)
    async for part in _listed(class_, Collection.SCORE_SCALES, Kind.SETTINGS, mapper, lambda item: None):
        yield part


async def _listed(
    class_: _Class, collection: Collection, kind: Kind, mapper: Mapper, met: Callable[[Item], None]
) -> Parts:
    """Yield the objects of a list that belongs to the class; `met` looks at each."""
    ledger = class_.ledger
    read, total = 0, None
    batches = class_.roster.of_class(collection, class_.item.body, list(class_.line_items))
    async with aclosing(batches) as stream:
        async for batch in stream:
            yield ledger.raw(collection, [item.raw for item in batch.items])
            for item in batch.items:
                met(item)
                for part in ledger.mapped(kind, item, mapper):
                    yield part
            read += len(batch.items)
            total = batch.total if batch.total is not None else total
    ledger.expect(kind, 0)
    if total is not None and total > read:
        ledger.expect(kind, total - read, "counted by the service")


async def _categories(class_: _Class) -> Parts:
    """Yield the categories that line items refer to: OneRoster 1.1 does not say which class one belongs to."""
    ledger = class_.ledger
    if class_.unread is not None:
        yield _untold(Kind.ASSIGNMENT_GROUPS, class_.unread)
    if not class_.line_items:
        return
    ledger.expect(Kind.ASSIGNMENT_GROUPS, 0, "referred to")
    for id_ in class_.categories:
        try:
            item = await class_.roster.one(Collection.CATEGORIES, id_)
        except (NotFound, NoAccess, MalformedAnswer, Unavailable) as error:
            yield _missing(ledger, Kind.ASSIGNMENT_GROUPS, id_, error)
            continue
        yield ledger.raw(Collection.CATEGORIES, item.raw)
        for part in ledger.mapped(Kind.ASSIGNMENT_GROUPS, item, category, "referred to"):
            yield part


async def _people(class_: _Class) -> Parts:
    """Yield the people who are enrolled or have results."""
    ledger = class_.ledger
    ledger.expect(Kind.PEOPLE, 0, "referred to")
    async with aclosing(class_.roster.people(class_.item.body, list(class_.users))) as people:
        async for found in people:
            if isinstance(found, Missing):
                yield _missing(ledger, Kind.PEOPLE, found.id, found.error)
                continue
            yield ledger.raw(Collection.USERS, found.raw)
            if found.of_class and class_.all_enrolled and text(found.body.get("sourcedId")) not in class_.enrolled:
                yield _unenrolled(ledger, found)
            for part in ledger.mapped(Kind.PEOPLE, found, person, "referred to"):
                yield part
    if class_.demographics:
        async for part in _demographics(class_):
            yield part


def _unenrolled(ledger: Ledger, item: Item) -> Gap:
    """Tell of somebody whom the service lists with the class, but for whom it has given no enrolment.

    A filter that a service misunderstands gives an empty list without a word; this is where it shows.
    """
    ledger.expect(Kind.ENROLLMENTS, 1, "students and teachers of the class")
    detail = f"the service lists user {item.body.get('sourcedId')} with the class, and gives no enrolment"
    return Gap(kind=Kind.ENROLLMENTS, reason=GapReason.UNEXPLAINED, detail=detail)


async def _demographics(class_: _Class) -> Parts:
    for id_ in class_.ledger.captured(Kind.PEOPLE):
        try:
            item = await class_.roster.one(Collection.DEMOGRAPHICS, id_)
        except (NotFound, Unavailable):
            continue  # a person of whom nothing is said
        except (NoAccess, MalformedAnswer) as error:
            detail = f"demographics: {error}"
            yield Gap(kind=Kind.PEOPLE, reason=reason_of(error), id=id_, detail=detail, count=0)
            continue
        yield class_.ledger.raw(Collection.DEMOGRAPHICS, item.raw)


async def _attached(class_: _Class) -> Parts:
    """Yield the rows of further files about what was captured."""
    ledger = class_.ledger
    owners: tuple[tuple[Collection, Sequence[str]], ...] = (
        (Collection.CLASSES, [str(class_.item.body.get("sourcedId"))]),
        (Collection.COURSES, [id_ for id_ in [ref(class_.item.body, "course")] if id_]),
        (Collection.USERS, ledger.captured(Kind.PEOPLE)),
        (Collection.LINE_ITEMS, list(class_.line_items)),
        (Collection.RESULTS, list(class_.results)),
    )
    for owner, ids in owners:
        async for name, rows in class_.roster.attached(owner, ids):
            yield ledger.raw(name, rows)


def _untold(kind: Kind, reason: GapReason) -> Gap:
    """Tell of what is found by line items, where these could not be read to their end."""
    detail = "the line items could not be read to their end, and what belongs to them is not known without"
    return Gap(kind=kind, reason=reason, detail=detail, count=None)


def _missing(ledger: Ledger, kind: Kind, id_: str, error: ConnectorError) -> Gap:
    ledger.expect(kind, 1, "referred to")
    return Gap(kind=kind, reason=reason_of(error), id=id_, detail=str(error))


def _note(known: dict[str, None], id_: object) -> None:
    if isinstance(id_, str) and id_:
        known[id_] = None
