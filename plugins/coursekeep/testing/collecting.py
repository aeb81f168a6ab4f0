"""A pytest plugin that writes the scorecard: ``pytest -p coursekeep.testing.collecting --scorecard FILE``.

Each class that inherits `ConnectorContract` has a mark for every promise. A promise that did not run, or whose test was
replaced, is not kept: nothing can be left out of the suite to reach a grade.
"""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from coursekeep.testing.contract import ConnectorContract
from coursekeep.testing.grades import NOT_APPLICABLE, Promise, promised, promises_of
from coursekeep.testing.scorecard import Mark, Outcome, Scorecard, promise_mark

__all__ = ["pytest_addoption", "pytest_configure"]

#: signs of one failure that the scorecard shows
_LONGEST = 1000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--scorecard", metavar="FILE", help="Write the scorecard of connectors as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect only where a scorecard is asked for."""
    path = config.getoption("--scorecard")
    if path:
        config.pluginmanager.register(_Collector(Path(path)), "coursekeep-scorecard")


class _Collector:
    """Takes note of every test of the suite."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._suites: dict[str, type[object]] = {}
        self._tests: dict[str, tuple[str, str]] = {}
        #: by class and test: what each run of it gave
        self._runs: dict[tuple[str, str], list[tuple[Outcome, str, str]]] = defaultdict(list)
        self._others: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Collector, name: str, obj: object
    ) -> list[pytest.Item] | None:
        """Take classes that inherit the contract, whatever they are called, and no other class."""
        if inspect.isclass(obj) and not (issubclass(obj, ConnectorContract) and obj is not ConnectorContract):
            return []
        return None

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note which class and promise a test belongs to."""
        suite = getattr(item, "cls", None)
        if suite is None or not issubclass(suite, ConnectorContract):
            return
        self._suites[suite.__name__] = suite
        self._tests[item.nodeid] = (suite.__name__, getattr(item, "originalname", item.name))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what became of a test, or of its fixtures."""
        where = f"{report.location[0]}:{(report.location[1] or 0) + 1}"
        key = self._tests.get(report.nodeid)
        if report.failed:
            outcome = (Outcome.FAILED, _said(report), _place(report) or where)
        elif report.skipped:
            outcome = _skipped(report, where)
        elif report.when == "call":
            outcome = (Outcome.PASSED, "", "")
        else:
            return
        if key is not None:
            self._runs[key].append(outcome)
        elif outcome[0] is Outcome.FAILED:
            self._others.append(f"{report.nodeid}: {outcome[1]}")

    def pytest_sessionfinish(self) -> None:
        """Write the scorecard."""
        card = Scorecard(marks=list(self._marks()), others=self._others)
        self._path.write_text(json.dumps(card.to_json(), ensure_ascii=False), encoding="utf-8")

    def _marks(self) -> Iterator[Mark]:
        for suite, found in sorted(self._suites.items()):
            for promise in promises_of(ConnectorContract):
                yield self._mark(suite, found, promise)

    def _mark(self, suite: str, found: type[object], promise: Promise) -> Mark:
        own = getattr(found, promise.name, None)
        place = f"{found.__module__}.{suite}.{promise.name}"
        if own is None or promised(own) != promise or own is not getattr(ConnectorContract, promise.name):
            return promise_mark(suite, promise, Outcome.FAILED, "the test is replaced; remove what replaces it", place)
        runs = self._runs.get((suite, promise.name), [])
        if not runs:
            return promise_mark(suite, promise, Outcome.FAILED, "the test did not run", place)
        failed = [run for run in runs if run[0] is Outcome.FAILED]
        passed = [run for run in runs if run[0] is Outcome.PASSED]
        if failed:
            more = f" (and {len(failed) - 1} more of this kind)" if len(failed) > 1 else ""
            return promise_mark(suite, promise, Outcome.FAILED, failed[0][1] + more, failed[0][2])
        if passed:
            return promise_mark(suite, promise, Outcome.PASSED)
        return promise_mark(suite, promise, Outcome.NOT_APPLICABLE, runs[0][1])


def _skipped(report: pytest.TestReport, where: str) -> tuple[Outcome, str, str]:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if reason.startswith(NOT_APPLICABLE):
        return Outcome.NOT_APPLICABLE, reason.removeprefix(NOT_APPLICABLE), ""
    return Outcome.FAILED, f"the test was skipped: {reason}", where


def _said(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    said = str(crash.message) if crash is not None else str(report.longrepr)
    during = "" if report.when == "call" else f"in {report.when}: "
    return during + said.removeprefix("AssertionError: ").partition("\nassert ")[0][:_LONGEST]


def _place(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return "" if crash is None else f"{crash.path}:{crash.lineno}"
