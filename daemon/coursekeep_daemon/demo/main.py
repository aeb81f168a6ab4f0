"""The demo from start to end: set up, tell the story, judge the packages, say where to look, clean up."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.progress import Progress

from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, CliError
from coursekeep_daemon.cli.output import Printer
from coursekeep_daemon.demo.house import USER, House, house
from coursekeep_daemon.demo.judges import Verdicts, judge
from coursekeep_daemon.demo.story import Story, tell

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the demo is to be run."""

    folder: Path | None = None
    #: keep everything running, with the console, until Ctrl-C
    serve: bool = False
    #: folder of the OULAD data
    oulad: Path | None = None
    #: keep a temporary folder
    keep: bool = False
    as_json: bool = False


def run(options: Options) -> int:
    """Run the demo; return 0 where everything is as it should be, else 1."""
    printer = Printer(as_json=options.as_json)
    with _terminable(), _folder(options) as folder:
        printer.say(f"Starting a campus and a daemon in {folder} ...")
        with house(folder, options.oulad) as running:
            printer.say(f"Console: {running.url}   sign in as {USER} with the password {running.password}\n")
            story = tell(running, printer)
            verdicts = _judged(running, printer)
            good = not story.surprises and verdicts.good
            if options.as_json:
                printer.line(_report(story, verdicts, good))
            else:
                _print_results(printer, running, story, verdicts)
                _print_places(printer, running, options)
            if options.serve:
                _stay(running, printer)
    return 0 if good else EXIT_NOT_GOOD


def _judged(running: House, printer: Printer) -> Verdicts:
    with running.client() as client:
        packages = client.entries("/packages", limit=None)
        printer.say(f"\nVerifying {len(packages)} packages")
        with Progress(console=printer.console, disable=not printer.live) as progress:
            task = progress.add_task("verify", total=len(packages))
            return judge(client, running.archive, packages, lambda: progress.advance(task))


def _print_results(printer: Printer, running: House, story: Story, verdicts: Verdicts) -> None:
    printer.say("")
    columns = ("completed", "skipped", "not_found", "failed")
    printer.table(
        ("run", "what", "status", *(name.replace("_", " ") for name in columns), "gaps"),
        [
            (run["id"], title, run["status"].replace("_", " "), *(run["counts"][name] for name in columns), run["gaps"])
            for title, run in story.runs
        ],
    )
    _print_growth(printer, story)
    for surprise in (*story.surprises, *verdicts.problems):
        printer.say(f"NOT AS IT SHOULD BE: {surprise}")
    judges = ", ".join(
        f"{name}: {'not installed' if count is None else count}" for name, count in verdicts.valid.items()
    )
    least = min(count for count in verdicts.valid.values() if count is not None)
    printer.say(f"\nValid by each judge: {judges}")
    printer.say(f"{least} of {verdicts.total} packages are valid")


def _print_growth(printer: Printer, story: Story) -> None:
    if story.growth is None:
        return
    printer.say(f"\nThe refreshed package {story.growth.package_id} stores")
    for version, (files, size) in story.growth.stored.items():
        printer.say(f"   {version}: {files} files, {size:,} bytes")


def _print_places(printer: Printer, running: House, options: Options) -> None:
    printer.say("\nWhere to look next")
    if options.keep or options.folder is not None:
        printer.say(f"   {running.archive / 'README.txt'}: what the archive is, for whoever finds it")
        printer.say(f"   coursekeep package verify {running.archive}")
        printer.say(f"   {running.folder}/settings.toml, daemon.log, campus.log")
    else:
        printer.say("   coursekeep demo --dir DIR   keeps the archive to look into")
    if not options.serve:
        printer.say("   coursekeep demo --serve     keeps everything running, with the console")


def _report(story: Story, verdicts: Verdicts, good: bool) -> Mapping[str, Any]:
    growth = story.growth
    return {
        "good": good,
        "runs": [{"what": title, "run": run} for title, run in story.runs],
        "refreshed": None if growth is None else {"package_id": growth.package_id, "stored": growth.stored},
        "packages": verdicts.total,
        "valid": verdicts.valid,
        "problems": [*story.surprises, *verdicts.problems],
    }


def _stay(running: House, printer: Printer) -> None:
    printer.say(f"\nThe console is open at {running.url}")
    printer.say(f"   sign in as {USER} with the password {running.password}")
    printer.say(f"\nThe campus is at {running.campus.url}. Ctrl-C stops both. In another terminal:")
    printer.say(f"   export COURSEKEEP_URL={running.url} COURSEKEEP_TOKEN={running.token}")
    printer.say("   coursekeep run list")
    try:
        while (gone := running.dead()) is None:
            time.sleep(1)
    except KeyboardInterrupt:
        printer.say("Stopping ...")
        return
    raise CliError(f"the {gone} has ended; see {running.folder / f'{gone}.log'}.")


@contextmanager
def _folder(options: Options) -> Iterator[Path]:
    if options.folder is None:
        made = Path(tempfile.mkdtemp(prefix="coursekeep-demo-"))
        try:
            yield made
        finally:
            if not options.keep:
                # a file that cannot be removed must not hide how the demo ended
                shutil.rmtree(made, ignore_errors=True)
        return
    folder = options.folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CliError(f"{options.folder} is not an empty folder. Name another with --dir, or empty it.")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does: by cleaning up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
