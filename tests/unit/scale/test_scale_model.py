"""The model of docs/scale.md, where the answer is known beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench.scale import institution, limit_of
from bench.scale_chart import draw
from bench.scale_model import House, Lms, Need, Shared, simulate
from simpy import Environment

COURSE = Need(requests=100, cpu=1.0, size=1e6, store=0.0)


def test_a_shared_resource_divides_its_rate() -> None:
    """Two are served at half the rate each until one is done; nobody is served faster than it can be."""
    clock = Environment()
    shared = Shared(clock, 10.0, 6.0)
    ends = []
    for amount in (10.0, 20.0):
        shared.serve(amount).callbacks.append(lambda _: ends.append(clock.now))
    clock.run()

    assert ends == pytest.approx([2.0, 2.0 + 10.0 / 6.0])


def test_one_course_takes_the_sum_of_its_parts() -> None:
    """By itself, a course takes its answers, its processor time and its writing, one after the other."""
    lms = Lms(courses=[COURSE], latency=0.2, places=4)
    outcome = simulate(House(workers=1, at_once=2.0, write=1e6), [lms])

    assert outcome.seconds == pytest.approx(100 * 0.2 / 2 + 1.0 + 1.0)


def test_an_lms_bears_no_more_however_many_workers_there_are() -> None:
    """With workers enough, the time is that of the places of the slowest LMS, or of its throttle."""
    lms = Lms(courses=[COURSE] * 400, latency=0.2, places=4, courses_at_once=64)
    free = simulate(House(workers=64), [lms])
    throttled = simulate(House(workers=64), [replace(lms, most_a_second=10.0)])

    assert free.seconds == pytest.approx(400 * 100 / 20, rel=0.02)
    assert throttled.seconds == pytest.approx(400 * 100 / 10, rel=0.02)
    assert limit_of(free) == "slowest LMS"


def test_each_bound_can_be_the_one_that_holds() -> None:
    """Processors, archive and store bound what they serve, and are named."""
    lmses = [Lms(courses=[COURSE] * 50, latency=0.01, places=64)] * 8
    heavy = [replace(lms, courses=[replace(COURSE, store=5.0)] * 50) for lms in lmses]

    assert limit_of(simulate(House(workers=1), lmses)) == "processors"
    assert limit_of(simulate(House(workers=64, archive=1e5), lmses)) == "archive"
    assert limit_of(simulate(House(workers=64), heavy)) == "store"
    few, many = (simulate(House(workers=number), lmses) for number in (1, 2))
    assert limit_of(few, many) == "workers"


def test_the_same_seed_gives_the_same_outcome() -> None:
    """The institution has the courses that were asked for, and two simulations of it agree to the last digit."""
    lmses = institution(courses=2_000)

    assert sum(len(lms.courses) for lms in lmses) == pytest.approx(2_000, abs=30)
    assert institution(courses=2_000) == lmses
    assert simulate(House(workers=2), lmses) == simulate(House(workers=2), lmses)


def test_the_picture_says_what_it_shows() -> None:
    """The drawing has a title for those who cannot see it, and every number in it."""
    picture = draw([("1", 130.0, "workers"), ("64", 54.0, "slowest LMS")], title="Hours", below="workers")

    assert 'aria-label="Hours"' in picture
    assert all(f">{word}</text>" in picture for word in ("130 h", "54 h", "64", "slowest LMS"))
