"""An unchanged course gives the same export, so that a refresh stores only what changed."""

from __future__ import annotations

from typing import Any

from coursekeep.connector import Connector
from coursekeep.retry import NO_RETRY
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.grades import Area, Grade, promise
from coursekeep.testing.retries import hold_equal
from coursekeep.testing.running import course_of, export_of, run, wired

__all__ = ["DeterminismPromises"]


class DeterminismPromises:
    """What holds of exports that are repeated."""

    @promise(Area.DETERMINISM, Grade.REQUIRED)
    def test_export_repeats_itself(self, connector: Connector[Any], known: Known) -> None:
        """Two exports of an unchanged course by one connector give the same bytes of every kind, whatever the order."""

        async def twice() -> tuple[Export, Export]:
            course = await course_of(connector, known)
            return await collect(connector, course), await collect(connector, course)

        first, second = run(connector, twice)
        hold_equal(connector, first, second, "by one connector")

    @promise(Area.DETERMINISM, Grade.REQUIRED)
    def test_export_does_not_depend_on_the_process(self, connector: Connector[Any], known: Known) -> None:
        """A connector that was just made gives the same bytes as one that has worked before."""
        other = wired(connector)[0] if connector.over_http else type(connector)(connector.settings, retry=NO_RETRY)
        hold_equal(connector, export_of(connector, known), export_of(other, known), "by two connectors")
