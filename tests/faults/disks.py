"""Disks that fill up and become slow: small file systems of their own, and the kernel's throttle.

Both need root. Where that is missing the laboratory leaves the faults out, and says so.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

__all__ = ["Disk", "Throttle"]

_CGROUP = Path("/sys/fs/cgroup/blkio")


class Disk:
    """A folder; where root may mount, a file system of its own (ext4 on a loop device, without a journal)."""

    def __init__(self, place: Path, *, megabytes: int = 1024) -> None:
        self.place = place
        self._image = place.with_suffix(".img")
        self._filling = place / "filling"
        place.mkdir(parents=True, exist_ok=True)
        self.why_not = self._mount(megabytes) if os.geteuid() == 0 else "only root may mount a file system"

    def _mount(self, megabytes: int) -> str:
        with self._image.open("wb") as image:
            image.truncate(megabytes * 2**20)
        for command in (
            ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(self._image)],
            ["mount", "-o", "loop", str(self._image), str(self.place)],
        ):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                return f"{command[0]} is not installed"
            if done.returncode:
                return f"{command[0]} failed: {done.stderr.strip()}"
        with contextlib.suppress(OSError):
            (self.place / "lost+found").rmdir()
        return ""

    @property
    def own(self) -> bool:
        """Tell whether it is a file system of its own, which can be filled without harm to others."""
        return not self.why_not

    def fill(self) -> None:
        """Leave no room at all."""
        with self._filling.open("wb", buffering=0) as file:
            size = 2**24
            while size >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                except OSError:
                    size //= 2

    def make_room(self) -> None:
        """Take away what filled it."""
        self._filling.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it; processes that held files open may take a moment to be gone."""
        deadline = time.monotonic() + 10
        while self.own and subprocess.run(["umount", str(self.place)], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                subprocess.run(["umount", "--lazy", str(self.place)], capture_output=True, check=False)
                break
            time.sleep(0.1)
        self._image.unlink(missing_ok=True)


class Throttle:
    """Few writes a second to a disk, for the processes named: the block I/O controller of cgroups, version 1."""

    def __init__(self, disk: Path) -> None:
        device = disk.stat().st_dev
        self._device = f"{os.major(device)}:{os.minor(device)}"
        self._group = _CGROUP / f"coursekeep-faults-{os.getpid()}"
        self.why_not = self._why_not()

    def _why_not(self) -> str:
        if not (_CGROUP / "blkio.throttle.write_iops_device").exists() and not _CGROUP.is_dir():
            return "the kernel offers no block I/O controller of cgroups, version 1"
        try:
            self._group.mkdir(exist_ok=True)
            self.slow(1000)
            self.fast()
        except OSError as error:
            return f"the block I/O controller cannot be used: {error}"
        return ""

    def slow(self, writes: int, *pids: int) -> None:
        """Grant so many writes a second to all these processes together."""
        (self._group / "blkio.throttle.write_iops_device").write_text(f"{self._device} {writes}")
        for pid in pids:
            with contextlib.suppress(OSError):  # it has ended
                (self._group / "cgroup.procs").write_text(str(pid))

    def fast(self) -> None:
        """Throttle nothing more."""
        (self._group / "blkio.throttle.write_iops_device").write_text(f"{self._device} 0")
        for pid in (self._group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (_CGROUP / "cgroup.procs").write_text(pid)

    def remove(self) -> None:
        """Take the group away."""
        if not self.why_not:
            self.fast()
            with contextlib.suppress(OSError):
                self._group.rmdir()
