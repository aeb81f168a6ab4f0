"""What connectors say of themselves is what their exports hold: the table that institutions compare LMSs by."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.oneroster_files import district
from fakes.oneroster_server import OneRosterServer
from fakes.package_files import make_zip
from fakes.package_rich import RICH
from fakes.seen import Seen, seen_of
from pydantic import SecretStr

from coursekeep import Coverage, GapReason, Kind, RetryPolicy
from coursekeep_campus import CampusServer, generated
from coursekeep_campus.moodle import MoodleServer, moodle_content
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings
from coursekeep_connectors.moodle import MoodleConnector, MoodleSettings
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings

RETRY = RetryPolicy(attempts=4, wait=0.01, longest=0.05)
#: gaps that are named with others: what people did in an activity stands with the activity
WITH_OTHERS = {Kind.RESPONSES: Kind.ACTIVITIES, Kind.PAGE_REVISIONS: Kind.ACTIVITIES}


def test_canvas() -> None:
    """Canvas's courses give every kind that the connector says it captures, and no other."""
    with CampusServer(generated(seed=3, courses=8), throttle=False) as server:
        settings = CanvasSettings(base_url=server.url, token=server.token, export_poll=0.02)
        seen = seen_of(CanvasConnector(settings, retry=RETRY))

    (coverage,) = CanvasConnector.coverage
    seen.hold(coverage)


def test_moodle() -> None:
    """Moodle's courses give every kind that the connector says it captures, gaps where it says so, and no other."""
    with MoodleServer(moodle_content(seed=3, courses=4)) as server:
        seen = seen_of(MoodleConnector(MoodleSettings(base_url=server.url, token=server.token), retry=RETRY))

    (coverage,) = MoodleConnector.coverage
    seen.hold(coverage)


def test_oneroster() -> None:
    """A OneRoster service gives every kind that the connector says it captures, and no other."""
    with OneRosterServer(district("1.1"), "1.1", token="made-up-token-1f2e") as server:
        address = f"{server.url}/ims/oneroster/v1p1"
        settings = OneRosterSettings(base_url=address, token=SecretStr(server.token or ""))
        seen = seen_of(OneRosterConnector(settings, retry=RETRY))

    (coverage,) = OneRosterConnector.coverage
    seen.hold(coverage)


@pytest.mark.parametrize("coverage", PackagesConnector.coverage, ids=lambda found: found.of)
def test_packages(coverage: Coverage, tmp_path: Path) -> None:
    """Each format of packages gives every kind that the connector says it captures, gaps where it says so."""
    for number, entries in enumerate(RICH[coverage.of]):
        make_zip(tmp_path / f"{number}.zip", entries)

    seen = seen_of(PackagesConnector(PackagesSettings(path=tmp_path)))

    if coverage.of == "Blackboard, Brightspace":
        # which kinds are named depends on the types of resource in the package at hand
        assert seen.captured == set(coverage.captured)
        assert {kind for kind, reasons in seen.gaps.items() if GapReason.NATIVE_ONLY in reasons} >= {
            Kind.PAGES,
            Kind.QUIZZES,
        }
        return
    for kind, other in WITH_OTHERS.items():
        if kind in coverage.gaps:
            seen.gaps.setdefault(kind, set()).update(seen.gaps.get(other, ()))
    seen.hold(coverage)


def test_a_kind_in_no_column_is_refused() -> None:
    """A table that leaves out a kind, or has it twice, is refused with the kind's name."""
    every = dict.fromkeys(Kind, "")
    with pytest.raises(ValueError, match=r"Slate.*badges \(missing\)"):
        Coverage(of="Slate", captured={kind: text for kind, text in every.items() if kind is not Kind.BADGES})
    with pytest.raises(ValueError, match=r"badges \(twice\)"):
        Coverage(of="Slate", captured=every, not_offered={Kind.BADGES: "no"})


def test_too_much_is_seen() -> None:
    """A kind that is captured, but not said to be, fails; so does a gap of what is said not to be offered."""
    rest = {kind: "no" for kind in Kind if kind is not Kind.PAGES}
    coverage = Coverage(of="Slate", captured={Kind.PAGES: ""}, not_offered=rest)

    Seen(captured={Kind.PAGES}).hold(coverage)
    with pytest.raises(AssertionError, match="captured is not what was seen"):
        Seen(captured={Kind.PAGES, Kind.FILES}).hold(coverage)
    with pytest.raises(AssertionError, match="badges is a gap"):
        Seen(captured={Kind.PAGES}, gaps={Kind.BADGES: {GapReason.NO_ACCESS}}).hold(coverage)
