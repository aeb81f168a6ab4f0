"""The deployment under test, out of real processes: LMS, database, daemons, workers, and the wires between them."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
import psycopg
from fakes.postgres_server import Databases
from fakes.s3_server import OWNER
from faults.clocks import Clock
from faults.disks import Disk, Throttle
from faults.parts import TESTS, Campus, Database, Process, Program, until
from faults.places import Bucket, Folder, ObjectStore, Place
from faults.wires import Mode, Wire, Wires

from coursekeep_daemon.store import Store

__all__ = ["Lab", "Shape"]

#: seconds that a daemon gets to be ready, on a machine that is busy
STARTING = 90.0
#: what of a generated campus takes long for reasons of its own
_SLOW = ("unbuilt_views", "crowd", "big_module", "login_page")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What is deployed."""

    daemons: int = 1
    #: 0: the daemon archives courses itself
    workers: int = 0
    #: `disk` or `s3`
    archive: str = "disk"
    #: courses at once in one process
    concurrency: int = 2
    #: of the LMS; half of them have ended, and seven of them must take no longer than others
    courses: int = 30
    #: milliseconds that the LMS takes for every answer
    delay: int = 10
    #: wait between attempts as long as the product does
    true_waits: bool = False


class Lab:
    """The deployment. Use as a context manager; what is left in `folder` at the end are the logs and the archive."""

    #: how courses are read: by fewer requests than usual, since two cores do everything here
    CONNECTOR: ClassVar = "max_concurrency = 8\nnative_export = false\npage_revisions = false\nmodule_progress = false"

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.folder = folder
        self.shape = shape
        self._stack = ExitStack()
        self._keys = itertools.count(1)
        self.object_store: ObjectStore | None = None
        self.daemons: list[Program] = []
        self.workers: list[Program] = []
        self._token = ""
        #: called after the LMS was started anew: it has forgotten what it was told
        self.campus_started: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.wires = stack.enter_context(Wires())
            self.disk = Disk(self.folder / "disk")
            stack.callback(self.disk.remove)
            stack.callback(self._keep)
            self.throttle = Throttle(self.disk.place)
            stack.callback(self.throttle.remove)
            self.database = Database()
            stack.callback(self.database.remove)
            self.database_url = Databases(self.database.url("postgres")).empty()
            delay = ("--delay-ms", str(self.shape.delay))
            self.campus = Campus(self.folder, "--no-throttle", "--courses", str(self.shape.courses), *delay)
            self.campus.start()
            stack.callback(self.campus.kill)
            self.lms_wire = self.wires.to_port("lms", self.campus.port)
            self.place = self._place(stack)
            self._token = asyncio.run(self._first_token())
            self.db = psycopg.connect(self.database_url, autocommit=True)
            stack.callback(lambda: self.db.close())
            self._programs(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        for program in self.programs:
            program.process.resume()
        self._stack.close()

    def _place(self, stack: ExitStack) -> Place:
        if self.shape.archive == "disk":
            return Folder(self.disk.place / "archive")
        self.object_store = ObjectStore(self.folder)
        self.object_store.start()
        stack.callback(self.object_store.kill)
        self.object_store.wait()
        return Bucket(self.object_store, self.disk.place / "judge")

    def _keep(self) -> None:
        """Take what lies on the disk of its own over to the folder, before the disk goes."""
        if self.disk.own:
            shutil.copytree(self.disk.place, self.folder / "kept", dirs_exist_ok=True)

    async def _first_token(self) -> str:
        await asyncio.to_thread(Store.upgrade, self.database_url)
        async with Store(self.database_url) as store:
            return (await store.create_token("laboratory", "admin"))[1]

    def _programs(self, stack: ExitStack) -> None:
        for number in range(1, self.shape.daemons + 1):
            self.daemons.append(self._program(f"daemon-{number}", "serve"))
        for number in range(1, self.shape.workers + 1):
            self.workers.append(self._program(f"worker-{number}", "worker"))
        for program in self.programs:
            stack.callback(program.process.kill)
        self.daemons[0].process.start()  # a worker never makes an archive, so that it makes none at the wrong place
        until("the archive", lambda: self._ready(self.daemons[0]), seconds=STARTING)
        self.start_all()
        self.wait_until_ready()

    @property
    def programs(self) -> list[Program]:
        """Return daemons and workers."""
        return [*self.daemons, *self.workers]

    def _program(self, name: str, command: str) -> Program:
        home = self.disk.place / name
        home.mkdir(parents=True, exist_ok=True)
        wires = {"store": self.wires.to_socket(f"{name} to the store", self.database.socket), "lms": self.lms_wire}
        if self.object_store:
            wires["archive"] = self.wires.to_port(f"{name} to the archive", self.object_store.port)
        port = _free_port() if command == "serve" else 0
        settings = self.folder / f"{name}.toml"
        settings.write_text(self._settings(home, port, wires), encoding="utf-8")
        module = "coursekeep_daemon" if self.shape.true_waits else "faults.impatient"
        secrets = {"CAMPUS_TOKEN": self.campus_token, "S3_KEY": OWNER.key, "S3_SECRET": OWNER.secret}
        variables = {**secrets, "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))}
        return Program(
            process=Process(
                name,
                [sys.executable, "-m", module, command, "--settings", str(settings)],
                self.folder / f"{name}.log",
                variables,
            ),
            clock=Clock(self.folder / f"{name}.clock"),
            settings=settings,
            wires=wires,
            url=f"http://127.0.0.1:{port}/api/v1" if port else "",
        )

    def _settings(self, home: Path, port: int, wires: Mapping[str, Wire]) -> str:
        kind = "procrastinate" if self.shape.workers else "local"
        name = self.database_url.partition("?")[0].rpartition("/")[2]
        return f"""
[daemon]
host = "127.0.0.1"
port = {port}
data_dir = "{home}"
log_format = "json"
shutdown_timeout = 5

[store]
url = "postgresql://postgres@127.0.0.1:{wires["store"].port}/{name}"

{self.place.settings(wires["archive"].port if "archive" in wires else 0)}

[engine]
kind = "{kind}"
concurrency = {self.shape.concurrency}
max_attempts = 100

[integrations.main]
connector = "canvas"
base_url = "{self.base_url}"
token = {{ env = "CAMPUS_TOKEN" }}
timeout = 5.0
{self.CONNECTOR}

[schedules.each_minute]
integration = "main"
cron = "* * * * *"
source = "ids"
params = {{ ids = ["{self.known_courses[0]}"] }}
"""

    @property
    def base_url(self) -> str:
        """Return the address of the LMS; all must use the same, since packages tell where a course comes from."""
        return f"http://127.0.0.1:{self.lms_wire.port}"

    @property
    def campus_token(self) -> str:
        """Return the token that the LMS knows."""
        return str(self.campus.known["tokens"]["admin"])

    @property
    def courses(self) -> Sequence[str]:
        """Return the courses that the laboratory has archived again and again."""
        return self.known_courses[1:]

    @property
    def known_courses(self) -> Sequence[str]:
        """Return the courses that have ended and take no longer than others; the first is the schedule's."""
        known = self.campus.known["courses"]
        slow = {known["traps"][name] for name in _SLOW}
        return [str(one) for one in known["ended"] if one not in slow]

    def wait_until_ready(self) -> None:
        """Wait until all that should run does, and daemons say that they can work. Raises `TimeoutError`."""
        for program in self.programs:
            assert program.process.alive, f"{program.name} ended:\n{program.process.said()}"
        for daemon in self.daemons:
            until(f"{daemon.name} to be ready", partial(self._ready, daemon), seconds=STARTING)
        if self.workers:
            pids = {worker.process.pid for worker in self.workers}
            until("all workers to be known", lambda: pids <= self._known_workers(), seconds=STARTING)

    def _known_workers(self) -> set[int]:
        return {row[0] for row in self.ask("SELECT pid FROM worker WHERE NOT draining")}

    def start_all(self) -> None:
        """Start whatever does not run."""
        for program in self.programs:
            program.process.start()

    def set_clocks_right(self) -> None:
        """Start programs anew that go by clocks of their own."""
        for program in self.programs:
            if program.process.more:
                program.process.more = {}
                program.process.stop(30)
                program.process.start()

    @staticmethod
    def _ready(daemon: Program) -> bool:
        try:
            return httpx.get(f"{daemon.url}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def headers(self) -> dict[str, str]:
        """Return what makes the API listen to us."""
        return {"Authorization": f"Bearer {self._token}"}

    def start_run(self, courses: Sequence[str], *, seconds: float = 60.0) -> int:
        """Have courses archived anew where they changed; asks every daemon in turn until one has said yes."""
        body = {"integration": "main", "source": "ids", "params": {"ids": list(courses)}, "on_existing": "refresh"}
        headers = {**self.headers, "Idempotency-Key": f"laboratory-{next(self._keys)}"}
        turn = itertools.cycle(self.daemons)

        def asked() -> int | None:
            try:
                answer = httpx.post(f"{next(turn).url}/runs", json=body, headers=headers, timeout=10)
            except httpx.TransportError:
                return None
            if answer.status_code in (500, 503):
                return None
            assert answer.status_code in (200, 202), answer.text
            return int(answer.json()["id"])

        found: int = until("a daemon to take a run", asked, seconds=seconds, pause=0.2)
        return found

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database, past all wires; comes back after a restart of the server."""

        def answer() -> list[tuple[Any, ...]] | None:
            try:
                if self.db.closed:
                    self.db = psycopg.connect(self.database_url, autocommit=True, connect_timeout=5)
                return self.db.execute(query, values).fetchall()
            except psycopg.OperationalError:
                self.db.close()
                return None

        found: list[tuple[Any, ...]] = until("the database", lambda: _boxed(answer()), seconds=60)[0]
        return found

    def leader(self) -> Program:
        """Return the daemon that leads, as far as one does; the first where none does."""
        if len(self.daemons) == 1:
            return self.daemons[0]
        leading = {row[0] for row in self.ask("SELECT pid FROM daemon WHERE leads_since IS NOT NULL")}
        return next((one for one in self.daemons if one.process.pid in leading), self.daemons[0])

    def traces(self) -> list[tuple[str, str]]:
        """Return queries that find nothing where no work is going on, each with what they would find."""
        if not self.shape.workers:
            return []
        return [
            ("SELECT id, item_id, state, worker_id FROM lease", "leases"),
            ("SELECT id, status, args FROM procrastinate_jobs", "jobs"),
        ]

    def start_campus(self) -> None:
        """Start the LMS where it does not run, and tell it anew what it was told before anybody can ask it."""
        self.lms_wire.behave(Mode.CUT)
        self.campus.start()
        for tell in self.campus_started:
            tell()
        self.lms_wire.behave(Mode.OPEN)


def _boxed(value: Any) -> tuple[Any] | None:
    """Make even an empty list something true."""
    return None if value is None else (value,)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
