"""One export of one class in progress: what Kolibri says there is, what was read, and what an error means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from coursekeep import MODELS, Gap, GapReason, Kind, MalformedAnswer, NoAccess, NotFound, Part, Record
from coursekeep.tally import NONSENSE, Parts, Tally, id_of, nonsense, reason_of

__all__ = ["Item", "Ledger", "Mapper", "Parts"]

#: an object as Kolibri gives it
Item = Mapping[str, Any]
#: makes a record of an object
Mapper = Callable[[Item], Record]


class Ledger(Tally):
    """Counts, numbers and judges the parts of an export. Memory holds ids, never contents."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[Kind, dict[str, None]] = {}

    def captured(self, kind: Kind) -> list[str]:
        """Return the ids of the records of a kind so far."""
        return list(self._ids.get(kind, ()))

    def mapped(self, kind: Kind, item: Item, mapper: Mapper, *, basis: str | None = None) -> Iterator[Part]:
        """Map one object to its record, or to a gap where it makes no sense. One that comes again is left out.

        With a basis, it is counted as expected, once.
        """
        try:
            record = mapper(item)
            MODELS[kind].model_validate({"id": record.id, **record.data})
        except NONSENSE as error:
            if basis is not None:
                self.expect(kind, 1, basis)
            yield Gap(kind=kind, reason=GapReason.MALFORMED, id=id_of(item), detail=nonsense(error))
            return
        known = self._ids.setdefault(kind, {})
        if record.id in known:
            return
        known[record.id] = None
        if basis is not None:
            self.expect(kind, 1, basis)
        yield record

    async def guarded(self, parts: Parts, *kinds: Kind) -> Parts:
        """Yield the parts; what Kolibri denies or garbles becomes a gap of each kind, and the rest goes on.

        Credentials and outages are not caught.
        """
        try:
            async with aclosing(parts) as stream:
                async for part in stream:
                    yield part
        except (NoAccess, NotFound, MalformedAnswer) as error:
            for kind in kinds:
                yield Gap(kind=kind, reason=reason_of(error), detail=str(error), count=None)
        except NONSENSE as error:
            for kind in kinds:
                yield Gap(kind=kind, reason=GapReason.MALFORMED, detail=nonsense(error), count=None)
