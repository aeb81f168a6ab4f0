"""A real Kolibri on loopback, in an environment of its own and with a home of its own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fakes.daemon_process import stop_process, wait_for

__all__ = ["KolibriServer", "KolibriUser", "kolibri_command"]

_MADE = Path(__file__).resolve().parents[2] / ".kolibri" / "bin" / "kolibri"


def kolibri_command() -> str | None:
    """Return the command that starts Kolibri, or None where there is none.

    `COURSEKEEP_TEST_KOLIBRI` names it; fails where it names one that is not there. Without it, the one is taken that
    `make test` installs.
    """
    named = os.environ.get("COURSEKEEP_TEST_KOLIBRI")
    if named is None:
        return str(_MADE) if _MADE.exists() else None
    found = shutil.which(named)
    assert found, f"COURSEKEEP_TEST_KOLIBRI names {named!r}, which is no command"
    return str(Path(found).absolute())


class KolibriUser:
    """Somebody who has signed in, as a browser does."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60.0)
        body = self.post("/api/auth/session/", username=username, password=password)
        self.id = str(body["user_id"])

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._ask("GET", path, params=params)

    def post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, json=body)

    def put(self, path: str, **body: Any) -> Any:
        return self._ask("PUT", path, json=body)

    def patch(self, path: str, **body: Any) -> Any:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        token = self._client.cookies.get("kolibri_csrftoken")
        answer = self._client.request(method, path, headers={"X-CSRFToken": token} if token else {}, **more)
        assert answer.status_code < 300, f"{method} {path} gave {answer.status_code}: {answer.text[:1000]}"
        return answer.json() if answer.content else None


@dataclass(kw_only=True)
class KolibriServer:
    """A Kolibri with its home below `home`, made and filled by its own commands."""

    command: str
    home: Path
    url: str = ""
    _users: dict[str, KolibriUser] = field(default_factory=dict)

    @property
    def _environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("KOLIBRI_", "PYTHON"))}
        return clean | {
            "KOLIBRI_HOME": str(self.home / "kolibri"),
            "KOLIBRI_LISTEN_ADDRESS": "127.0.0.1",
            "KOLIBRI_HTTP_PORT": "0",
            "KOLIBRI_ZIP_CONTENT_PORT": "0",
            # it speaks to nobody but the tests
            "KOLIBRI_ZEROCONF_ENABLED": "False",
            "KOLIBRI_DISABLE_PING": "True",
        }

    def manage(self, *arguments: str) -> None:
        """Run one of Kolibri's commands to its end."""
        command = [self.command, "manage", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, (
            f"{arguments[0]} gave {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )

    @contextmanager
    def running(self) -> Iterator[KolibriServer]:
        """Serve on a free port until the end."""
        with (self.home / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [self.command, "start", "--foreground"], env=self._environment, stdout=log, stderr=log
            )
        try:
            self.url = wait_for("Kolibri to answer", lambda: self._ready(process), seconds=180)
            yield self
        finally:
            for user in self._users.values():
                user.close()
            self._users.clear()
            stop_process(process)

    def _ready(self, process: subprocess.Popen[bytes]) -> str | None:
        assert process.poll() is None, f"Kolibri ended:\n{(self.home / 'server.log').read_text()[-4000:]}"
        try:
            lines = (self.home / "kolibri" / "server.pid").read_text().split()
            url = f"http://127.0.0.1:{int(lines[1])}"
            return url if httpx.get(f"{url}/api/public/info/").status_code == 200 else None
        except (OSError, ValueError, IndexError, httpx.TransportError):
            return None

    def user(self, name: str) -> KolibriUser:
        """Return somebody signed in with the password that all users of the tests have."""
        if name not in self._users:
            self._users[name] = KolibriUser(self.url, name, f"{name}-pass")
        return self._users[name]

    def rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Read from Kolibri's own database."""
        place = self.home / "kolibri" / "db.sqlite3"
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(statement, values).fetchall()

    def forget_sessions(self, user_id: str) -> None:
        """End every session of a user, as time or a restored backup does."""
        with closing(sqlite3.connect(self.home / "kolibri" / "sessions.sqlite3", timeout=30)) as database:
            database.execute("DELETE FROM kolibriauth_session WHERE user_id = ?", [user_id])
            database.commit()
