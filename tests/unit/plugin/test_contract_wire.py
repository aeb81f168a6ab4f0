"""What the conformance suite is built of: the wire, the clock, and the bytes that are compared."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from fakes.contract_lms import KNOWN, SECRET, SITE, Good, open_for

from coursekeep import NO_RETRY, Course, Gap, GapReason, Kind, RawPage, Record, Redaction, RemoteFile
from coursekeep.testing import Export, Fault, Wire, canonical
from coursekeep.testing.clock import LeapingLoop
from coursekeep.testing.paging import _named_in
from coursekeep.testing.running import asked_of, places, wired
from coursekeep.testing.wire import first_time


def run_on(loop_factory, main):
    """Run to the end on a loop of this kind."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def test_clock_leaps_over_waits_that_nothing_can_end():
    """A wait of an hour takes no time where no answer is awaited, and has passed on the loop's own clock."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - began

    began = time.monotonic()
    assert run_on(lambda: LeapingLoop(lambda: True), main) >= 3600
    assert time.monotonic() - began < 60


def test_clock_does_not_leap_while_an_answer_is_awaited():
    """A wait beside a request under way is waited, so that the answer comes first."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(3600, pytest.fail, "the clock leapt")
        answered = loop.create_future()
        loop.call_later(0.2, answered.set_result, None)
        await answered
        return loop.time() - began

    assert run_on(lambda: LeapingLoop(lambda: False), main) < 60


def test_requests_are_named_without_secrets():
    """The name of a request holds its query and form, but no field that is named like a secret."""
    wire = Wire(httpx.MockTransport(lambda request: httpx.Response(200)))
    request = httpx.Request("POST", f"{SITE}/rest?page=2&api_key=hush", content=b"wstoken=hush&function=get")

    async def main() -> None:
        await (await wire.handle_async_request(request)).aclose()

    asyncio.run(main())
    assert wire.asked[0].label == "POST /rest (page=2, function=get)"
    assert wire.open == 0


@pytest.mark.parametrize("repeatable", [True, False])
def test_requests_that_must_not_be_repeated_are_left_alone(repeatable):
    """A POST that changes something fails only where the LMS surely has not seen it."""
    wire = Wire(httpx.MockTransport(lambda request: httpx.Response(200)), first_time(Fault.ERROR))
    wire.begin()
    request = httpx.Request("POST", SITE, extensions={"repeatable": repeatable})

    async def main() -> list[int]:
        return [(await wire.handle_async_request(request)).status_code for _ in range(2)]

    assert asyncio.run(main()) == ([503, 200] if repeatable else [200, 200])


def test_places_are_spread_over_different_requests():
    """The first and the last request are among the chosen, each request once, and no more than were asked for."""
    _, asked = asked_of(open_for(Good), KNOWN)
    chosen = places(asked, 3)

    people = "GET /courses/1/people"
    assert [each.label for each in chosen] == ["GET /courses/1", f"{people} (from=10)", f"{people} (from=20)"]
    assert len({each.identity for each in places(asked, 100)}) == len(places(asked, 100)) == 4
    assert len(places(asked, 100, before=0.5)) == 2


def test_connector_is_made_anew_around_its_own_transport():
    """The wire asks whatever the connector would have asked, with its settings, and the policy of the test."""
    connector = open_for(Good)
    other, wire = wired(connector, retry=NO_RETRY)

    async def main() -> Course | None:
        async with other:
            return await other.course("1")

    assert asyncio.run(main()) is not None
    assert other.settings is connector.settings
    assert [each.label for each in wire.asked] == ["GET /courses/1"]


def export(*parts) -> Export:
    """Make an export of these parts."""
    made = Export(course=Course(id="1", name="Botany"))
    for part in parts:
        made.add(part)
    return made


def test_bytes_do_not_depend_on_order_addresses_or_what_is_redacted():
    """Order, signed addresses and redacted fields make no difference; anything else does."""
    rule = Redaction(name="feed", reason="secret", keys=frozenset({"code"}), paths=frozenset({"feed.php"}))

    def parts(sign: str):
        text = f"{SITE}/feed.php/{sign}?token={sign}&page=1"
        yield Record(kind=Kind.PAGES, id="1", data={"body_html": text})
        yield RemoteFile(group="course", id="4", name="moss.txt", url=f"{SITE}/{sign}", extra={"code": sign})
        yield RawPage(endpoint="pages", number=1, body=[{"id": 1, "code": sign}, {"id": 2}])
        yield Gap(kind=Kind.PAGES, reason=GapReason.LOCKED, id="9", detail=text)

    one, other = export(*parts("a1")), export(*reversed(list(parts("b2"))))

    assert canonical(one, [rule]) == canonical(other, [rule])
    assert canonical(one) != canonical(other)
    longer = export(*parts("a1"), Record(kind=Kind.PAGES, id="2", data={"title": SECRET}))
    assert canonical(one, [rule])["pages"] != canonical(longer, [rule])["pages"]


@pytest.mark.parametrize(
    ("body", "link"),
    [
        ({"items": [], "next": "/people?page=2"}, "/people?page=2"),
        ({"value": [1], "@odata.nextLink": "https://x/2"}, "https://x/2"),
        ({"data": [], "links": {"next": {"href": "?page=2"}}}, "?page=2"),
        ({"data": [], "paging": {"nextPage": "https://x/2"}}, "https://x/2"),
        ({"items": [], "next": None}, None),
        ({"items": [], "next": "soon"}, None),
        ({"id": 1, "next": "/courses/2"}, None),
        ([{"next": "/2"}], None),
    ],
)
def test_next_pages_are_known_by_their_usual_names(body, link):
    """An address beside a list, under a usual name, is a next page; a field of an object is not."""
    assert _named_in(body) == link
