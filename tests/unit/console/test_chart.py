"""The chart of the first page: shapes from counts, drawn as SVG, with a table for who cannot see it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fakes.console_house import ConsoleHouse, in_console

from coursekeep_daemon.console.chart import DAYS, draw
from coursekeep_daemon.runs.states import ItemStatus

TODAY = date(2026, 3, 5)


@dataclass(frozen=True, kw_only=True)
class Count:
    """As the store counts."""

    status: ItemStatus
    count: int
    day: date = TODAY
    integration: str = "main"


def test_integrations_are_added_up_and_pieces_stand_on_each_other() -> None:
    """A day is one bar; its pieces are as high as their numbers, in the order of the legend, without space between."""
    chart = draw(
        [
            Count(status=ItemStatus.COMPLETED, count=30),
            Count(status=ItemStatus.COMPLETED, count=10, integration="other"),
            Count(status=ItemStatus.FAILED, count=20),
        ],
        TODAY,
    )

    (bar,) = chart.bars
    good, bad = bar.pieces
    assert (good.tone, bad.tone) == ("good", "bad")
    assert good.height == pytest.approx(2 * bad.height, abs=0.2)
    assert good.y + good.height == pytest.approx(chart.ground, abs=0.2)
    assert bad.y + bad.height == pytest.approx(good.y, abs=0.2)
    assert bar.said == "5 Mar: 40 completed, 20 failed"
    assert [(each.name, each.total) for each in chart.legend[:2]] == [("Completed", 40), ("Failed", 20)]


def test_every_status_differs_in_more_than_colour() -> None:
    """No two statuses share colour and pattern, and each pattern belongs to one status."""
    legend = draw([], TODAY).legend

    assert [each.name for each in legend] == ["Completed", "Failed", "Not found", "Skipped", "Canceled"]
    assert len({each.pattern for each in legend}) == len(legend)


def test_days_outside_and_open_statuses_are_left_out() -> None:
    """The chart covers thirty days, today included; nothing else reaches its numbers."""
    first = TODAY - timedelta(days=DAYS - 1)
    counts = [
        Count(day=first, status=ItemStatus.COMPLETED, count=1),
        Count(day=first - timedelta(days=1), status=ItemStatus.COMPLETED, count=100),
        Count(day=TODAY + timedelta(days=1), status=ItemStatus.COMPLETED, count=100),
        Count(status=ItemStatus.QUEUED, count=100),
    ]
    chart = draw(counts, TODAY)

    assert [(day, list(numbers)) for day, numbers in chart.rows] == [(first, [1, 0, 0, 0, 0])]
    assert chart.said == "From 4 Feb to 5 Mar: 1 completed."


@pytest.mark.parametrize(
    ("highest", "texts"),
    [
        (1, ["1"]),
        (4, ["1", "2", "3", "4"]),
        (7, ["2", "4", "6", "8"]),
        (90, ["50", "100"]),
        (1_000_001, ["500,000", "1,000,000", "1,500,000"]),
    ],
)
def test_the_lines_across_have_round_numbers(highest: int, texts: list[str]) -> None:
    """At most four lines, at numbers with one digit of 1, 2 or 5, and the highest bar stays below the last."""
    chart = draw([Count(status=ItemStatus.COMPLETED, count=highest)], TODAY)

    assert [line.text for line in chart.lines] == texts
    assert chart.bars[0].pieces[0].y >= chart.lines[-1].at


def test_a_single_failure_among_many_can_be_seen() -> None:
    """However few a status has beside the others, it is drawn."""
    counts = [Count(status=ItemStatus.COMPLETED, count=100_000), Count(status=ItemStatus.FAILED, count=1)]
    (bar,) = draw(counts, TODAY).bars

    assert bar.pieces[1].height >= 1


def _counting(house: ConsoleHouse, counts: Sequence[Count]) -> list[date]:
    """Give the store these counts, and return where it notes from when on it was asked."""
    asked: list[date] = []
    store: Any = house.api.store

    async def archived_per_day(since: date, integration: str | None = None) -> Sequence[Count]:
        asked.append(since)
        return counts

    store.archived_per_day = archived_per_day
    return asked


def test_the_first_page_draws_the_chart_with_a_table_beside_it() -> None:
    """The drawing is named and described, has no inline style, and every number of it stands in a table too."""

    async def test(house: ConsoleHouse) -> None:
        today = datetime.now(UTC).date()
        asked = _counting(
            house,
            [
                Count(day=today, status=ItemStatus.COMPLETED, count=1234),
                Count(day=today, status=ItemStatus.FAILED, count=2),
            ],
        )
        page = (await (await house.signed_in("viewer")).get("/")).text
        found = re.search(r'<section[^>]* id="chart".*?</section>', page, re.DOTALL)
        assert found
        chart = found[0]

        assert asked == [today - timedelta(days=DAYS - 1)]
        assert 'role="img" aria-labelledby="chart-name chart-said"' in chart
        assert "1,234 completed, 2 failed." in chart
        assert "style=" not in chart
        assert "<a " not in chart
        assert "midnight UTC" in chart
        assert re.search(
            rf'<th scope="row" class="nowrap">{today}</th><td class="number">1,234</td><td class="number">2</td>', chart
        )
        assert page.index('id="tiles"') < page.index('id="runs"') < page.index('id="chart"')

    in_console(test)


def test_without_any_course_the_chart_says_what_it_is_for() -> None:
    """Where nothing ended there is no drawing, but a sentence."""

    async def test(house: ConsoleHouse) -> None:
        _counting(house, [])
        page = (await (await house.signed_in("viewer")).get("/")).text

        assert "Nothing was imported in the last 30 days." in page
        assert "<svg class" not in page

    in_console(test)
