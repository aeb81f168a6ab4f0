"""226,000 courses by the model of `scale_model`, and the model beside a real run: see docs/scale.md.

`python -m bench.scale` prints the page's tables and draws docs/images/scale.svg; `python -m bench scale` compares.
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.daemon_process import CampusProcess, DaemonProcess

from bench.scale_chart import draw
from bench.scale_costs import KINDS, STORE, Kind
from bench.scale_model import House, Lms, Need, Outcome, simulate
from bench.table import Measurement

__all__ = ["WORKERS", "institution", "limit_of", "main", "measure_scale"]

COURSES = 226_000
INTEGRATIONS = 50
WORKERS = (1, 2, 4, 8, 16, 32, 64)

#: seconds of an answer of an LMS somewhere on the internet: an assumption
LATENCY = 0.2
#: units that drain from Canvas's bucket in a second, and that a request costs by Canvas's own example
DRAIN, COST = 10.0, 0.0437

#: of the real run: seconds added to every answer, so that waiting counts as with an LMS far away; requests at once
_DELAY, _PLACES = 0.06, 4
_COURSES = 16
_COURSE = re.compile(r"/api/v1/courses/(\d+)")


def institution(*, places: int = 4, courses: int = COURSES, kinds: Sequence[Kind] = KINDS, seed: int = 1) -> list[Lms]:
    """Make integrations of skewed sizes (the first has a seventh of the courses), of the measured kinds."""
    chance = random.Random(seed)
    weights = [1.0 / (number + 1) ** 0.8 for number in range(INTEGRATIONS)]
    made = []
    for weight in weights:
        needs = []
        for kind in chance.choices(
            kinds, [kind.share for kind in kinds], k=max(1, round(courses * weight / sum(weights)))
        ):
            at = chance.random()  # a course with many requests has many bytes
            requests, size = kind.requests_at(at), kind.size_at(at)
            needs.append(
                Need(requests=requests, cpu=requests * kind.cpu + size * kind.cpu_per_byte, size=size, store=STORE)
            )
        made.append(Lms(courses=needs, latency=LATENCY, places=places, most_a_second=DRAIN / COST))
    return made


def limit_of(outcome: Outcome, with_more: Outcome | None = None) -> str:
    """Say what kept it from being done sooner: workers, where more of them are faster, else what was busiest."""
    if with_more is not None and with_more.seconds < 0.97 * outcome.seconds:
        return "workers"
    return max(outcome.busy.items(), key=lambda one: one[1])[0]


def _rows(lmses: Sequence[Lms], workers: Sequence[int]) -> list[tuple[str, float, str]]:
    outcomes = [simulate(House(workers=number), lmses) for number in workers]
    rows = []
    for number, outcome, more in zip(workers, outcomes, [*outcomes[1:], None], strict=True):
        hours, limit = outcome.seconds / 3600, limit_of(outcome, more)
        busy = " | ".join(f"{100 * share:.0f} %" for share in outcome.busy.values())
        sys.stdout.write(f"| {number} | {hours:,.1f} | {number * hours:,.0f} | {busy} | {limit} |\n")
        rows.append((str(number), hours, limit))
    return rows


def main() -> None:
    """Print the tables of docs/scale.md and draw its picture."""
    for places, at_once, workers in ((4, 4, WORKERS), (12, 8, WORKERS[2:])):
        lmses = [replace(lms, courses_at_once=at_once) for lms in institution(places=places)]
        needs = [need for lms in lmses for need in lms.courses]
        total = sum(need.size for need in needs)
        sys.stdout.write(
            f"\nmax_concurrency = {places}, courses_at_once = {at_once}: {len(needs):,} courses, the largest LMS "
            f"{len(lmses[0].courses):,}; {sum(need.requests for need in needs) / 1e6:.1f} million requests, "
            f"{total / 1e12:.2f} TB, {sum(need.cpu for need in needs) / 3600:.0f} hours of a core\n"
        )
        bars = _rows(lmses, workers)
        if places == 4:
            picture = draw(bars, title="Hours to archive 226,000 courses of 50 LMSs", below="workers")
            Path("docs/images/scale.svg").write_text(picture, encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A real run: how long it took, what it asked, and the processor that the daemon used."""

    seconds: float
    requests: tuple[int, ...]
    cpu: float


def measure_scale() -> list[Measurement]:
    """Compare real runs with two and four courses at once with the model, fed with what one at once has cost."""
    base = _real(1)
    waited = sum(base.requests) * _DELAY
    at_once = min(float(_PLACES), waited / (base.seconds - base.cpu))
    rows = []
    for slots in (2, 4):
        real = _real(slots)
        modelled = _modelled(base, slots, at_once).seconds
        ratio = real.seconds / modelled
        rows.append(
            Measurement(
                what=f"scale model: {len(base.requests)} courses, {slots} at once instead of one",
                measured=f"{real.seconds:.1f} s (one at once {base.seconds:.1f} s)",
                beside=f"model {modelled:.1f} s, ratio {ratio:.2f}",
                value=max(ratio, 1 / ratio),
                wanted="<= 1.2",
            )
        )
    return rows


def _modelled(base: Run, slots: int, at_once: float) -> Outcome:
    total = sum(base.requests)
    needs = [
        Need(requests=requests, cpu=base.cpu * requests / total, size=0.0, store=0.0) for requests in base.requests
    ]
    lms = Lms(courses=needs, latency=_DELAY, places=_PLACES, courses_at_once=slots)
    return simulate(House(workers=1, concurrency=slots, at_once=at_once), [lms])


def _real(slots: int) -> Run:
    """Archive a campus with so many courses at once, by a daemon in a process of its own."""
    arguments = ("--no-throttle", "--courses", str(_COURSES), "--delay-ms", str(_DELAY * 1000))
    extra = {"integrations.main": f"max_concurrency = {_PLACES}", "engine": f"concurrency = {slots}"}
    with tempfile.TemporaryDirectory() as folder, CampusProcess.running(*arguments) as campus:
        daemon = DaemonProcess(Path(folder), campus.url, campus.tokens["admin"], extra)
        with daemon.running():
            before, start = _cpu(daemon.pid()), time.perf_counter()
            run = daemon.start_run("end_date", {"before": datetime.now(UTC).date().isoformat()})
            daemon.finished(run, seconds=600)
            seconds = time.perf_counter() - start
            cpu = _cpu(daemon.pid()) - before
            done = {item["course_id"] for item in daemon.items(run, status="completed")}
        return Run(seconds=seconds, requests=_per_course(campus.requests(), done), cpu=cpu)


def _per_course(requests: Sequence[dict[str, Any]], courses: set[str]) -> tuple[int, ...]:
    """Count the requests of each course; those that name none are everybody's."""
    named = Counter(found[1] for one in requests if (found := _COURSE.match(one["path"])) and found[1] in courses)
    others = (len(requests) - named.total()) / len(named)
    return tuple(round(number + others) for number in named.values())


def _cpu(pid: int) -> float:
    """Return the seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
