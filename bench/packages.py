"""Large packages on disk: read and archived, beside `tar` and `unzip`, which only look through the same file."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fakes.daemon_process import DaemonProcess
from fakes.moodle_backup import MOODLE
from fakes.package_files import manifest

from bench.memory import peak_mb
from bench.table import Measurement
from coursekeep import NativeExport, RemoteFile
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings

__all__ = ["measure_packages"]

#: files in the backup, and bytes of each on average; all of it packs to a half
FILES = 2_000
AVERAGE = 500_000
#: entries of the cartridge: the manifest, and as many pages as files
ENTRIES = 1_283
WANTED = ">= 0.3"


def measure_packages(rounds: int = 3) -> list[Measurement]:
    """Measure a backup and a cartridge, in turns with the tool that looks through it; best of `rounds` each."""
    with tempfile.TemporaryDirectory() as folder:
        exports = Path(folder) / "exports"
        exports.mkdir()
        backup, cartridge = exports / "large.mbz", exports / "many.imscc"
        make_backup(backup)
        make_cartridge(cartridge)
        return [
            *_compared(Path(folder), backup, ["tar", "-tzf", str(backup)], rounds),
            *_compared(Path(folder), cartridge, ["unzip", "-tqq", str(cartridge)], rounds),
        ]


def _compared(home: Path, package: Path, command: Sequence[str], rounds: int) -> list[Measurement]:
    theirs: list[float] = []
    read: list[tuple[float, int]] = []
    archived: list[tuple[float, float]] = []
    for number in range(rounds):
        theirs.append(_timed(command))
        read.append(asyncio.run(_read(package)))
        archived.append(_archived(home / f"{package.stem}{number}", package))
    size, tool = package.stat().st_size / 1e6, min(theirs)
    beside = f"{' '.join(command[:2])} {size / tool:.0f} MB/s"
    (reading, records), archiving = min(read), min(archived)[0]
    peak = max(peak for _, peak in archived)
    return [
        Measurement(
            what=f"reading {package.name}, {size:,.0f} MB: records and files, SHA-512 of all bytes, nothing written",
            measured=f"{size / reading:.0f} MB/s, {records / reading:,.0f} records/s",
            beside=beside,
            value=tool / reading,
            wanted=WANTED,
        ),
        Measurement(
            what=f"archiving {package.name}, from the request to the committed package; peak memory {peak:.0f} MB",
            measured=f"{size / archiving:.0f} MB/s",
            beside=beside,
            value=tool / archiving,
            wanted=WANTED,
        ),
    ]


def _timed(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


async def _read(package: Path) -> tuple[float, int]:
    """Read a package through its connector; give the seconds, and how many records and files came."""
    start = time.perf_counter()
    count = 0
    async with PackagesConnector(PackagesSettings(path=package.parent)) as connector:
        course = await connector.course(package.name)
        assert course is not None
        async with aclosing(_generator(connector.export(course))) as parts:
            async for part in parts:
                count += 1
                if isinstance(part, NativeExport | RemoteFile) and part.url:
                    digest = hashlib.sha512(usedforsecurity=False)
                    async with connector.open(part) as download:
                        async for chunk in download.chunks:
                            digest.update(chunk)
    return time.perf_counter() - start, count


def _generator(parts: Any) -> Any:
    return parts


def _archived(home: Path, package: Path) -> tuple[float, float]:
    """Archive one package by a daemon of its own; give the seconds and the peak of its memory."""
    settings = f'connector = "packages"\npath = "{package.parent}"'
    daemon = DaemonProcess(home, "http://127.0.0.1:9", "unused", {"integrations.exports": settings})
    with daemon.running():
        start = time.perf_counter()
        run = daemon.finished(daemon.start_run("ids", {"ids": [package.name]}, integration="exports"), seconds=600)
        taken = time.perf_counter() - start
        assert run["counts"]["completed"] == 1, daemon.items(run["id"])
        return taken, peak_mb(daemon)


def make_backup(path: Path) -> None:
    """Write a Moodle backup: a gzipped tar file of 1 GB that takes about half of it."""
    made = Contents()
    listed = []
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT, compresslevel=6) as target:
        before = [name for name in MOODLE if name.startswith((".", "act", "com", "course"))]
        for name in before:
            _add(target, name, MOODLE[name])
        names = {hashlib.sha1(made.one(number, AVERAGE)).hexdigest(): number for number in range(FILES)}
        for digest, number in sorted(names.items()):
            data = made.one(number, AVERAGE)
            _add(target, f"files/{digest[:2]}/{digest}", data)
            listed.append(_listed(number, digest, len(data)))
        _add(target, "files.xml", f"<files>{''.join(listed)}</files>")
        for name in MOODLE:
            if name not in before and not name.startswith("files"):
                _add(target, name, MOODLE[name])


def make_cartridge(path: Path) -> None:
    """Write a Common Cartridge of pages and files."""
    made = Contents()
    pages = (ENTRIES - 1) // 2
    names = [f"p/{number}.html" for number in range(pages)]
    names += [f"f/{number}.bin" for number in range(ENTRIES - 1 - pages)]
    resources = "".join(
        f'<resource identifier="r{place}" type="webcontent" href="{name}"><file href="{name}"/></resource>'
        for place, name in enumerate(names)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("imsmanifest.xml", manifest(resources))
        for place, name in enumerate(names):
            page = name.endswith(".html")
            text = f"<html><body>{made.words(20_000).decode()}</body></html>" if page else ""
            target.writestr(name, text or made.one(place, 400_000))


class Contents:
    """Made-up content that is the same every time: words, which pack well, and noise, which does not."""

    def __init__(self) -> None:
        rng = random.Random(7)
        letters = b"abcdefghijklmnopqrstuvwxyz"
        words = [bytes(rng.choices(letters, k=rng.randint(3, 10))) for _ in range(4_000)]
        self._text = b" ".join(rng.choices(words, k=400_000))
        self._rng = rng

    def words(self, size: int) -> bytes:
        """Return so many bytes of words."""
        start = self._rng.randrange(len(self._text) - size)
        return self._text[start : start + size]

    def one(self, number: int, average: int) -> bytes:
        """Return a file of about this size: a tenth is noise, the rest words."""
        rng = random.Random(number)
        size = rng.randint(average // 2, average + average // 2)
        start = rng.randrange(len(self._text) - size)
        return rng.randbytes(size // 10) + self._text[start : start + size - size // 10]


def _add(target: tarfile.TarFile, name: str, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    about = tarfile.TarInfo(name)
    about.size = len(data)
    target.addfile(about, io.BytesIO(data))


def _listed(number: int, digest: str, size: int) -> str:
    return (
        f'<file id="{1000 + number}"><contenthash>{digest}</contenthash><contextid>1</contextid>'
        "<component>course</component><filearea>section</filearea><itemid>7</itemid><filepath>/</filepath>"
        f"<filename>{number}.bin</filename><userid>3</userid><filesize>{size}</filesize>"
        "<mimetype>application/octet-stream</mimetype></file>"
    )
