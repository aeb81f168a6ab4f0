"""Credentials that end, with a real service over a campus and a clock that is moved."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.service_bench import Bench, eventually

from coursekeep import CheckStep
from coursekeep_campus import CampusServer, generated
from coursekeep_campus.state import Options
from coursekeep_daemon.expiry import EndBasis, EndState
from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.runs.holds import HoldLevel
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.settings import IntegrationSettings

LAST = date(2027, 1, 31)
END = datetime(2027, 2, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def server() -> Iterator[CampusServer]:
    options = Options(throttle=None, rotating=True, refresh_lasts=30 * 86400)
    with CampusServer(generated(seed=1, courses=10), options=options) as server:
        yield server


def expiry_step(steps: list[CheckStep]) -> CheckStep | None:
    return next((step for step in steps if step.name == "expiry"), None)


async def told(service: Service, kind: NotificationKind) -> list[Any]:
    return [each.notification for each in (await service.notifications.list(kind=kind)).items]


def test_a_run_with_ended_credentials_waits_says_why_and_goes_on(server: CampusServer, tmp_path: Path) -> None:
    """From the day after `expires_on` a run is held before the LMS is asked; with new settings a check releases it."""
    clock, course = Clock(END), str(server.known["ended"][0])

    async def started() -> int:
        async with Bench(tmp_path, server, expires_on=LAST).service(clock=clock) as service:
            asked = len(server.requests)
            run = await Bench.run_ids(service, course)
            hold = service.holds.hold(run)
            assert hold is not None
            assert hold.level is HoldLevel.CREDENTIALS
            assert "2027-01-31 is their last day, as `expires_on` in the settings says" in hold.reason
            assert not any(
                path.startswith(f"/api/v1/courses/{course}?") for _, path, *_ in list(server.requests)[asked:]
            )
            step = expiry_step(await service.check("main"))
            assert step is not None
            assert not step.ok
            assert "change `expires_on`" in step.remedy
            assert service.holds.trouble("main") is not None, "a check with ended credentials releases nothing"
            assert len(await told(service, NotificationKind.CREDENTIALS_NEEDED)) == 1
            return run.id

    async def renewed(run_id: int) -> RunStatus:
        bench = Bench(tmp_path, server, expires_on=LAST.replace(year=2028))
        async with bench.service(clock=clock) as service:
            run = await service.store.run(run_id)
            assert run is not None
            return RunStatus((await bench.finished(service, run)).status)

    assert asyncio.run(renewed(asyncio.run(started()))) is RunStatus.COMPLETED


def test_the_last_day_itself_is_good(server: CampusServer, tmp_path: Path) -> None:
    """On the last day, in the daemon's time zone, courses are archived."""
    clock = Clock(END - timedelta(hours=1, minutes=1))

    async def main(zone: str) -> EndState:
        bench = Bench(tmp_path, server, expires_on=LAST)
        async with bench.service(clock=clock, daemon={"time_zone": zone}) as service:
            end = service.expiry.of("main")
            assert end is not None
            return end.state

    assert asyncio.run(main("UTC")) is EndState.EXPIRING
    assert asyncio.run(main("Europe/Vienna")) is EndState.EXPIRING
    assert asyncio.run(main("Europe/Helsinki")) is EndState.EXPIRED


def test_an_end_that_is_near_is_told_once_and_shown(server: CampusServer, tmp_path: Path) -> None:
    """Within `expiry_notice` days operators are told, once over restarts, and again for another end."""

    async def main(now: datetime, last: date = LAST, notice: int = 10) -> tuple[int, list[str], CheckStep | None]:
        bench = Bench(tmp_path, server, expires_on=last, expiry_notice=notice)
        async with bench.service(clock=Clock(now)) as service:
            await service.expiry.look("main")
            step = expiry_step(await service.check("main"))
            found = (await service.system()).credentials
            return len(await told(service, NotificationKind.CREDENTIALS_EXPIRING)), [one.state for one in found], step

    early = asyncio.run(main(END - timedelta(days=11)))
    near = [asyncio.run(main(END - timedelta(days=days))) for days in (10, 2)]
    other = asyncio.run(main(END - timedelta(days=2), last=LAST - timedelta(days=1)))

    assert early[:2] == (0, ["good"])
    assert [each[:2] for each in near] == [(1, ["expiring"]), (1, ["expiring"])]
    assert other[0] == 2
    step = near[1][2]
    assert step is not None
    assert step.ok
    assert step.detail.startswith("they end in 2 days: 2027-01-31 is their last day")
    assert step.remedy.startswith("Renew them in the LMS")


def test_where_nobody_says_nothing_is_said(server: CampusServer, tmp_path: Path) -> None:
    """Canvas does not tell when a token ends: without `expires_on` there is no step, and nothing is claimed."""

    async def main() -> None:
        async with Bench(tmp_path, server).service() as service:
            assert expiry_step(await service.check("main")) is None
            assert (await service.system()).credentials == []

    asyncio.run(main())


def test_a_refresh_token_says_when_it_ends(server: CampusServer, tmp_path: Path) -> None:
    """What a token endpoint says of the refresh token is kept, and known to the next daemon before it asks anybody."""
    oauth = server.state.oauth
    way_in = {
        "token": None,
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
        "refresh_token": oauth.refresh_token,
        "expiry_notice": 31,
    }

    async def first() -> CheckStep | None:
        async with Bench(tmp_path, server, **way_in).service() as service:
            assert service.expiry.of("main") is None
            return expiry_step(await service.check("main"))

    async def second() -> Any:
        async with Bench(tmp_path, server, **way_in).service() as service:
            return service.expiry.of("main")

    step, known = asyncio.run(first()), asyncio.run(second())

    assert step is not None
    assert "as they say themselves" in step.detail
    assert (known.basis, known.state) == (EndBasis.CREDENTIALS, EndState.EXPIRING)
    assert timedelta(days=29) < known.at - datetime.now(UTC) <= timedelta(days=30)


def test_a_jwt_says_when_it_ends(server: CampusServer, tmp_path: Path) -> None:
    """The `exp` of a token that is a JWT is read without a key; the earlier of two ends counts."""
    token = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "RS256"}, {"exp": END.timestamp() - 86400}, "signature")
    )

    async def main(**more: Any) -> Any:
        async with Bench(tmp_path, server, token=token, **more).service(clock=Clock(END)) as service:
            await eventually(lambda: service.holds.trouble("main"))
            return service.expiry.of("main")

    alone, both = asyncio.run(main()), asyncio.run(main(expires_on=LAST - timedelta(days=9)))

    assert (alone.basis, alone.at) == (EndBasis.CREDENTIALS, END - timedelta(days=1))
    assert (both.basis, both.last_day) == (EndBasis.SETTINGS, date(2027, 1, 22))


@pytest.mark.parametrize(
    "wrong", [{"expires_on": "soon"}, {"expires_on": "9999-12-31"}, {"expiry_notice": -1}], ids=str
)
def test_an_end_that_cannot_be_counted_is_refused(wrong: dict[str, Any]) -> None:
    """`expires_on` is a day, and `expiry_notice` a number of days."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        IntegrationSettings(connector="canvas", **wrong)
