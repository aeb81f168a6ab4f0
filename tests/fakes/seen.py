"""What exports gave of each kind, to compare with what a connector says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from coursekeep import Connector, CourseQuery, Coverage, GapReason, Kind, NoAccess
from coursekeep.testing import Export, collect

__all__ = ["Seen", "seen_of"]


@dataclass(kw_only=True, slots=True)
class Seen:
    """The kinds of which anything was captured, and the reasons of gaps by kind."""

    captured: set[Kind] = field(default_factory=set)
    gaps: dict[Kind, set[GapReason]] = field(default_factory=dict)
    expected: set[Kind] = field(default_factory=set)

    @classmethod
    def of(cls, exports: Iterable[Export]) -> Seen:
        """Put exports together."""
        seen = cls()
        for export in exports:
            seen.captured |= {kind for kind in Kind if export.captured(kind)}
            seen.expected |= {each.kind for each in export.expected if each.count}
            for gap in export.gaps:
                seen.gaps.setdefault(gap.kind, set()).add(gap.reason)
        return seen

    def hold(self, coverage: Coverage) -> None:
        """Fail where a connector captures more or less than it says, or is silent where it should name a gap."""
        assert self.captured == set(coverage.captured), f"{coverage.of}: captured is not what was seen"
        for kind, (reason, _) in coverage.gaps.items():
            assert reason in self.gaps.get(kind, ()), f"{coverage.of}: no gap {reason} of {kind} was seen"
        for kind in coverage.not_offered:
            assert kind not in self.expected, f"{coverage.of}: {kind} is expected, though it is not offered"
            assert kind not in self.gaps, f"{coverage.of}: {kind} is a gap, though it is not offered"


def seen_of(connector: Connector[Any], query: CourseQuery | None = None) -> Seen:
    """Export every course that may be read, and note what was there."""

    async def main() -> list[Export]:
        exports = []
        async with connector:
            async for course in connector.courses(query or CourseQuery()):
                try:
                    exports.append(await collect(connector, course))
                except NoAccess:
                    continue
        return exports

    return Seen.of(asyncio.run(main()))
