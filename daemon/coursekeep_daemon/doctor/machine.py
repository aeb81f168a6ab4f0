"""What can be seen with nothing but the settings: files and who may read them, folders, room, limits."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coursekeep import CoursekeepError
from coursekeep_daemon.doctor import archives
from coursekeep_daemon.doctor.finding import Finding, failed, ok, warning
from coursekeep_daemon.origin import Origin
from coursekeep_daemon.secrets import is_reference, resolve_secrets, secret_path, sounds_secret
from coursekeep_daemon.settings import Settings

__all__ = ["look"]

#: file descriptors that a daemon needs with a few integrations: connections, files, the database
_FILES = 1024
#: bytes below which the folder of the database will be full soon
_ROOM = 2**30
_NO_ROOM = 100 * 2**20


def look(settings: Settings) -> Iterator[Finding]:
    """Yield what is found on this machine."""
    yield from _secrets(settings.origin)
    yield from _data_dir(settings.daemon.data_dir)
    yield from archives.look(settings)
    yield _time_zones(settings)
    yield _files()
    yield _umask()


def _secrets(origin: Origin) -> Iterator[Finding]:
    """Look whether every secret is there, and whether others can read it."""
    content = tomllib.loads(origin.text)
    trouble: list[Finding] = []
    plain: list[str] = []
    for key, value in _walk(content, ()):
        name = ".".join(key)
        if not is_reference(value):
            plain += [name] if isinstance(value, str) and sounds_secret(key[-1]) else []
            continue
        of_service = "${" in str(value.get("file", ""))
        if of_service and not origin.environ.get("CREDENTIALS_DIRECTORY"):
            said = f"{name} is a credential of the service, which cannot be seen from here"
            trouble.append(warning("secrets", said, "set CREDENTIALS_DIRECTORY to a folder with it, and look again"))
            continue
        try:
            resolve_secrets({key[-1]: value}, key[:-1], origin)
        except CoursekeepError as error:
            trouble.append(failed("secrets", str(error), "put the secret there; the daemon does not start without it"))
            continue
        if "file" in value and _others_read(path := secret_path(value["file"], key, origin)):
            trouble.append(
                warning("secrets", f"{name}: every user of this machine can read {path}", f"chmod 640 {path}")
            )
    if plain and origin.path is not None and _others_read(origin.path):
        said = f"{origin.path} holds {', '.join(plain)} in plain text, and every user of this machine can read it"
        trouble.append(warning("secrets", said, f"chmod 640 {origin.path}, or write secrets as references"))
    yield from trouble or [ok("secrets", "all are there, and only their owners can read them")]


def _walk(value: Any, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and not is_reference(value):
        for name, each in value.items():
            yield from _walk(each, (*key, name))
    elif key:
        yield key, value


def _others_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _data_dir(folder: Path) -> Iterator[Finding]:
    """Look at the folder of lock and database: whose it is, whether it can be written, and how full its disk is."""
    if not folder.is_dir():
        yield warning("data_dir", f"{folder} is not there yet", "the first start makes it; else correct data_dir")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        said = f"{folder} cannot be written by the user {os.getuid()}; it belongs to {folder.stat().st_uid}"
        yield failed("data_dir", said, "run this as the daemon's user, or give the folder to that user")
        return
    foreign = sorted(each.name for each in folder.iterdir() if each.lstat().st_uid != folder.stat().st_uid)
    if foreign:
        said = f"{', '.join(foreign)} in {folder} belong to another user than the folder"
        yield failed("data_dir", said, "give them to the daemon's user: a command was once run as somebody else")
    elif folder.stat().st_mode & stat.S_IRWXO:
        yield warning("data_dir", f"every user of this machine can look into {folder}", f"chmod 750 {folder}")
    else:
        yield ok("data_dir", f"{folder} is there and can be written")
    free = shutil.disk_usage(folder).free
    remedy = "make room: the database cannot grow, and nothing is archived without it"
    if free < _ROOM:
        yield (failed if free < _NO_ROOM else warning)("data_dir room", f"{free:,} bytes are free", remedy)
    else:
        yield ok("data_dir room", f"{free:,} bytes are free")
    yield _lock(folder / "daemon.lock")


def _lock(path: Path) -> Finding:
    """Say which daemon works here, by what the lock says; to try the lock could keep a daemon from starting."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        pid, host, since = int(held["pid"]), str(held["host"]), str(held["started_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return warning("daemon process", "no daemon has worked in data_dir yet", "start it: `coursekeep serve`")
    if host != socket.gethostname():
        return ok(
            "daemon process", f"process {pid} on {host} has worked here since {since}; it cannot be seen from here"
        )
    if Path(f"/proc/{pid}").exists():
        return ok("daemon process", f"process {pid}, since {since}")
    return warning(
        "daemon process", f"process {pid} of {since} is not running any more", "start it: `coursekeep serve`"
    )


def _time_zones(settings: Settings) -> Finding:
    try:
        ZoneInfo("Europe/Vienna"), ZoneInfo(settings.daemon.time_zone)
    except (ZoneInfoNotFoundError, OSError):
        return failed("time zones", "there are no data of time zones", "install tzdata: pip install tzdata")
    return ok("time zones", f"cron rules that name none are of {settings.daemon.time_zone}")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"a process may open {soft} files here"
    if soft < _FILES:
        return warning(
            "open files", said, f"raise it to {min(_FILES, hard)} or more: LimitNOFILE= in the unit, ulimit -n"
        )
    return ok("open files", said)


def _umask() -> Finding:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        umask = next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):
        return ok("umask", "it cannot be seen on this system")
    if not umask & stat.S_IWOTH:
        said = f"the umask is {umask:04o}: other users could change packages"
        return warning("umask", said, "set UMask=0027 in the unit, or umask 027 in the shell")
    return ok("umask", f"{umask:04o}")
