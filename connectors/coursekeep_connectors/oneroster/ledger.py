"""One export of one class in progress: what was said, what was expected, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from coursekeep import (
    MODELS,
    Gap,
    GapReason,
    Kind,
    MalformedAnswer,
    NoAccess,
    NotFound,
    Part,
    RawPage,
    Record,
    Unavailable,
)
from coursekeep.tally import NONSENSE, Parts, Tally, reason_of, wrong_fields
from coursekeep_connectors.oneroster.mapping import Doubts, Mapper
from coursekeep_connectors.oneroster.roster import Item
from coursekeep_connectors.oneroster.secrets import without_secrets

__all__ = ["Ledger", "Parts", "reason_of"]


class Ledger(Tally):
    """Counts, numbers and judges the parts of an export. Memory holds ids and digests, never contents."""

    def __init__(self) -> None:
        super().__init__()
        #: what was kept under each id, as a digest
        self._kept: dict[tuple[Kind, str], int] = {}

    def captured(self, kind: Kind) -> list[str]:
        """Return the ids of the records of a kind so far."""
        return [id_ for of, id_ in self._kept if of is kind]

    def raw(self, endpoint: str, body: Any, *, of: str | None = None) -> RawPage:
        """Make a raw page without passwords."""
        return super().raw(endpoint, without_secrets(body), of=of)

    def mapped(self, kind: Kind, item: Item, mapper: Mapper, basis: str = "listed") -> Iterator[Part]:
        """Map one object to its record, or to a gap where it makes no sense; counts it as expected.

        An object that comes again is left out; another one under the same id becomes a gap.
        """
        doubts: Doubts = []
        try:
            record = mapper(item, doubts)
            data = without_secrets(dict(record.data))
            record = Record(kind=kind, id=record.id, data=data)
            MODELS[kind].model_validate({"id": record.id, **data})
        except NONSENSE as error:
            self.expect(kind, 1, basis)
            detail = f"{_nonsense(error)} ({item.where})"
            yield Gap(kind=kind, reason=GapReason.MALFORMED, id=_id_of(item), detail=detail)
            return
        mark = hash(repr(data))
        known = self._kept.get((kind, record.id))
        if known == mark:
            return
        self.expect(kind, 1, basis)
        if known is None:
            self._kept[kind, record.id] = mark
            yield record
            for field in doubts:
                detail = f"{field} makes no sense; it stands in native/api as it was written ({item.where})"
                yield Gap(kind=kind, reason=GapReason.MALFORMED, id=record.id, detail=detail, count=0)
            return
        detail = f"a second, different object has this id; the first is kept ({item.where})"
        yield Gap(kind=kind, reason=GapReason.MALFORMED, id=record.id, detail=detail)

    async def guarded(self, parts: Parts, *kinds: Kind) -> Parts:
        """Yield the parts; what the source denies or garbles becomes a gap of each kind, and the rest goes on.

        A collection that the source does not offer is nothing that is missing; one that ends so in the middle is cut
        off. Credentials and outages are not caught.
        """
        begun = False
        try:
            async with aclosing(parts) as stream:
                async for part in stream:
                    begun = True
                    yield part
        except (Unavailable, NoAccess, NotFound, MalformedAnswer) as error:
            if isinstance(error, Unavailable) and not begun:
                return
            for kind in kinds:
                yield Gap(kind=kind, reason=reason_of(error), detail=str(error), count=None)


def _id_of(item: Item) -> str | None:
    value = item.body.get("sourcedId")
    return value if isinstance(value, str) and value else None


def _nonsense(error: Exception) -> str:
    """Say what is wrong with an object without repeating its contents, which may be personal."""
    if isinstance(error, ValidationError):
        return wrong_fields(error)
    return type(error).__name__ if isinstance(error, KeyError | AttributeError) else _plain(error)


def _plain(error: Exception) -> str:
    said = str(error)
    # Python quotes the value that it could not read.
    return "a value is no date or number of the form that OneRoster demands" if "'" in said or '"' in said else said
