"""What is missing is named: numbers add up, and no fault makes an export smaller in silence."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from coursekeep.connector import Connector
from coursekeep.coverage import Coverage
from coursekeep.errors import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
    Unavailable,
)
from coursekeep.kinds import Kind
from coursekeep.records import Gap
from coursekeep.testing.canonical import canonical
from coursekeep.testing.export import Export, Known
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import asked_of, export_of, places
from coursekeep.testing.wire import Asked, Fault, at, counted, starting_with

__all__ = ["GapPromises", "hold_told", "numbers_add_up"]

#: what may be raised where one request of an export fails however often it is asked
_MEANING: dict[Fault, tuple[type[ConnectorError], ...]] = {
    Fault.UNREACHABLE: (RetryLater,),
    Fault.ERROR: (RetryLater, MalformedAnswer),
    Fault.CUT: (RetryLater,),
    Fault.TRUNCATED: (MalformedAnswer, RetryLater),
    Fault.HTML: (MalformedAnswer, RetryLater),
    Fault.FORBIDDEN: (NoAccess, CredentialsNeeded, Unavailable),
    Fault.GONE: (NotFound, MalformedAnswer),
}


class GapPromises:
    """What holds of an export as a whole."""

    positions = 5

    @promise(Area.GAPS, Grade.REQUIRED)
    def test_numbers_add_up(self, connector: Connector[Any], known: Known) -> None:
        """What is expected of a kind is captured or a gap, neither less nor more."""
        export = export_of(connector, known)
        assert export.expected, "the export says of nothing how much there is; yield Expected"
        numbers_add_up(export)

    @promise(Area.GAPS, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", [fault for fault in _MEANING if fault is not Fault.GONE])
    def test_no_fault_is_silent(self, connector: Connector[Any], known: Known, fault: Fault) -> None:
        """A request that fails for good is raised as an error of the right class, or told by a gap."""
        _spoil(connector, known, fault, lasting=False, positions=self.positions)

    @promise(Area.GAPS, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", [Fault.HTML, Fault.FORBIDDEN, Fault.GONE])
    def test_lasting_fault_is_told(self, connector: Connector[Any], known: Known, fault: Fault) -> None:
        """Where all is refused, gone or a log-in page from some request on, nothing that is missing goes untold."""
        _spoil(connector, known, fault, lasting=True, positions=self.positions)

    @promise(Area.GAPS, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", [Fault.ERROR, Fault.UNREACHABLE])
    def test_outage_is_no_gap(self, connector: Connector[Any], known: Known, fault: Fault) -> None:
        """An LMS that fails from some request on raises `RetryLater`: the export is repeated, not kept half empty."""
        _, asked = asked_of(connector, known)
        for place in places(asked, self.positions, before=0.5):
            with pytest.raises(RetryLater):
                export_of(connector, known, starting_with(place.identity, fault))

    @promise(Area.GAPS, Grade.EXPECTED)
    def test_coverage_is_true(self, connector: Connector[Any], known: Known) -> None:
        """What the connector says of itself holds: no kind is captured, expected or a gap that it says is not."""
        if not connector.coverage:
            not_applicable("the connector does not say what becomes of which kind: `coverage` is empty")
        export = export_of(connector, known)
        complaints = [_untrue(coverage, export) for coverage in connector.coverage]
        assert not all(complaints), " or ".join(
            f"{said.of}: {why}" for said, why in zip(connector.coverage, complaints, strict=True)
        )

    @promise(Area.GAPS, Grade.EXPECTED)
    def test_gaps_name_what_is_missing(self, connector: Connector[Any], known: Known) -> None:
        """A kind of which records are missing has a gap of that kind, so that no list passes for complete.

        People are not asked about: who is met only in what is missing is missing with it.
        """
        whole, asked = asked_of(connector, known)
        for place in places(asked, self.positions):
            try:
                damaged = export_of(connector, known, at(place.identity, Fault.FORBIDDEN))
            except ConnectorError:
                continue
            told = {gap.kind for gap in _new_gaps(whole, damaged)}
            for kind in set(whole.kinds()) - {Kind.PEOPLE}:
                lost = whole.ids(kind) - damaged.ids(kind)
                missing = f"{place.label}: forbidden: {len(lost)} {kind} are missing without a gap of that kind"
                assert not lost or kind in told, missing


def _spoil(connector: Connector[Any], known: Known, fault: Fault, *, lasting: bool, positions: int) -> None:
    whole, asked = asked_of(connector, known)
    hits: list[Asked] = []
    for place in places(asked, positions):
        trick = starting_with(place.identity, fault) if lasting else at(place.identity, fault)
        try:
            damaged = export_of(connector, known, counted(trick, hits))
        except _MEANING[fault]:
            continue
        except ConnectorError as error:
            raise AssertionError(f"{place.label}: {fault}: raised {error!r}, which means something else") from error
        hold_told(connector, whole, damaged, f"{place.label}: {fault}{' from here on' if lasting else ''}")
    assert hits, "no request of an export is asked again in the next one, so that nothing can be tried"


def _untrue(coverage: Coverage, export: Export) -> str:
    """Return what of an export belies what is said of it; nothing where it all holds."""
    captured = {kind for kind in Kind if export.captured(kind)}
    told = {gap.kind for gap in export.gaps} | {each.kind for each in export.expected if each.count}
    wrong = [f"{kind} is captured" for kind in sorted(captured - set(coverage.captured))]
    wrong += [f"{kind} is expected or a gap, though not offered" for kind in sorted(told & set(coverage.not_offered))]
    return ", ".join(wrong)


def hold_told(connector: Connector[Any], whole: Export, damaged: Export, where: str) -> None:
    """Make sure that whatever a damaged export lacks is told by a gap that the whole one does not have."""
    numbers_add_up(damaged, where)
    if _new_gaps(whole, damaged):
        return
    before, after = canonical(whole, connector.redactions), canonical(damaged, connector.redactions)
    for name, lines in before.items():
        if name in ("gaps", "expected"):
            continue
        lost = set(lines.splitlines()) - set(after.get(name, b"").splitlines())
        assert not lost, f"{where}: {name}: {len(lost)} are missing or changed, and neither gap nor error says so"


def numbers_add_up(export: Export, where: str = "") -> None:
    """Make sure that expected = captured + gaps, for every kind of which a number is known."""
    at_ = f"{where}: " if where else ""
    for kind in sorted({expected.kind for expected in export.expected}):
        gaps = [gap.count for gap in export.gaps_of(kind)]
        if None in gaps:
            continue
        wanted = sum(expected.count for expected in export.expected if expected.kind is kind)
        missing = sum(count or 0 for count in gaps)
        captured = export.captured(kind)
        counted = f"{wanted} expected, {captured} captured, {missing} in gaps"
        assert wanted == captured + missing, f"{at_}{kind}: {counted}"


def _new_gaps(whole: Export, damaged: Export) -> list[Gap]:
    known: Counter[tuple[Kind, str | None, str]] = Counter((gap.kind, gap.id, gap.reason) for gap in whole.gaps)
    new = []
    for gap in damaged.gaps:
        key = (gap.kind, gap.id, gap.reason)
        if known[key]:
            known[key] -= 1
        else:
            new.append(gap)
    return new
