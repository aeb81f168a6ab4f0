"""What the readers of one backup tell each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from coursekeep import Kind, MalformedAnswer, Part
from coursekeep_connectors.packages.documents import Documents
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.sheet import Sheet

__all__ = ["Backup"]

#: component, area, context and item that a file is attached to
Place = tuple[str, str, str, str]


@dataclass(kw_only=True)
class Backup:
    """A backup while it is read."""

    package: Package
    #: the assignment that a grade item belongs to
    assignments: dict[str, str] = field(default_factory=dict)
    #: ids of the files attached to submissions, feedback and posts
    attached: defaultdict[Place, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: where each activity stands in its section
    positions: dict[str, int] = field(default_factory=dict)
    #: documents that were not read though they say something, by name
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def documents(self) -> Documents:
        """Return the documents of the package."""
        return self.package.documents

    @property
    def sheet(self) -> Sheet:
        """Return what counts."""
        return self.package.sheet

    def read(self, kind: Kind, name: str, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield what one document gives, if the backup has it; where it cannot be read, a gap."""
        if self.documents.has(name):
            self.package.used.add(name)
            yield from self.package.guarded(kind, name, parts)

    def pass_over(self, name: str) -> None:
        """Note a document that is not read, unless it says nothing."""
        if name.endswith("/inforef.xml"):
            self.package.used.add(name)  # it repeats which objects the documents beside it speak of
        if name not in self.package.used:
            self.package.used.add(name)
            try:
                something = self.documents.says_something(name)
            except MalformedAnswer:
                something = True
            if something:
                self.unread[_pattern(name)] += 1


def _pattern(name: str) -> str:
    """Return a name in which the numbers of activities, sections and blocks are left out."""
    parts = name.split("/")
    return "/".join([*(part.rpartition("_")[0] + "_*" if "_" in part else part for part in parts[:-1]), parts[-1]])
