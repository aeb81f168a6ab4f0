"""CSV files as a roster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coursekeep import MalformedAnswer, NotFound, Unavailable
from coursekeep_connectors.oneroster.archive import stamp_of
from coursekeep_connectors.oneroster.layout import ATTACHED, shaped
from coursekeep_connectors.oneroster.roster import Batch, Collection, Item, Missing, Roster
from coursekeep_connectors.oneroster.settings import OneRosterSettings
from coursekeep_connectors.oneroster.snapshot import Kept, Snapshot
from coursekeep_connectors.oneroster.values import Json, text
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["CsvSource", "TableRoster"]

_BATCH = 200


class CsvSource:
    """The files, read again whenever they change."""

    def __init__(self, path: Path, settings: OneRosterSettings) -> None:
        self._path = path
        self._settings = settings
        self._lock = asyncio.Lock()
        self._roster: TableRoster | None = None

    async def roster(self) -> TableRoster:
        """Return the files as they are now. Raises `MalformedAnswer`, `RetryLater`."""
        async with self._lock:
            stamp = await in_thread(stamp_of, self._path)
            if self._roster is None or self._roster.snapshot.stamp != stamp:
                self._roster = None
                self._roster = TableRoster(await in_thread(Snapshot, self._path, self._settings))
            return self._roster


class TableRoster(Roster):
    """The rows of one state of the files."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @property
    def version(self) -> str:
        return self.snapshot.manifest.get("oneroster.version", "of a version that the manifest does not name")

    def about(self) -> Json:
        """Return the manifest."""
        return dict(self.snapshot.manifest)

    async def all(self, collection: Collection) -> AsyncGenerator[Item]:
        self._offered(collection)
        rows = self.snapshot.rows(collection)
        seen: dict[str, Mapping[str, str]] = {}
        while batch := await in_thread(_take, rows):
            for kept in batch:
                item = _item(collection, kept)
                id_ = text(item.body.get("sourcedId"))
                if id_ is None:
                    raise MalformedAnswer("the column sourcedId is empty", where=item.where)
                if seen.setdefault(id_, kept.cells) is kept.cells:
                    yield item
                elif seen[id_] != kept.cells:
                    raise MalformedAnswer(f"two different rows have the sourcedId {id_!r}", where=item.where)

    async def one(self, collection: Collection, id_: str) -> Item:
        self._offered(collection)
        found = await in_thread(self.snapshot.by_id, str(collection), id_)
        if not found:
            raise NotFound(f"no row has the sourcedId {id_!r}", where=f"{collection}.csv")
        if any(kept.cells != found[0].cells for kept in found):
            where = f"{collection}.csv, line {found[1].line}"
            raise MalformedAnswer(f"two different rows have the sourcedId {id_!r}", where=where)
        return _item(collection, found[0])

    async def of_class(
        self, collection: Collection, class_: Json, line_items: Sequence[str] = ()
    ) -> AsyncGenerator[Batch]:
        self._offered(collection)
        class_id = str(text(class_.get("sourcedId")))
        for rows in self._of_class(collection, class_id, line_items):
            kept = await in_thread(rows)
            for at in range(0, len(kept), _BATCH):
                yield Batch(items=[_item(collection, each) for each in kept[at : at + _BATCH]])

    def _of_class(self, collection: Collection, class_id: str, line_items: Sequence[str]) -> Iterator[Any]:
        """Yield functions that give rows, so that each line item's results are asked for alone."""
        snapshot, name = self.snapshot, str(collection)
        if collection is not Collection.RESULTS:
            yield lambda: snapshot.owned(name, class_id)
            return
        for line_item in line_items:
            yield lambda wanted=line_item: snapshot.owned(name, wanted)
        # Results that name the class, but a line item that is not known.
        known = frozenset(line_items)
        yield lambda: [
            kept
            for kept in snapshot.owned(name, class_id, second=True)
            if kept.cells.get("lineItemSourcedId", "").strip() not in known
        ]

    async def people(self, class_: Json, wanted: Sequence[str]) -> AsyncGenerator[Item | Missing]:
        for id_ in wanted:
            try:
                yield await self.one(Collection.USERS, id_)
            except (NotFound, MalformedAnswer) as error:
                yield Missing(id=id_, error=error)

    async def attached(self, owner: Collection, ids: Sequence[str]) -> AsyncGenerator[tuple[str, list[dict[str, Any]]]]:
        for name in ATTACHED.get(owner, ()):
            if name not in self.snapshot.present:
                continue
            for id_ in ids:
                rows = await in_thread(self.snapshot.owned, name, id_)
                if rows:
                    yield name, [dict(kept.cells) for kept in rows]

    def _offered(self, collection: Collection) -> None:
        error = self.snapshot.broken.get(collection)
        if error is not None:
            raise error
        if collection not in self.snapshot.present:
            raise Unavailable("there is no such file", where=f"{collection}.csv")


def _take(rows: Iterator[Kept]) -> list[Kept]:
    return [kept for _, kept in zip(range(_BATCH), rows, strict=False)]


def _item(collection: Collection, kept: Kept) -> Item:
    return Item(body=shaped(kept.cells), raw=dict(kept.cells), where=f"{collection}.csv, line {kept.line}")
