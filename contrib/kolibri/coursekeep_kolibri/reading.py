"""What all areas of one class's export share: the client, the ledger, the class, and what was met so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from coursekeep import ConnectorError, LmsClient, MalformedAnswer, Params, RawPage
from coursekeep_kolibri.ledger import Item, Ledger
from coursekeep_kolibri.settings import KolibriSettings

__all__ = ["Reading", "chunks"]

#: what Kolibri asks people about themselves, besides their names
_DEMOGRAPHICS = frozenset({"gender", "birth_year", "extra_demographics"})


class Reading:
    """One class being read."""

    def __init__(self, client: LmsClient, item: Item, settings: KolibriSettings) -> None:
        self.client = client
        self.settings = settings
        self.item = item
        self.id = str(item["id"])
        self.ledger = Ledger()
        self.lessons: Sequence[dict[str, Any]] = ()
        self.quizzes: Sequence[dict[str, Any]] = ()
        #: the coach's view of the class: groups, and where each learner stands
        self.summary: Mapping[str, Any] = {}
        #: why there is none
        self.no_summary: ConnectorError | None = None
        #: accounts of the class that were deleted lately, by id
        self.deleted: Mapping[str, Item] = {}
        #: people who are referred to, in the order in which they were met
        self.people: dict[str, None] = {}
        #: ids of resources that lessons and quizzes use, in the order in which they were met
        self.nodes: dict[str, None] = {}
        #: the resource under which logs of a content are told: Kolibri keeps them by content, wherever it lies
        self.node_of: dict[str, str] = {}
        #: contents and learners of whom it has been told where they stand
        self.standing: set[tuple[str, str]] = set()

    def listed(self, key: str) -> list[dict[str, Any]]:
        """Return a list of the class summary. Raises what kept it from being read, and `MalformedAnswer`."""
        if self.no_summary is not None:
            raise self.no_summary
        items = self.summary.get(key)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise MalformedAnswer(f"the class summary holds no list of {key}")
        return items

    def contents(self) -> list[dict[str, Any]]:
        """Return what the class summary says of resources; nothing where there is none."""
        return [] if self.no_summary is not None else self.listed("content")

    def learners(self) -> list[str]:
        """Return the learners of the class, those whose accounts were deleted lately too. Raises as `listed`."""
        return sorted({str(one["id"]) for one in self.listed("learners")} | set(self.deleted))

    def met(self, *people: Any) -> None:
        """Note people who are referred to."""
        for id_ in people:
            if isinstance(id_, str) and id_:
                self.people.setdefault(id_)

    async def all(self, path: str, params: Params) -> list[dict[str, Any]]:
        """Read a list that Kolibri gives whole, each object once. Raises `MalformedAnswer`."""
        answer = await self.client.get(path, params)
        if not isinstance(answer.body, list) or not all(
            isinstance(item, dict) and "id" in item for item in answer.body
        ):
            raise MalformedAnswer("the answer is no list of objects", where=answer.where)
        # Kolibri joins memberships, and tells an object once for the class and once for each group of its person.
        return list({item["id"]: item for item in answer.body}.values())

    def raw(self, endpoint: str, items: Sequence[Item]) -> RawPage:
        """Make a raw page, without what people were asked about themselves unless that is to be kept."""
        if self.settings.demographics:
            return self.ledger.raw(endpoint, list(items))
        kept = [{key: value for key, value in item.items() if key not in _DEMOGRAPHICS} for item in items]
        return self.ledger.raw(endpoint, kept)


def chunks(ids: Iterable[str], size: int = 40) -> Iterator[list[str]]:
    """Yield ids in lists that fit into an address."""
    waiting = list(ids)
    for start in range(0, len(waiting), size):
        yield waiting[start : start + size]
