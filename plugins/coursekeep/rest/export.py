"""A course out of the streams that a connector declares, one list after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from coursekeep.errors import ConnectorError, MalformedAnswer, NoAccess, NotFound, Unavailable
from coursekeep.http import Page
from coursekeep.ordered import in_order
from coursekeep.records import Course, Gap, GapReason, Part, RawPage
from coursekeep.rest.catalogue import Catalogue
from coursekeep.rest.fields import Doubt, From
from coursekeep.rest.ledger import Ledger, Listing
from coursekeep.rest.lists import Lists, meaning_of, reason_of
from coursekeep.rest.mapping import mapper_for
from coursekeep.rest.places import ABSENT, look, named, steps, without
from coursekeep.rest.streams import SWITCHED_OFF, Endpoint, Files, Total

__all__ = ["Export", "Parts"]

#: a stream of parts that can be closed before its end
Parts = AsyncGenerator[Part, None]
#: of an object that lists of its own belong to: the places that their declarations name
Places = Mapping[tuple[str, ...], Any]


#: pages that a list may be ahead of what is being read
_AHEAD = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A page of a list, or its end."""

    parent_id: str | None
    places: Places
    page: Page | None = None
    #: what ended the list before its time
    error: ConnectorError | None = None


class Export:
    """One export of one course in progress."""

    def __init__(
        self,
        course: Course,
        streams: Sequence[Endpoint],
        *,
        catalogue: Catalogue,
        lists: Lists,
        zone: ZoneInfo | None,
        base_url: str,
        width: int = 4,
    ) -> None:
        """Take what is to be read; at most `width` lists of one stream are asked for at once."""
        self._width = width
        self._course = course
        self._streams = streams
        self._catalogue = catalogue
        self._lists = lists
        self._ledger = Ledger()
        self._mappers = {stream.name: mapper_for(stream, zone, base_url) for stream in streams}
        #: by stream with streams below it: its objects by id, each with what those streams need of it
        self._met: dict[str, dict[str, Places]] = {stream.parent: {} for stream in streams if stream.parent is not None}
        self._wanted = {
            name: {place for stream in streams if stream.parent == name for place in stream.wanted_of_parent()}
            for name in self._met
        }
        self._addresses = {stream.name: list(_addresses(stream, streams)) for stream in streams}
        #: streams of which something could not be read, and why
        self._cut: dict[str, GapReason] = {}
        #: whether the course may have vanished without a sign
        self._doubtful = False

    async def parts(self) -> Parts:
        """Yield everything. Raises `NotFound` where the course vanishes meanwhile."""
        body, _ = await self._catalogue.one(self._course.id)
        yield self._ledger.raw("course", body)
        for stream in self._streams:
            async with aclosing(self._stream(stream)) as parts:
                async for part in parts:
                    yield part
        if self._doubtful:
            await self._confirm()
        for part in self._ledger.end():
            yield part

    async def _stream(self, stream: Endpoint) -> Parts:
        """Yield the one list of a stream, or the lists of all objects that it has some for."""
        if stream.parent is None:
            async with aclosing(self._lists_of(stream, self._asked(stream, None, {}))) as parts:
                async for part in parts:
                    yield part
            return
        self._ledger.expect(stream.gives, 0, "listed")
        if (reason := self._cut.get(stream.parent)) is not None:
            self._cut[stream.name] = reason
            detail = f"{stream.name}: not all of {stream.parent} could be read, nor what belongs to the rest"
            yield Gap(kind=stream.gives, reason=reason, detail=detail, count=None)
        if stream.inside is not None:
            return  # read with the objects that it stands in
        below = (self._asked(stream, id_, places) for id_, places in self._met[stream.parent].items())
        # Asked for at once, but taken in order: the same course gives the same parts every time.
        asked = in_order(below, width=self._width, ahead=_AHEAD)
        async with aclosing(self._lists_of(stream, asked)) as parts:
            async for part in parts:
                yield part

    async def _asked(self, stream: Endpoint, parent_id: str | None, places: Places) -> AsyncGenerator[_Asked]:
        """Yield the pages of one list, and how it ended. Credentials and outages are raised."""
        error: ConnectorError | None = None
        try:
            async with aclosing(self._lists.pages(stream, self._course, parent_id, places)) as pages:
                async for page in pages:
                    yield _Asked(parent_id=parent_id, places=places, page=page)
        except (Unavailable, NoAccess, NotFound, MalformedAnswer) as refused:
            error = refused
        yield _Asked(parent_id=parent_id, places=places, error=error)

    async def _lists_of(self, stream: Endpoint, asked: AsyncGenerator[_Asked]) -> Parts:
        """Yield what lists hold, one behind the other; what the LMS denies, lacks or garbles becomes a gap."""
        listing: Listing | None = None
        async with aclosing(asked) as answers:
            async for each in answers:
                listing = listing or Listing(name=stream.name, kind=stream.gives, of=each.parent_id)
                if each.page is not None:
                    listing.pages += 1
                    _note_total(stream.total, each.page, listing)
                    yield self._raw(stream, each.page, each.parent_id)
                    for item in each.page.items:
                        for part in self._object(stream, item, each.places, listing):
                            yield part
                    continue
                ends = await self._broken_off(stream, listing, each.error) if each.error else None
                for part in ends if ends is not None else self._ledger.closed(listing):
                    yield part
                listing = None

    def _object(self, stream: Endpoint, item: Any, places: Places, listing: Listing) -> Iterator[Part]:
        """Yield what becomes of one object, and of the lists in it; nothing where it came before."""
        given = From(item=item if isinstance(item, Mapping) else {}, parent=places)
        try:
            if given.item is not item:
                raise Doubt("it is no object")
            id_ = self._mappers[stream.name].id_of(given)
        except Doubt as doubt:
            self._cut[stream.name] = GapReason.MALFORMED  # nobody can ask for what belongs to it
            yield self._ledger.refused(listing, None, str(doubt))
            return
        if stream.name in self._met:
            found = {place: look(item, place) for place in self._wanted[stream.name]}
            self._met[stream.name].setdefault(id_, found)
        new = yield from self._taken(stream, id_, given, listing)
        for child in self._streams if new else ():
            if child.parent == stream.name and child.inside is not None:
                yield from self._embedded(child, id_, item)

    def _taken(self, stream: Endpoint, id_: str, given: From, listing: Listing) -> Generator[Part, None, bool]:
        """Yield what becomes of one object itself. Returns whether it is new."""
        try:
            mapped = self._mappers[stream.name].mapped(id_, given)
        except Doubt as doubt:
            yield self._ledger.refused(listing, id_, str(doubt))
            return True
        if mapped is None:
            return self._ledger.met(listing, id_)
        keep, gap = self._ledger.taken(listing, id_, mapped.content)
        if gap is not None:
            yield gap
        if keep:
            for name, why in mapped.doubts:
                self._ledger.doubt(listing, id_, name, why)
            yield mapped.part
        return keep or gap is not None

    def _embedded(self, stream: Endpoint, parent_id: str, parent: Mapping[str, Any]) -> Iterator[Part]:
        """Yield what becomes of a list that stands in an object."""
        listing = Listing(name=stream.name, kind=stream.gives, of=parent_id)
        assert stream.inside is not None
        found = look(parent, stream.inside)
        if found is None or (found is ABSENT and str(stream.inside).endswith("?")):
            found = []
        if not isinstance(found, list):
            self._cut[stream.name] = GapReason.MALFORMED
            missing = "is missing from what the LMS answered" if found is ABSENT else "is no list"
            yield self._ledger.broken_off(listing, GapReason.MALFORMED, f"{named(stream.inside)!r} {missing}")
            return
        places = {place: look(parent, place) for place in stream.wanted_of_parent()}
        for item in found:
            yield from self._object(stream, item, places, listing)
        yield from self._ledger.closed(listing)

    def _raw(self, stream: Endpoint, page: Page, parent_id: str | None) -> RawPage:
        """Return what the LMS answered; addresses of files differ at every reading, and may open them to anybody."""
        items = page.items
        for place in self._addresses[stream.name]:
            items = [without(item, place) if isinstance(item, Mapping) else item for item in items]
        return self._ledger.raw(stream.name, items, of=None if parent_id is None else f"{parent_id}-{page.number}")

    async def _broken_off(self, stream: Endpoint, listing: Listing, error: ConnectorError) -> Sequence[Part]:
        """Say what a list means that could not be read, or not to its end."""
        meaning = reason_of(error) if listing.pages else meaning_of(stream, error)
        if isinstance(error, NotFound):
            if listing.of is None or error.status not in stream.means:
                await self._confirm()
            else:
                self._doubtful = True
        if meaning is SWITCHED_OFF:
            self._ledger.expect(stream.gives, 0, SWITCHED_OFF.value)
            return ()
        self._cut[stream.name] = meaning
        if stream.single:
            return (self._ledger.lacking(listing, meaning, str(error)),)
        return (self._ledger.broken_off(listing, meaning, str(error)),)

    async def _confirm(self) -> None:
        """Make sure that the course is still there; raises `NotFound` where it vanished during the export."""
        try:
            await self._catalogue.one(self._course.id)
        except NotFound as error:
            raise NotFound("the course vanished while it was being read", where=error.where, status=404) from error
        except (NoAccess, MalformedAnswer):
            return


def _addresses(stream: Endpoint, streams: Sequence[Endpoint]) -> Iterator[tuple[str, ...]]:
    """Yield where the addresses of files stand in the objects of a stream, and in the lists inside of them."""
    if isinstance(stream, Files) and isinstance(stream.url, str | tuple):
        yield steps(stream.url)
    for child in streams:
        if child.parent == stream.name and child.inside is not None:
            for place in _addresses(child, streams):
                yield (*steps(child.inside), *place)


def _note_total(total: Total | None, page: Page, listing: Listing) -> None:
    """Take how many objects the LMS says there are; what is no number is as if it had not said so."""
    if total is None:
        return
    found = page.headers.get(total.header) if total.header is not None else look(page.body, total.at or ())
    if found is ABSENT or isinstance(found, bool):
        return
    if isinstance(found, str) and found.isascii() and found.isdigit():
        found = int(found)
    if isinstance(found, int) and found >= 0:
        listing.total, listing.basis = found, total.basis
