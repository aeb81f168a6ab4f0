"""The chart of the first page: what became of courses on each of the last days. From counts to shapes, without markup.

`templates/chart.html` draws the shapes. Days are those of UTC, as the store counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from coursekeep_daemon.console.words import status_word
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import DayCount

__all__ = ["DAYS", "Chart", "draw", "first_day"]

#: days that the chart shows, today included
DAYS = 30

#: what is shown, from the ground up: its colour, and its pattern, so that colour is not the only difference
_SERIES = (
    (ItemStatus.COMPLETED, "good", ""),
    (ItemStatus.FAILED, "bad", "diagonal"),
    (ItemStatus.NOT_FOUND, "warn", "dots"),
    (ItemStatus.SKIPPED, "idle", "lines"),
    (ItemStatus.CANCELED, "idle", "grid"),
)

# the drawing's own units
_WIDTH, _HEIGHT = 920, 160
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 16, 10, 28
_BAR_SHARE = 0.72
#: lines across, at most, besides the ground
_LINES = 4
#: a day's name under each so many
_LABEL_EVERY = 7


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One status of one day: a rectangle."""

    tone: str
    pattern: str
    y: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One day: its pieces, from the ground up."""

    x: float
    width: float
    pieces: Sequence[Piece]
    #: what the pointer is told
    said: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A line across with its number, or a day's name below."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the legend."""

    name: str
    tone: str
    pattern: str
    total: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All that is to be drawn, and the same numbers for a table."""

    width: int
    height: int
    left: int
    right: int
    ground: int
    bars: Sequence[Bar]
    lines: Sequence[Mark]
    days: Sequence[Mark]
    legend: Sequence[Entry]
    #: days with anything, newest first, each with its numbers in the order of the legend
    rows: Sequence[tuple[date, Sequence[int]]]
    #: the whole in one sentence
    said: str

    @property
    def empty(self) -> bool:
        """Whether nothing ended on any of the days."""
        return not self.rows


def first_day(today: date) -> date:
    """Return the first day that the chart shows."""
    return today - timedelta(days=DAYS - 1)


def draw(counts: Sequence[DayCount], today: date) -> Chart:
    """Turn counts into shapes. Integrations are added up; days outside of the chart, and other statuses, are left out.

    The highest day reaches near the top. A status that a day has is at least one unit high, however few it is.
    """
    days = [today - timedelta(days=DAYS - 1 - index) for index in range(DAYS)]
    numbers = _numbers(counts, days)
    highest = max(sum(each) for each in numbers)
    step = _step(highest)
    top = step * max(1, -(-highest // step))
    ground = _HEIGHT - _BOTTOM
    unit = (ground - _TOP) / top
    slot = (_WIDTH - _LEFT - _RIGHT) / DAYS
    totals = [sum(column) for column in zip(*numbers, strict=True)]
    return Chart(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        ground=ground,
        bars=[
            _bar(day, each, _LEFT + slot * index, slot, ground, unit)
            for index, (day, each) in enumerate(zip(days, numbers, strict=True))
            if any(each)
        ],
        lines=[Mark(at=round(ground - unit * at, 1), text=f"{at:,}") for at in range(step, top + 1, step)],
        days=[
            Mark(at=round(_LEFT + slot * (index + 0.5), 1), text=_short(day))
            for index, day in enumerate(days)
            if (DAYS - 1 - index) % _LABEL_EVERY == 0
        ],
        legend=[
            Entry(name=status_word(status), tone=tone, pattern=pattern, total=total)
            for (status, tone, pattern), total in zip(_SERIES, totals, strict=True)
        ],
        rows=[(day, each) for day, each in zip(reversed(days), reversed(numbers), strict=True) if any(each)],
        said=f"From {_short(days[0])} to {_short(today)}: {_told(totals)}.",
    )


def _numbers(counts: Sequence[DayCount], days: Sequence[date]) -> list[list[int]]:
    """Return a row for each day with a number for each status that is shown."""
    found: Counter[tuple[date, ItemStatus]] = Counter()
    for each in counts:
        found[each.day, each.status] += each.count
    return [[found[day, status] for status, _, _ in _SERIES] for day in days]


def _bar(day: date, numbers: Sequence[int], x: float, slot: float, ground: float, unit: float) -> Bar:
    pieces, y = [], float(ground)
    for (_, tone, pattern), number in zip(_SERIES, numbers, strict=True):
        if number:
            height = max(1.0, round(number * unit, 1))
            y = max(0.0, round(y - height, 1))
            pieces.append(Piece(tone=tone, pattern=pattern, y=y, height=height))
    width = slot * _BAR_SHARE
    return Bar(
        x=round(x + (slot - width) / 2, 1),
        width=round(width, 1),
        pieces=pieces,
        said=f"{_short(day)}: {_told(numbers)}",
    )


def _told(numbers: Sequence[int]) -> str:
    parts = [
        f"{number:,} {status_word(status).lower()}"
        for (status, _, _), number in zip(_SERIES, numbers, strict=True)
        if number
    ]
    return ", ".join(parts) or "nothing ended"


def _step(highest: int) -> int:
    """Return the distance of lines: 1, 2 or 5 with zeros, so that there are few of them."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * _LINES >= highest:
                return step * factor
        step *= 10


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"
