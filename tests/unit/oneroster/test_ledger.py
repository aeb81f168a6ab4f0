"""What an export of OneRoster makes of sources that break off."""

from __future__ import annotations

import asyncio

import pytest

from coursekeep import ConnectorError, Gap, GapReason, Kind, NoAccess, Part, Unavailable
from coursekeep.tally import Parts
from coursekeep_connectors.oneroster.ledger import Ledger


def _guarded(error: ConnectorError, *, begun: bool) -> list[Part]:
    ledger = Ledger()

    async def area() -> Parts:
        if begun:
            yield ledger.raw("results", [{"sourcedId": "1"}])
        raise error

    async def main() -> list[Part]:
        return [part async for part in ledger.guarded(area(), Kind.SUBMISSIONS)]

    return asyncio.run(main())


def test_what_is_not_offered_at_all_is_no_gap() -> None:
    """A collection that the source does not have is nothing that is missing."""
    assert _guarded(Unavailable("no such collection"), begun=False) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Unavailable("gone"), GapReason.NOT_OFFERED), (NoAccess("refused"), GapReason.NO_ACCESS)],
)
def test_a_collection_that_breaks_off_is_a_gap(error: ConnectorError, reason: GapReason) -> None:
    """A list of which a part was read and then no more is cut off, whatever the source says: that is a gap."""
    _, gap = _guarded(error, begun=True)

    assert isinstance(gap, Gap)
    assert (gap.kind, gap.reason, gap.count) == (Kind.SUBMISSIONS, reason, None)
