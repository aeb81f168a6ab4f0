"""One export of one class in progress: what Kolibri says there is, what was read, and what an error means."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from coursekeep import (
    MODELS,
    ConnectorError,
    Expected,
    Gap,
    GapReason,
    Kind,
    MalformedAnswer,
    NoAccess,
    NotFound,
    Part,
    RawPage,
    Record,
)

__all__ = ["Item", "Ledger", "Mapper", "Parts", "reason_of"]

#: an object as Kolibri gives it
Item = Mapping[str, Any]
#: a stream of parts that can be closed before its end
Parts = AsyncGenerator[Part, None]
#: makes a record of an object
Mapper = Callable[[Item], Record]

_NONSENSE = (KeyError, TypeError, ValueError, AttributeError)


class Ledger:
    """Counts, numbers and judges the parts of an export. Memory holds ids, never contents."""

    def __init__(self) -> None:
        self._expected: Counter[tuple[Kind, str]] = Counter()
        self._numbers: Counter[str] = Counter()
        self._ids: dict[Kind, dict[str, None]] = {}

    def expect(self, kind: Kind, count: int = 1, basis: str = "listed") -> None:
        """Count what Kolibri says there is; zero says that a list was read and was empty."""
        self._expected[kind, basis] += count

    def expected(self) -> Iterator[Expected]:
        """Yield the counts, at the end."""
        for (kind, basis), count in sorted(self._expected.items()):
            yield Expected(kind=kind, count=count, basis=basis)

    def captured(self, kind: Kind) -> list[str]:
        """Return the ids of the records of a kind so far."""
        return list(self._ids.get(kind, ()))

    def raw(self, endpoint: str, body: Any) -> RawPage:
        """Make the next raw page of an endpoint."""
        self._numbers[endpoint] += 1
        return RawPage(endpoint=endpoint, number=self._numbers[endpoint], body=body)

    def mapped(self, kind: Kind, item: Item, mapper: Mapper, *, basis: str | None = None) -> Iterator[Part]:
        """Map one object to its record, or to a gap where it makes no sense. One that comes again is left out.

        With a basis, it is counted as expected, once.
        """
        try:
            record = mapper(item)
            MODELS[kind].model_validate({"id": record.id, **record.data})
        except _NONSENSE as error:
            if basis is not None:
                self.expect(kind, 1, basis)
            id_ = item.get("id")
            name = None if id_ is None else str(id_)
            yield Gap(kind=kind, reason=GapReason.MALFORMED, id=name, detail=_nonsense(error))
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
        except _NONSENSE as error:
            for kind in kinds:
                yield Gap(kind=kind, reason=GapReason.MALFORMED, detail=_nonsense(error), count=None)


def reason_of(error: ConnectorError) -> GapReason:
    """Return what an error means for the part that it happened in."""
    if isinstance(error, NoAccess):
        return GapReason.NO_ACCESS
    return GapReason.NOT_FOUND if isinstance(error, NotFound) else GapReason.MALFORMED


def _nonsense(error: Exception) -> str:
    """Say what is wrong with an object without repeating its contents, which may be personal."""
    if isinstance(error, ValidationError):
        lines = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in lines)[:500]
    if isinstance(error, KeyError):
        return f"the object has no {error}"
    return "the object is not of the form that Kolibri gives"
