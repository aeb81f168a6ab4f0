"""Run the benchmarks that are named, or all: `python -m bench [NAME ...]`, with the names of `BENCHMARKS`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable

from bench.api import measure_api
from bench.archives import measure_archives
from bench.budget import measure_budget
from bench.campus import measure_campus
from bench.engine import measure_engine
from bench.http import measure_downloads, measure_requests
from bench.memory import measure_memory
from bench.objects import measure_objects
from bench.packages import measure_packages
from bench.pause import measure_pause
from bench.postgresql import measure_postgresql
from bench.scale import measure_scale
from bench.store import measure_store
from bench.streams import measure_streams
from bench.table import Measurement, show

BENCHMARKS: dict[str, Callable[[], list[Measurement]]] = {
    "http": measure_requests,
    "download": measure_downloads,
    "store": measure_store,
    "postgresql": measure_postgresql,
    "memory": measure_memory,
    "campus": measure_campus,
    "api": measure_api,
    "streams": measure_streams,
    "pause": measure_pause,
    "engine": measure_engine,
    "packages": measure_packages,
    "archives": measure_archives,
    "objects": measure_objects,
    "budget": measure_budget,
    "scale": measure_scale,
}


def main(names: list[str]) -> int:
    """Run benchmarks, print one table; 2 where a name is unknown. A missed ratio is printed, not an error."""
    if unknown := set(names) - set(BENCHMARKS):
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    rows: list[Measurement] = []
    before = os.getloadavg()[0]
    for name in names or BENCHMARKS:
        sys.stderr.write(f"measuring {name} ...\n")
        rows += BENCHMARKS[name]()
    # what others make the machine do lowers every rate, so it stands beside them
    load = f"load average {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    show(rows, f"{os.cpu_count()} cores, {load}, {platform.system()}, Python {platform.python_version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
