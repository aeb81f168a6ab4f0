"""Starts the services of deploy/compose.yml by hand, from their own commands, without a container engine.

What an engine would do is done here: a folder for every volume, secret and configuration; an address on loopback for
every container, which stands for its name; health checks and the order that follows from them; a new start of what was
killed. Programs that an image brings are those of this machine and of the tests' environment.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes.compose_file import COMPOSE, ComposeService, read_compose, services_in_order
from fakes.daemon_process import stop_process, wait_for
from fakes.postgres_server import binaries, usable

__all__ = ["ComposeHouse", "Container"]

#: nobody: PostgreSQL refuses to run as root, where tests do
NOBODY = 65534
_NUMBERS = itertools.count(1)


@dataclass(kw_only=True)
class Container:
    """One running copy of a service."""

    service: ComposeService
    number: int
    address: str
    #: path within the container -> path here
    places: Mapping[str, Path]
    words: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    user: int | None = None

    def start(self) -> None:
        """Start the command; what it prints goes to the end of the log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words, env=self.environment, cwd=self.log.parent, stdout=log, stderr=log, user=self.user
            )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command beside it, as `exec` would."""
        return subprocess.run(
            words,
            env=self.environment,
            cwd=self.log.parent,
            capture_output=True,
            text=True,
            check=False,
            user=self.user,
        )

    def ended(self) -> int | None:
        """Return the exit code, or None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end within its own time, and return the exit code."""
        assert self.process is not None
        seconds = float(self.service.raw["stop_grace_period"].removesuffix("s"))
        return stop_process(self.process, seconds=seconds)


@dataclass
class ComposeHouse:
    """All services of the file, started in their order below a folder of their own."""

    #: variables that are added to every service of Coursekeep: the address of the LMS
    variables: Mapping[str, str]
    #: what is in the files of secrets; those of the object store and the database are made up
    secrets: Mapping[str, str]
    file: Path = COMPOSE
    containers: list[Container] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ckc"))  # short: sockets lie in it
        self.folder.chmod(0o755)
        self.content = read_compose(self.file)
        self.services = services_in_order(self.content)
        self._net = f"127.{os.getpid() % 200 + 20}.{next(_NUMBERS) % 250}"
        self._hosts = {one.name: f"{self._net}.{index * 16 + 1}" for index, one in enumerate(self.services)}
        self._programs = self._found()
        self._write_secrets()

    @contextlib.contextmanager
    def running(self, *, without: frozenset[str] = frozenset()) -> Iterator[ComposeHouse]:
        """Start the services, and end them in the opposite order."""
        try:
            for service in self.services:
                if service.name not in without:
                    self._up(service)
            yield self
        finally:
            self._down()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _down(self) -> None:
        for container in reversed([one for one in self.containers if one.process is not None]):
            if container.service.image.startswith("coursekeep"):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    container.stop()
            else:  # their data goes anyway, and the object store would take half a minute to say farewell
                container.kill()

    def of(self, name: str) -> list[Container]:
        """Return the containers of a service."""
        return [one for one in self.containers if one.service.name == name]

    def coursekeep(self, *arguments: str) -> str:
        """Run a command within the daemon's container, and return what it prints."""
        done = self.of("daemon")[0].run(self._programs["coursekeep"], *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def url(self) -> str:
        """Return the daemon's address."""
        return f"http://{self.of('daemon')[0].address}:8350"

    def logs(self, name: str) -> str:
        """Return what the containers of a service have printed."""
        return "\n".join(one.log.read_text(encoding="utf-8", errors="replace") for one in self.of(name))

    def _up(self, service: ComposeService) -> None:
        """Start all containers of a service, and wait for what others wait for."""
        for number in range(1, service.replicas + 1):
            container = self._container(service, number)
            self.containers.append(container)
            if service.name == "database":
                self._make_database(container)
            container.start()
        for container in self.of(service.name):
            if service.healthcheck:
                wait_for(f"{service.name} to be healthy", lambda one=container: self._healthy(one))
            elif service.raw["restart"] == "no":
                code = wait_for(f"{service.name} to end", lambda one=container: _Code.of(one))
                assert code.value == 0, self.logs(service.name)

    def _healthy(self, container: Container) -> bool:
        assert container.ended() is None, f"{container.service.name} ended:\n{container.log.read_text()[-4000:]}"
        program, *arguments = container.service.healthcheck
        words = [self._programs[program], *(self._inside(one, container) for one in arguments)]
        return container.run(*words).returncode == 0

    def _container(self, service: ComposeService, number: int) -> Container:
        home = self.folder / f"{service.name}-{number}"
        home.mkdir()
        base, last = self._hosts[service.name].rsplit(".", 1)
        address = f"{base}.{int(last) + number - 1}"
        made = Container(
            service=service, number=number, address=address, places=self._places(service, home), words=[],
            environment={}, log=home / "log",
        )  # fmt: skip
        program, *arguments = service.words if service.words[0] in self._programs else ("coursekeep", *service.words)
        made.words = [self._programs[program], *(self._inside(one, made) for one in arguments)]
        made.environment = {name: self._inside(str(value), made) for name, value in service.environment.items()}
        made.environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TMPDIR": str(made.places["/tmp"]),
            "LANG": "C.UTF-8",
        }
        for target, name in service.configs.items():
            text = (self.file.parent / self.content["configs"][name]["file"]).read_text(encoding="utf-8")
            made.places[target].write_text(self._inside(text, made), encoding="utf-8")
        if "CREDENTIALS_DIRECTORY" in made.environment:  # one of ours
            made.environment |= {"COURSEKEEP_SETTINGS": str(made.places["/etc/coursekeep/settings.toml"])}
            made.environment |= self.variables
        return made

    def _places(self, service: ComposeService, home: Path) -> dict[str, Path]:
        places = {"/run/secrets": home / "secrets"}
        for target, name in service.volumes.items():
            places[target] = self.folder / "volumes" / name if name else home / target.replace("/", "_")
        places |= {target: home / target.replace("/", "_") for target in service.tmpfs}
        for target, place in places.items():
            place.mkdir(parents=True, exist_ok=True)
            if (outer := places.get(str(Path(target).parent))) is not None:  # one volume within another
                (outer / Path(target).name).symlink_to(place)
        for name in service.secrets:
            shutil.copy(self.folder / "secrets" / name, places["/run/secrets"] / name)
        places |= {target: home / Path(target).name for target in service.configs}
        return places

    def _inside(self, text: str, container: Container) -> str:
        """Turn what stands in the file into what it means here: folders, names of services, addresses."""
        text = re.sub(r"(?<![\d.])(0\.0\.0\.0|127\.0\.0\.1)(?![\d.])", container.address, text)
        for name, host in self._hosts.items():
            text = re.sub(rf"(?<=[@/=]){name}(?=[:/\"]|$)", host, text)
        # last, and all at once: the folders here may have names of those there in them
        places = "|".join(re.escape(one) for one in sorted(container.places, key=len, reverse=True))
        return re.sub(rf"(?<![\w/])({places})(?=[/\"'\s:]|$)", lambda found: str(container.places[found[1]]), text)

    def _make_database(self, container: Container) -> None:
        """Do what the image of PostgreSQL does at its first start."""
        given, root = container.environment, container.places["/var/lib/postgresql"]
        container.user = NOBODY if os.geteuid() == 0 else None
        if container.user is not None:
            for place in (root, container.log.parent, *container.places.values(), *self.folder.glob("*/secrets/*")):
                os.chown(place, container.user, container.user)
        data = root / "18" / "docker"
        data.parent.mkdir()
        if container.user is not None:
            os.chown(data.parent, container.user, container.user)
        user, password = given["POSTGRES_USER"], given["POSTGRES_PASSWORD_FILE"]
        options = [*given["POSTGRES_INITDB_ARGS"].split(), "--no-sync", "-A", "scram-sha-256", f"--pwfile={password}"]
        done = container.run(self._programs["initdb"], "-D", str(data), "-U", user, *options)
        assert done.returncode == 0, done.stderr
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        single = [self._programs["postgres"], "--single", "-D", str(data), "postgres"]
        create = f"CREATE DATABASE {given['POSTGRES_DB']};\n"
        made = subprocess.run(single, input=create, text=True, user=container.user, capture_output=True, check=False)
        assert made.returncode == 0, made.stderr
        given["PGDATA"] = str(data)

    def _write_secrets(self) -> None:
        """Write the files of all secrets, as the guide says."""
        key, secret = secrets.token_hex(10), secrets.token_hex(20)
        identity = {"name": "coursekeep", "credentials": [{"accessKey": key, "secretKey": secret}]}
        identity["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]  # type: ignore[assignment]  # JSON
        made = {
            "store_password": secrets.token_hex(16),
            "s3_access_key_id": key,
            "s3_secret_access_key": secret,
            "s3_accounts": json.dumps({"identities": [identity]}),
            **self.secrets,
        }
        folder = self.folder / "secrets"
        folder.mkdir()
        for name in self.content["secrets"]:
            (folder / name).write_text(made[name], encoding="utf-8")

    def _found(self) -> dict[str, str]:
        """Find the programs that the images bring."""
        scripts = Path(sys.executable).parent
        server = usable(binaries(), self.folder, NOBODY if os.geteuid() == 0 else None)
        programs = {name: str(server / name) for name in ("postgres", "initdb", "pg_isready")}
        programs |= {"coursekeep": str(scripts / "coursekeep"), "sh": "/bin/sh"}
        for name, where in (("weed", str(scripts)), ("wget", None)):
            found = shutil.which(name, path=where)
            if found is None:
                pytest.skip(f"{name}, which an image would bring, is not on this machine")
            programs[name] = found
        return programs


@dataclass(frozen=True)
class _Code:
    """An exit code, which is there even where it is 0."""

    value: int

    @classmethod
    def of(cls, container: Container) -> _Code | None:
        code = container.ended()
        return None if code is None else cls(code)
