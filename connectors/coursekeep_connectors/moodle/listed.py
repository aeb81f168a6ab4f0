"""The instances of one type of activity: what the type's own function says of each module of the outline."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from coursekeep import Gap, GapReason, Kind, MalformedAnswer, NoAccess, NotFound, Part, Unavailable
from coursekeep_connectors.moodle.outline import Module
from coursekeep_connectors.moodle.reading import Parts, Reading, reason_of
from coursekeep_connectors.moodle.values import Json, ident, objects

__all__ = ["Instances", "as_objects", "drain", "pages_of"]

#: items of a page to ask for
_PAGE = 100


class Instances:
    """What a type's function says, by instance. Modules that it says nothing of are described by the outline."""

    def __init__(self, function: str, key: str | None, kind: Kind) -> None:
        self.function = function
        self.key = key
        self.kind = kind
        self.items: dict[str, Json] = {}

    async def load(self, reading: Reading, modules: list[Module]) -> Parts:
        """Read the instances of the course. What is missing is a gap for each module, which is kept all the same."""
        try:
            body, items = await reading.listing(self.function, {"courseids": [reading.course.id]}, key=self.key)
        except (NoAccess, NotFound, Unavailable, MalformedAnswer) as error:
            for module in modules:
                detail = f"only the outline tells of it: {error}"
                yield Gap(kind=self.kind, reason=reason_of(error), id=module.id, detail=detail, count=0)
                yield reading.files_unknown(error, module.id)
            return
        yield reading.raw(self.function, items)
        for part in reading.warned(body, self.kind):
            yield part
        for part in self._keep(items, modules):
            yield part

    def _keep(self, items: list[Json], modules: list[Module]) -> Iterator[Part]:
        try:
            self.items = {ident(item): item for item in items}
        except (TypeError, ValueError) as error:
            raise MalformedAnswer(f"an activity without an id: {error}", where=self.function) from error
        for module in modules:
            if module.instance not in self.items:
                detail = f"the outline has it, but {self.function} does not: only the outline tells of it"
                yield Gap(kind=self.kind, reason=GapReason.NOT_FOUND, id=module.id, detail=detail, count=0)


async def pages_of(
    reading: Reading, function: str, arguments: Mapping[str, Any], *keys: str, size: int = _PAGE
) -> AsyncGenerator[Json, None]:
    """Yield the pages of a function that counts them from 0; the lists are under `keys`, without what came before.

    Ends with the first page that brings nothing new: totals are sometimes wrong, and some sites do not page.
    """
    seen: dict[str, set[str]] = {key: set() for key in keys}
    number = 0
    while True:
        body = await reading.call(function, {**arguments, "page": number, "perpage": size})
        fresh = {}
        for key in keys:
            found = as_objects(body.get(key), function)
            fresh[key] = [item for item in found if str(item.get("id")) not in seen[key]]
            seen[key].update(str(item.get("id")) for item in found)
        if not any(fresh.values()):
            if not number:
                yield {**body, **fresh}
            return
        yield {**body, **fresh}
        number += 1


def as_objects(value: object, where: str) -> list[Json]:
    """Return a list of objects; raises `MalformedAnswer` where it is none."""
    try:
        return objects(value)
    except TypeError as error:
        raise MalformedAnswer(str(error), where=where) from error


async def drain(*streams: AsyncGenerator[Part, None]) -> Parts:
    """Yield the parts of streams, one after the other."""
    for stream in streams:
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part
