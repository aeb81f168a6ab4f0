"""Faults that pass leave no trace in what is archived."""

from __future__ import annotations

from typing import Any

import pytest

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError
from coursekeep.testing.canonical import canonical
from coursekeep.testing.export import Export, Known
from coursekeep.testing.grades import Area, Grade, promise
from coursekeep.testing.running import PATIENT, asked_of, export_of, needs_http
from coursekeep.testing.wire import Fault, first_time

__all__ = ["RetryPromises", "hold_equal"]


class RetryPromises:
    """What holds where asking again helps."""

    @promise(Area.RETRIES, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.ERROR, Fault.CUT, Fault.TRUNCATED, Fault.HTML])
    def test_passing_faults_change_nothing(self, connector: Connector[Any], known: Known, fault: Fault) -> None:
        """Where every request fails once and succeeds when it is repeated, the export is the same to the byte."""
        whole, _ = asked_of(connector, known)
        try:
            patient = export_of(connector, known, first_time(fault), PATIENT)
        except ConnectorError as error:
            raise AssertionError(f"{fault}: raised {error!r}, though asking again would have helped") from error
        hold_equal(connector, whole, patient, f"with every request {fault} once")

    @promise(Area.RETRIES, Grade.EXPECTED)
    def test_retries_follow_the_policy(self, connector: Connector[Any], known: Known) -> None:
        """Without retries in the policy nothing is asked twice: waiting is the framework's, which knows how long."""
        needs_http(connector)
        with pytest.raises(ConnectorError):
            export_of(connector, known, first_time(Fault.UNREACHABLE))


def hold_equal(connector: Connector[Any], first: Export, second: Export, when: str) -> None:
    """Make sure that two exports give the same bytes of every kind."""
    one, other = canonical(first, connector.redactions), canonical(second, connector.redactions)
    for name in sorted({*one, *other}):
        if one.get(name) == other.get(name):
            continue
        before, after = (set(each.get(name, b"").splitlines()) for each in (one, other))
        example = min(before ^ after, default=b"a line that comes another number of times")[:300].decode(
            "utf-8", "replace"
        )
        raise AssertionError(f"two exports of one course differ {when}: {name}: {example}")
