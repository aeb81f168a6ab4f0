"""What does not exist, what may not be read, and what cannot be told: three things that must not be mistaken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError, CredentialsNeeded, MalformedAnswer, NoAccess, NotFound, RetryLater
from coursekeep.records import Course
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import asked_of, course_of, export_of, places, run, wired
from coursekeep.testing.wire import Answerer, Asked, Fault, Trick, spoilt, starting_with

__all__ = ["AccessPromises"]

#: what it means when everything that is asked about a course is answered so
_MEANING: dict[Fault, type[ConnectorError] | tuple[type[ConnectorError], ...]] = {
    Fault.UNREACHABLE: RetryLater,
    Fault.ERROR: RetryLater,
    Fault.CUT: RetryLater,
    Fault.TRUNCATED: (MalformedAnswer, RetryLater),
    Fault.HTML: (MalformedAnswer, RetryLater),
    Fault.UNAUTHORIZED: CredentialsNeeded,
    Fault.FORBIDDEN: (NoAccess, CredentialsNeeded),
}


class AccessPromises:
    """What holds of courses that are missing, forbidden, or vanish."""

    positions = 5

    @promise(Area.ACCESS, Grade.REQUIRED)
    def test_missing_course(self, connector: Connector[Any], known: Known) -> None:
        """A course that does not exist is None, not an error."""
        found = run(connector, lambda: connector.course(known.missing))
        assert found is None, f"course({known.missing!r}) gave {found!r}"

    @promise(Area.ACCESS, Grade.REQUIRED)
    def test_forbidden_course(self, connector: Connector[Any], known: Known) -> None:
        """A course that may not be read raises `NoAccess`: it must not pass for one that does not exist."""
        if known.forbidden is None:
            not_applicable("this LMS does not tell a forbidden course from a missing one")
        forbidden = known.forbidden
        with pytest.raises(NoAccess):
            run(connector, lambda: connector.course(forbidden))

    @promise(Area.ACCESS, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", list(_MEANING))
    def test_course_of_a_broken_lms(self, connector: Connector[Any], known: Known, fault: Fault) -> None:
        """Where the LMS cannot say whether a course exists, an error of the right class is raised: never None."""
        broken, wire = wired(connector, _always(fault))

        async def ask() -> Course | None:
            wire.begin()
            return await broken.course(known.ended)

        with pytest.raises(_MEANING[fault]):
            run(broken, ask)

    @promise(Area.ACCESS, Grade.REQUIRED)
    def test_export_of_a_vanished_course(self, connector: Connector[Any], known: Known) -> None:
        """The export of a course that vanished meanwhile raises `NotFound`: it never gives an empty course."""

        async def export_vanished() -> Export:
            course = await course_of(connector, known)
            return await collect(connector, replace(course, id=known.missing))

        with pytest.raises(NotFound):
            run(connector, export_vanished)

    @promise(Area.ACCESS, Grade.REQUIRED)
    def test_token_withdrawn_during_export(self, connector: Connector[Any], known: Known) -> None:
        """A token that is refused from some request on raises `CredentialsNeeded`: it never gives a course of gaps."""
        _, asked = asked_of(connector, known)
        for place in places(asked, self.positions, before=0.5):
            with pytest.raises(CredentialsNeeded):
                export_of(connector, known, starting_with(place.identity, Fault.UNAUTHORIZED))


def _always(fault: Fault) -> Trick:
    async def trick(asked: Asked, ask: Answerer) -> Any:
        return await spoilt(fault, ask)

    return trick
