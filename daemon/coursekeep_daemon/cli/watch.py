"""Following a run: live bars on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from coursekeep_daemon.cli.client import ApiClient, ApiError, Unreachable
from coursekeep_daemon.cli.output import Printer, plain
from coursekeep_daemon.runs.states import FINAL_RUN, RunStatus

__all__ = ["follow", "is_over", "outcome", "view", "watch"]

#: seconds between two looks at a busy run, and how long a daemon may be away
_PAUSE = 0.2
_PATIENCE = 600.0
_RETRY = 1.0


def is_over(run: Mapping[str, Any]) -> bool:
    """Tell whether a run has ended."""
    return RunStatus(run["status"]) in FINAL_RUN


def watch(open_client: Callable[[], ApiClient], run_id: int, printer: Printer) -> Mapping[str, Any]:
    """Show a run until it ends, and return it."""
    run: Mapping[str, Any] = {}
    with view(printer) as shown:
        for run in follow(open_client, run_id, lost=shown.lost):
            shown.update(run)
    return run


def follow(
    open_client: Callable[[], ApiClient],
    run_id: int,
    *,
    lost: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Mapping[str, Any]]:
    """Yield a run whenever it has changed, until it is over.

    A daemon that restarts is waited for, and the stream of events goes on where it stopped. One that is not there at
    the beginning, or stays away for ten minutes, raises `CliError`.
    """
    last_id: str | None = None
    looked = seen = float("-inf")  # at the run; at any sign of the daemon
    while True:
        try:
            with open_client() as client:
                for event in client.events(run=run_id, after=last_id):
                    last_id, seen = event.id or last_id, clock()
                    # of courses that end at once, a person sees the last as well as each
                    if event.data is None or (event.kind == "item" and clock() - looked < _PAUSE):
                        continue
                    run, looked = client.get(f"/runs/{run_id}"), clock()
                    yield run
                    if is_over(run):
                        return
            problem = "the daemon closed the stream"
        except (Unreachable, ApiError) as error:
            gone = isinstance(error, Unreachable) or error.status == 503
            if not gone or clock() - seen > _PATIENCE:
                raise
            problem = str(error)
        lost(problem)
        sleep(_RETRY)


def outcome(run: Mapping[str, Any]) -> str:
    """Return one line that tells how a run stands: its status and its counts that are not zero."""
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in run["counts"].items() if count)
    gaps = f", {run['gaps']} gaps" if run["gaps"] else ""
    reason = f" ({plain(run['reason'])})" if run["reason"] else ""
    hold = f" [held: {run['hold']['level']}: {plain(run['hold']['reason'])}]" if run["hold"] else ""
    return f"run {run['id']} {run['status'].replace('_', ' ')}{reason}: {counts or 'no courses'}{gaps}{hold}"


class View(Protocol):
    """Something that shows a run."""

    def update(self, run: Mapping[str, Any]) -> None:
        """Show a newer state."""

    def lost(self, problem: str) -> None:
        """Show that the daemon cannot be reached just now."""


def view(printer: Printer) -> AbstractContextManager[View]:
    """Return the view that fits where the output goes."""
    if printer.as_json:
        return _JsonLines(printer)
    return _Bars(printer) if printer.live else _Lines(printer)


class _JsonLines(AbstractContextManager["_JsonLines"]):
    def __init__(self, printer: Printer) -> None:
        self.printer = printer

    def __exit__(self, *exc: object) -> None:
        pass

    def update(self, run: Mapping[str, Any]) -> None:
        self.printer.line(run)

    def lost(self, problem: str) -> None:
        self.printer.line({"lost": problem})


class _Lines(AbstractContextManager["_Lines"]):
    """One line whenever what it says has changed."""

    def __init__(self, printer: Printer) -> None:
        self.printer = printer
        self.last = ""

    def __exit__(self, *exc: object) -> None:
        pass

    def _say(self, line: str) -> None:
        if line != self.last:
            self.last = line
            self.printer.say(line)
            self.printer.console.file.flush()

    def update(self, run: Mapping[str, Any]) -> None:
        self._say(outcome(run))

    def lost(self, problem: str) -> None:
        self._say(f"waiting for the daemon: {problem}")


class _Bars(AbstractContextManager["_Bars"]):
    """A bar for the run, with its counts beside it."""

    def __init__(self, printer: Printer) -> None:
        self.printer = printer
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
            console=printer.console,
        )
        self.task: TaskID | None = None
        self.run: Mapping[str, Any] | None = None

    def __enter__(self) -> _Bars:
        self.progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.progress.stop()
        if self.run is not None:
            self.printer.console.print(Text(outcome(self.run)), soft_wrap=True)

    def update(self, run: Mapping[str, Any]) -> None:
        self.run = run
        if self.task is None:
            self.task = self.progress.add_task("", counts="")
        done = run["progress"]
        counts = "  ".join(f"{name.replace('_', ' ')} {count}" for name, count in run["counts"].items() if count)
        held = f"  held: {run['hold']['level']}: {plain(run['hold']['reason'])}" if run["hold"] else ""
        self.progress.update(
            self.task,
            description=f"run {run['id']} {run['status'].replace('_', ' ')}",
            completed=done["done"],
            total=done["total"] if done["planned"] else None,
            counts=counts + held,
        )

    def lost(self, problem: str) -> None:
        if self.task is not None:
            self.progress.update(self.task, counts=f"waiting for the daemon: {problem}")
