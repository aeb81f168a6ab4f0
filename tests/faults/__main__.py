"""`python -m faults`: a long run, its journal as JSON, and the page of the documentation made from it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults.lab import Shape
from faults.laboratory import Laboratory, Outcome, possible, say
from faults.table import page

#: after every so many faults, and the last, ocfl-py and bagit.py judge too
_THOROUGH = 20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Do faults to a deployment, and judge it.")
    parser.add_argument("--count", type=int, default=200, help="how many faults (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="the same seed draws the same faults")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--daemons", type=int, default=Shape().daemons, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=Shape().workers, help="0: the daemon works itself")
    parser.add_argument("--archive", choices=("disk", "s3"), default="disk", help="where packages go")
    parser.add_argument("--true-waits", action="store_true", help="wait between attempts as long as the product does")
    parser.add_argument("--report", type=Path, default=None, help="write the page of the documentation here")
    parser.add_argument("--json", type=Path, default=None, help="write the journal here")
    parser.add_argument("--keep", type=Path, default=None, help="keep logs and archive here, whatever happens")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; 0 where everything held."""
    options = _parser().parse_args(arguments)
    logging.disable(logging.INFO)  # ocfl-py has everything told
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no process and no mounted disk behind
    seed = random.randrange(2**32) if options.seed is None else options.seed
    folder = options.keep or Path(tempfile.mkdtemp(prefix="ckfaults"))
    shape = Shape(
        daemons=options.daemons, workers=options.workers, archive=options.archive, true_waits=options.true_waits
    )
    say(f"seed {seed}; logs in {folder}")
    journal = _run(folder, shape, seed, options.count, options.only)
    (folder / "journal.json").write_text(json.dumps(journal, indent=1))
    if options.json:
        options.json.write_text(json.dumps(journal, indent=1))
    if options.report:
        options.report.write_text(page(journal), encoding="utf-8")
    failed = [one for one in journal["outcomes"] if one["problems"]]
    say(f"{len(journal['outcomes'])} faults, {len(failed)} with problems; seed {seed}")
    if failed or options.keep:
        say(f"logs and archive are kept in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failed else 0


def _run(folder: Path, shape: Shape, seed: int, count: int, only: str) -> dict[str, Any]:
    """Return the journal; told to end, it returns what was done by then."""
    outcomes: list[Outcome] = []
    impossible: dict[str, str] = {}
    begun = time.monotonic()
    with contextlib.suppress(SystemExit, KeyboardInterrupt), Laboratory(folder, shape, seed) as laboratory:
        faults, impossible = possible(laboratory.lab)
        for name, why in impossible.items():
            say(f"left out: {name}: {why}")
        drawn = laboratory.faults(count, [fault for fault in faults if only in fault.name])
        for number, fault in enumerate(drawn, 1):
            outcome = laboratory.once(fault, thorough=number % _THOROUGH == 0 or number == count)
            outcomes.append(outcome)
            say(outcome.line())
            if any(problem.detail.startswith("stuck") for problem in outcome.problems):
                break  # nothing more can be judged
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "shape": dataclasses.asdict(shape),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[2],
        "seconds": round(time.monotonic() - begun),
        "left_out": impossible,
        "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
    }


if __name__ == "__main__":
    sys.exit(main())
